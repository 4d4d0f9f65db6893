"""csv: text files with a row a line: commas, semicolons, tabs or bars, in any common encoding."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.core.load import WORKERS
from thirtyfold.core.row import ROW
from thirtyfold.core.step import Context
from thirtyfold.data.arrivals import Book, Kept, Mark, arrived
from thirtyfold.data.decoding import decoded, is_utf8
from thirtyfold.data.margins import Fault3, footer, header_of_fewer, without_comments, without_title
from thirtyfold.data.opening import content, is_packed
from thirtyfold.data.reading import Read, existing, kept_at, named, no_rows, quarantined, trace
from thirtyfold.data.records import CELL, rows_of

__all__ = ["Csv"]

_DELIMITERS = (",", "\t", ";", "|")

_HEAD = 2 * 1024 * 1024
"""So much is read to look at a file."""
_LINES = 200
"""A layout is taken from so many lines."""


class _Layout(NamedTuple):
    text: str
    delimiter: str
    names: list[str]
    header: bool
    aside: list[Fault3]
    extra: str


class _Rows(NamedTuple):
    """Rows as they were parsed: the frame, bad lines, the layout, the number of the last line, the encoding."""

    frame: pl.DataFrame
    faults: list[Fault3]
    layout: _Layout
    lines: int
    encoding: str


class _Plain(NamedTuple):
    """A layout in which nothing but a header stands around the rows; ``titles`` is the header as it is written."""

    layout: _Layout
    titles: str
    encoding: str

    @classmethod
    def of(cls, found: _Layout, text: str, encoding: str) -> _Plain | None:
        """The layout of a text as a plain one, if it is."""
        titles = found.text.partition("\n")[0] if found.header else ""
        if found.aside or found.extra or found.text != text or (found.header and not titles.strip()):
            return None
        return cls(found, titles, encoding) if encoding in ("utf-8", "utf-8-sig") else None

    @property
    def told(self) -> dict[str, Any]:
        """What must not have changed for a reading to go on."""
        return {"delimiter": self.layout.delimiter, "names": self.layout.names, "header": self.titles}


class Csv:
    """A CSV or TSV file. Delimiter, encoding and header are found by looking, or said.

    Every value is kept as the text that stands in the file; ``names`` names the columns of a file without a header.
    A line with too few or too many fields is quarantined with its number and text; so are titles above the header,
    comments (``comment`` is the sign they begin with), a header that comes again, and a last row of totals. The file
    may be compressed (gz, bz2, xz, zst).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".txt", ".data", ".dat", ".tab")

    def __init__(
        self,
        path: str,
        delimiter: str = "auto",
        encoding: str = "auto",
        names: list[str] | None = None,
        skip: Annotated[int, Field(ge=0)] = 0,
        comment: str = "auto",
        *,
        header: bool | Literal["auto"] = "auto",
    ) -> None:
        self.path, self.delimiter, self.encoding, self.header = path, delimiter, encoding, header
        self.names, self.skip, self.comment = names, skip, comment

    def read(self, context: Context) -> Read:
        """All rows as text, the dialect in the lineage."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        said = [self.delimiter, self.encoding, self.names, self.skip, self.comment, self.header]
        book = Book(path, {"csv": said})
        kept, why = book.known()
        large = path.stat().st_size >= _large()
        plain = self._plain(path) if kept or large else None
        if kept is not None and (plain is None or kept.state != plain.told):
            kept, why = None, "it is laid out in another way now"
        read = self._in_blocks(path, plain, kept, book, context) if plain and large else None
        if read is not None:
            return read._replace(arrived=arrived(kept, why, path, read.frame))
        rows = self._grown(path, plain, kept) if plain and kept else None
        if rows is None:
            text, encoding = decoded(content(path), path, self.encoding)
            rows = self._rows(text, encoding, path)
            kept, why = None, why or ("what came since is of another encoding" if kept else "")
        self._keep(book, path, rows)
        frame, bad, dialect = self._trimmed(rows, path)
        told = trace(path, frame, format="csv", encoding=rows.encoding, quarantined=bad.height, **dialect)
        return Read(frame, bad, told, arrived=arrived(kept, why, path, frame))

    def _plain(self, path: Path) -> _Plain | None:
        """How a file is laid out in which every line but the header is a row of UTF-8, by its head; None for others."""
        if is_packed(path) or self.skip or self.comment != "auto":
            return None
        data = content(path, _HEAD)
        cut = len(data) if len(data) < _HEAD else data.rfind(b"\n") + 1
        head, encoding = decoded(data[:cut], path, self.encoding)
        if encoding not in ("utf-8", "utf-8-sig") or (cut < path.stat().st_size and head.count("\n") < _LINES):
            return None
        found = self._layout(head, path)
        return _Plain.of(found, head, encoding)

    def _in_blocks(self, path: Path, plain: _Plain, kept: Kept | None, book: Book, context: Context) -> Read | None:
        """A large file, or what came to it, read in pieces; None where it must be read at once."""
        from thirtyfold.data import blocks

        found, titles = plain.layout, plain.titles
        if len(found.names) < 2 or not found.delimiter.isascii() or '"' in titles:
            return None

        def careful(block: blocks.Block) -> tuple[pl.DataFrame, list[Fault3]]:
            text = block.data.decode()
            return rows_of(text, found.delimiter, found.names, header=False, titles=titles, end=block.last)

        layout = blocks.Layout(found.delimiter, found.names, titles)
        known = None
        if kept is not None:
            numbers = pl.int_range(kept.rows, dtype=pl.Int64, eager=True).alias(ROW)
            known = kept.before.drop(ROW, strict=False).with_columns(numbers), kept.mark
        try:
            rows, faults, last = blocks.laid_of(path, layout, careful, kept_at("store", "laying"), WORKERS, known)
        except blocks.Odd:
            return None
        faults = [*([] if kept is None else kept.told()), *sorted(faults)]
        frame = rows.drop(ROW)
        if not frame.height or footer(frame[-1000:]):
            return None
        if last.rows:
            book.keep(Kept.of(path, last, rows, faults, plain.told))
        bad = quarantined(faults)
        more = {"encoding": plain.encoding, "delimiter": found.delimiter, "header": found.header}
        return Read(frame, bad, trace(path, frame, format="csv", quarantined=bad.height, **more), rows)

    def _grown(self, path: Path, plain: _Plain, kept: Kept) -> _Rows | None:
        """The rows that were kept, and those that came since; None where these are not of the same encoding."""
        with path.open("rb") as file:
            file.seek(kept.start)
            data = file.read()
        if not is_utf8(data) or b"\r" in data.replace(b"\r\n", b""):
            return None
        text, found = data.decode("utf-8", "replace").replace("\r\n", "\n"), plain.layout
        frame, faults = rows_of(text, found.delimiter, found.names, header=False, titles=plain.titles)
        lines = kept.lines + text.rstrip().count("\n") + 1
        more = [(n + kept.lines, why, raw) for n, why, raw in faults]
        whole = pl.concat([kept.before.drop(ROW, strict=False), frame])
        return _Rows(whole, [*kept.told(), *more], found, lines, plain.encoding)

    def _keep(self, book: Book, path: Path, rows: _Rows) -> None:
        """Keep the rows before the last record, where another reading would find them to be the very same."""
        plain = _Plain.of(rows.layout, rows.layout.text, rows.encoding)
        if plain is None or is_packed(path) or self.skip or self.comment != "auto":
            return
        data = path.read_bytes()
        start = _last_record(data)
        lines = data.count(b"\n", 0, start)
        if not lines or not is_utf8(data) or data.count(b"\r") != data.count(b"\r\n"):
            return
        text, found = data[start:].decode("utf-8", "replace").replace("\r\n", "\n"), rows.layout
        last, odd = rows_of(text, found.delimiter, found.names, header=False, titles=plain.titles)
        before = rows.frame.height - last.height
        same = rows.frame[before:].equals(last) and len(odd) == sum(n > lines for n, _, _ in rows.faults)
        if before > 0 and same:
            book.keep(Kept.of(path, Mark(start, before, lines), rows.frame, rows.faults, plain.told))

    def columns(self) -> list[str]:
        """The names of the columns, from at most the first two megabytes."""
        path = existing(self.path)
        layout = self._layout(self._head(path), path)
        return layout.names[:-1] if layout.extra == "end" else layout.names

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, from at most the first two megabytes."""
        path = existing(self.path)
        return self._trimmed(self._rows(self._head(path), "", path), path)[0].head(rows)

    def _head(self, path: Path) -> str:
        data = content(path, _HEAD + 1)
        if len(data) > _HEAD:  # the last line is cut
            data = data[: data.rfind(b"\n") + 1] or data
        return decoded(data, path, self.encoding)[0]

    def _layout(self, text: str, path: Path) -> _Layout:
        """How the text is laid out, by its first records."""
        if self.skip:
            text = text.split("\n", self.skip)[-1]
        if not text.strip():
            raise DataError(Fault(str(path), "the file holds only blank lines."))
        text, aside = without_comments(text, self.comment)
        delimiter = _delimiter(text, self.delimiter, path)
        if self.header != False and self.names is None:  # noqa: E712 - it may be "auto"
            text, titles = without_title(text, delimiter)
            aside = [*titles, *aside]
        first = _records(text, delimiter, 200, path)
        header = _has_header(first) if self.header == "auto" else bool(self.header)
        width = Counter(len(r) for r in first[:100]).most_common(1)[0][0] if self.names is None else len(self.names)
        if header and self.names is None:
            width = len(first[0])
        titles_of = first[0] if header else [f"c{i}" for i in range(width)]
        extra = header_of_fewer(first) if header and self.names is None else ""
        titles_of = [*["row"] * (extra == "start"), *titles_of, *["\x00"] * (extra == "end")]
        names = named(self.names or titles_of, str(path))
        if len(names) == 1 and width == 1 and len(first) > 1 and delimiter != self.delimiter:
            delimiter = "\x1f"  # a single column: nothing separates
        return _Layout(text, delimiter, names, header, aside, extra)

    def _rows(self, text: str, encoding: str, path: Path) -> _Rows:
        """All records of a text."""
        found = self._layout(text, path)
        frame, faults = rows_of(found.text, found.delimiter, found.names, header=found.header)
        return _Rows(frame, faults, found, found.text.rstrip().count("\n") + 1, encoding)

    def _trimmed(self, rows: _Rows, path: Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
        """The rows without what stands around them, the quarantine, and the dialect."""
        frame, (_, delimiter, names, header, aside, extra), where = rows.frame, rows.layout, str(path)
        bad = quarantined(rows.faults)
        why = footer(frame)
        if why:
            last = ",".join(v or "" for v in frame.row(-1))
            aside, frame = [*aside, (rows.lines, why, last)], frame[:-1]
        if extra == "end":
            empty = frame[names[-1]].null_count() == frame.height
            frame = frame.select(names[:-1]) if empty else frame.rename({names[-1]: f"c{len(names) - 1}"})
        bad = pl.concat([bad, quarantined(aside)]).sort("row") if aside else bad
        bad = bad.with_columns(pl.col("row") + self.skip)
        if not frame.height:
            if bad.height:
                raise DataError(
                    Fault(
                        where,
                        f"no line has {len(names)} fields; the first reads {bad['raw'][0][:80]!r}.",
                        hint="Say 'delimiter' and 'names' under collect.csv, or look at the file.",
                    )
                )
            raise no_rows(where, names)
        return frame, bad, {"delimiter": delimiter, "header": header}


def _large() -> int:
    """Bytes from which on a file is read in blocks; their module takes NumPy along, which small files do without."""
    from thirtyfold.data import blocks

    return blocks.LARGE


def _last_record(data: bytes) -> int:
    """Where the last record that is not blank begins: after a line end that is not between quotes; 0 if not found."""
    end = len(data.rstrip())
    for _ in range(100):
        end = data.rfind(b"\n", 0, end)
        if end < 0 or data.count(b'"', 0, end) % 2 == 0:
            break
    return end + 1


def _records(text: str, delimiter: str, most: int, path: Path) -> list[list[str]]:
    """The first records, blank lines left out."""
    csv.field_size_limit(1 << 30)
    found: list[list[str]] = []
    reader = csv.reader(io.StringIO(text[: 4 * CELL], newline=""), delimiter=delimiter, skipinitialspace=True)
    for record in reader:
        if any(c.strip() for c in record):
            found.append([c.strip() for c in record])
        if len(found) >= most:
            break
    if not found:
        raise DataError(Fault(str(path), "there is nothing to read."))
    return found


def _delimiter(text: str, asked: str, path: Path) -> str:
    """The delimiter that gives the most lines one and the same number of fields above one."""
    if asked != "auto":
        asked = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(asked, asked)
        if len(asked) != 1:
            raise DataError(Fault(str(path), f"the delimiter must be one character, got {asked!r}."))
        return asked
    best, chosen = 0.0, ","
    for delimiter in _DELIMITERS:
        if delimiter not in text[:1_000_000]:
            continue
        widths = Counter(len(r) for r in _records(text, delimiter, 100, path))
        width, times = widths.most_common(1)[0]
        score = times / sum(widths.values()) * (2.0 if width > 1 else 0.0) + min(width, 50) / 1000
        if width > 1 and score > best:
            best, chosen = score, delimiter
    return chosen


def _has_header(records: list[list[str]]) -> bool:
    """Names above values: a first line without numbers over columns of numbers, or of words that do not come again."""
    first, body = records[0], [r for r in records[1:] if len(r) == len(records[0]) and r != records[0]]
    if not body:
        return not any(_is_number(c) for c in first if c)
    if len({c.lower() for c in first if c}) < sum(1 for c in first if c) and any(_is_number(c) for c in first):
        return False
    for_it = against = 0
    for at, cell in enumerate(first):
        values = [r[at] for r in body if r[at]]
        numeric = bool(values) and sum(map(_is_number, values)) >= 0.8 * len(values)
        if not cell:
            continue
        if _is_number(cell):
            years = cell.isdigit() and 1900 <= int(cell) <= 2100
            against += 0 if years and not all(v == cell for v in values) and len(first) > 3 else 1
        elif numeric:
            for_it += 1
        elif cell in values:
            against += 1
    if for_it or against:
        return for_it > against
    return True


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ".", 1).rstrip("%"))
    except ValueError:
        return False
    return True
