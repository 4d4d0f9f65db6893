"""Blocks: a large text table read piece by piece by Polars' own parser, on all cores, while memory holds a few pieces.

A piece is some megabytes of whole records. Before it is parsed as a whole it is seen to be regular: so many fields in
every line, no blank line, quotes only around values. One that is not is read line by line as small files are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.laid import Laying
from thirtyfold.core.row import ROW
from thirtyfold.data.arrivals import Mark
from thirtyfold.data.margins import Fault3

__all__ = ["BLOCK", "LARGE", "Block", "Layout", "Odd", "laid_of"]

LARGE = 64 * 1024 * 1024
"""A file of more bytes is read in blocks."""
BLOCK = 16 * 1024 * 1024
"""Bytes of a block."""
_LONGEST = 4
"""Blocks that a record may go over before the file is given up as irregular."""
_STEP = 1 << 20
"""Bytes that are looked at together: they stay in the cache."""
_LINE = 4 * 1024 * 1024
_NEWLINE, _QUOTE, _BLANK = 10, 34, 32


class Layout(NamedTuple):
    """How the records are laid out."""

    delimiter: str
    names: list[str]
    header: str
    """The first line as it is written, without its end; nothing where there is no header."""


class Block(NamedTuple):
    """Whole records: their bytes, whether quotes are among them, whether they are the last, and where they begin."""

    data: bytes
    quoted: bool
    last: bool
    at: int


class _Parsed(NamedTuple):
    """The rows of a block, its bad lines by number from 1, and how many lines it has."""

    frame: pl.DataFrame
    faults: list[Fault3]
    lines: int


class Odd(Exception):
    """The file cannot be read in blocks."""


Careful = Callable[[Block], tuple[pl.DataFrame, list[Fault3]]]
"""Reads a block line by line: the rows, and the lines that are none by their number in the block's file."""


def laid_of(
    path: Path,
    layout: Layout,
    careful: Careful,
    folder: Path,
    threads: int,
    known: tuple[pl.DataFrame, Mark] | None = None,
) -> tuple[pl.DataFrame, list[Fault3], Mark]:
    """All rows of a file with their numbers (the last column), as they lie in a file in ``folder``; the bad lines; and
    where the last block begins. ``known`` are the rows before a mark: then only what is behind it is read.

    Raises Odd where the file is not UTF-8, or a quote stands within a value, or opens and does not close for four
    blocks: what such a one means is seen only by reading from the beginning.
    """
    laying = Laying(folder)
    faults: list[Fault3] = []
    mark = Mark(0, 0, int(bool(layout.header)))
    last = mark if known is None else known[1]

    def take(begins: int, part: _Parsed) -> None:
        nonlocal mark, last
        last = mark._replace(start=begins)
        faults.extend((n + mark.lines, why, raw) for n, why, raw in part.faults)
        numbers = pl.int_range(mark.rows, mark.rows + part.frame.height, dtype=pl.Int64)
        laying.add(part.frame.with_columns(numbers.alias(ROW)))
        mark = Mark(0, mark.rows + part.frame.height, mark.lines + part.lines)

    try:
        if known is not None:
            for piece in known[0].iter_slices(1 << 20):
                laying.add(piece)
            mark = known[1]
        with ThreadPoolExecutor(max(1, threads)) as pool:
            waiting: deque[tuple[int, Future[_Parsed]]] = deque()
            for block in _blocks(path, layout.header, known[1].start if known else 0):
                waiting.append((block.at, pool.submit(_parsed, block, layout, careful)))
                if len(waiting) > threads:
                    begins, part = waiting.popleft()
                    take(begins, part.result())
            while waiting:
                begins, part = waiting.popleft()
                take(begins, part.result())
        return laying.done(), faults, last
    except BaseException:
        laying.drop()
        raise


def _blocks(path: Path, header: str, start: int) -> Iterator[Block]:
    """The file from ``start`` on in pieces that end with a record. Raises Odd where that cannot be."""
    rest, at, first = b"", start, not start
    with path.open("rb") as file:
        file.seek(start)
        while True:
            new = file.read(BLOCK)
            data, last = rest + new, len(new) < BLOCK
            if first:
                data = data.removeprefix(b"\xef\xbb\xbf")
                data = data.partition(b"\n")[2] if header else data
                at, first = len(new) - len(data), False
            quoted = b'"' in data
            cut = len(data) if last else _cut(data, quoted=quoted)
            if not cut and len(data) > _LONGEST * BLOCK:
                raise Odd
            block, rest = data[:cut], data[cut:]
            if block:
                yield Block(block if block.endswith(b"\n") else block + b"\n", quoted, last, at)
            at += cut
            if last:
                return


def _cut(data: bytes, *, quoted: bool) -> int:
    """Where the last whole record ends: after the last line end that is not between quotes."""
    end = data.rfind(b"\n") + 1
    if not quoted or data.count(b'"', 0, end) % 2 == 0:
        return end
    codes = np.frombuffer(data, dtype=np.uint8, count=end)
    outside = np.bitwise_xor.accumulate((codes == _QUOTE).view(np.uint8)) == 0
    ends = np.flatnonzero((codes == _NEWLINE) & outside)
    return int(ends[-1]) + 1 if len(ends) else 0


def _parsed(block: Block, layout: Layout, careful: Careful) -> _Parsed:
    """The rows of a block as text, without blanks around values, empty ones missing; and its bad lines."""
    plain = block.data.isascii()
    if not plain and not _is_utf8(block.data):
        raise Odd
    look = None if block.quoted else _look(block, layout)
    if (look is None or look.controls) and b"\r" in block.data:
        block, look = block._replace(data=block.data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")), None
    if look is None:
        look = _look(block, layout)
    if not look.regular:
        return _Parsed(*careful(block), block.data.count(b"\n"))
    frame = pl.read_csv(
        block.data,
        has_header=False,
        new_columns=layout.names,
        separator=layout.delimiter,
        quote_char='"' if block.quoted else None,
        infer_schema=False,
        empty_string_is_null=True,
    ).rechunk()
    if look.padded or block.quoted or not plain:
        text = [pl.col(n).str.strip_chars() for n in layout.names]
        frame = frame.with_columns(text).with_columns(
            pl.when(pl.col(n) != "").then(pl.col(n)).alias(n) for n in layout.names
        )
    return _Parsed(frame, [], look.lines)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Look(NamedTuple):
    """``regular``: every line has as many fields as there are names, and none is the header; ``padded``: a value may
    have blanks around it; ``controls``: there are control characters.
    """

    regular: bool
    padded: bool = False
    controls: bool = False
    lines: int = 0


def _look(block: Block, layout: Layout) -> _Look:
    """How a block is written, by its bytes alone. Raises Odd for quotes that are not plain."""
    data, header = block.data, layout.header.encode()
    again = bool(header) and (data.startswith(header + b"\n") or b"\n" + header + b"\n" in data)
    codes = np.frombuffer(data, dtype=np.uint8)
    delimiter, inside, before = ord(layout.delimiter), np.uint8(0), _NEWLINE
    padded, controls, lines = data[0] <= _BLANK, False, 0
    marks: list[Array] = []
    ends: list[Array] = []
    for at in range(0, len(codes), _STEP):
        part = codes[at : at + _STEP + 1]  # one more, to see what follows
        here = min(len(part), _STEP)
        newline = part == _NEWLINE
        border = newline | (part == delimiter)
        blank = (part <= _BLANK) & ~border
        controls = controls or bool((part[blank] < _BLANK).any())
        lines += int(np.count_nonzero(newline[:here]))
        if block.quoted:
            quote = part == _QUOTE
            within = np.bitwise_xor.accumulate(np.concatenate([[inside], quote.view(np.uint8)]))
            if not _plain_quotes(part, quote, within, border, before):
                raise Odd
            inside = within[here]
            border &= within[1:] == 0
            newline &= border
        padded = padded or bool((blank[:-1] & border[1:]).any() or (blank[1:] & border[:-1]).any())
        marks.append(part[:here][border[:here]])
        ends.append(np.flatnonzero(newline[:here]) + at)
        before = int(part[here - 1])
    found, places = np.concatenate(marks), np.concatenate(ends)
    width = len(layout.names)
    if inside:
        raise Odd
    even = len(places) > 0 and len(found) == len(places) * width
    if again or not even or not (found[width - 1 :: width] == _NEWLINE).all():
        return _Look(regular=False, controls=controls)
    long = np.diff(places, prepend=-1) - 1
    return _Look(bool(long.min() >= max(2, width) and long.max() <= _LINE), padded, controls, lines)


def _plain_quotes(part: Array, quote: Array, within: Array, border: Array, before: int) -> bool:
    """Whether a quote opens only at the start of a value and closes only at its end, but for doubled ones."""
    at = np.flatnonzero(quote)
    opens = within[at] == 0
    previous = np.where(at > 0, part[at - 1], before)
    starts = np.where(at > 0, border[at - 1], before == _NEWLINE) | (previous == _QUOTE)
    if at.size and at[0] == 0 and before != _NEWLINE:
        starts[0] = True  # looked at with the step before
    follows = np.minimum(at + 1, len(part) - 1)
    stops = border[follows] | (part[follows] == _QUOTE) | (at + 1 >= len(part))
    return bool((starts | ~opens).all() and (stops | opens).all())
