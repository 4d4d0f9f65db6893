"""Records: text to rows of text, and the lines that are none, each with its number and why."""

from __future__ import annotations

import csv
import io
from typing import Any

from thirtyfold.core.late import np, pl
from thirtyfold.data.margins import Fault3

__all__ = ["CELL", "rows_of"]

CELL = 4 * 1024 * 1024
"""A cell of more characters than this is a fault of the file, not a value."""


def rows_of(
    text: str, delimiter: str, names: list[str], *, header: bool, titles: str = "", end: bool = True
) -> tuple[pl.DataFrame, list[Fault3]]:
    """Rows as text, and the lines that are none. ``header``: the first record names the columns.

    Of a part of a file ``titles`` is the header that may come again, and ``end`` says that the file ends here.
    """
    if '"' in text:
        known = next(csv.reader([titles], delimiter=delimiter, skipinitialspace=True)) if titles else None
        rows, faults = _split(text, delimiter, len(names), header=header, titles=known)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        frame = pl.DataFrame({n: pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)})
        return _stripped(frame), faults
    return _by_polars(text, delimiter, names, titles.encode(), header=header, end=end)


def _by_polars(
    text: str, delimiter: str, names: list[str], titles: bytes, *, header: bool, end: bool
) -> tuple[pl.DataFrame, list[Fault3]]:
    """Text without quotes: lines are rows, so that bad lines are found by counting delimiters."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    if data[-1] != 10:
        data = np.append(data, np.uint8(10))
    ends = np.flatnonzero(data == 10)
    starts = np.concatenate([[0], ends[:-1] + 1])
    marks = np.flatnonzero(data == ord(delimiter))
    fields = np.searchsorted(marks, ends) - np.searchsorted(marks, starts) + 1
    raw = data.tobytes()
    blank = ends - starts < max(2, len(names))
    blank[blank] = [not raw[starts[i] : ends[i]].strip() for i in np.flatnonzero(blank)]
    use = (fields == len(names)) & ~blank & (ends - starts <= CELL)
    at = np.flatnonzero(~blank)
    skipped = header and len(at) > 0
    bad = ~use & ~blank
    again: set[int] = set()
    if skipped:
        again = _again(raw, starts, ends, raw[starts[at[0]] : ends[at[0]]], int(at[0]))
        use[[at[0], *again]] = False
        bad[at[0]], bad[list(again)] = False, True
    elif titles:
        again = _again(raw, starts, ends, titles)
        use[list(again)], bad[list(again)] = False, True
    last = int(at[-1]) if len(at) and end else -1
    faults = [
        (
            int(i) + 1,
            "the header again" if int(i) in again else _why(int(fields[i]), len(names), last=int(i) == last),
            _line(raw, starts[i], ends[i]),
        )
        for i in np.flatnonzero(bad)
    ]
    kept = raw if use.all() else b"".join(raw[starts[i] : ends[i] + 1] for i in np.flatnonzero(use))
    if not kept:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String)), faults
    if delimiter == "\x1f":
        frame = pl.DataFrame({names[0]: kept.decode().split("\n")[:-1]}, schema={names[0]: pl.String})
    else:
        frame = pl.read_csv(
            io.BytesIO(kept),
            has_header=False,
            new_columns=names,
            separator=delimiter,
            quote_char=None,
            infer_schema=False,
            empty_string_is_null=False,
        )
    return _stripped(frame), faults


def _again(raw: bytes, starts: Any, ends: Any, header: bytes, at: int = -1) -> set[int]:
    """The lines that repeat the header (line ``at``): files put under each other with their headers."""
    if at >= 0 and raw.count(b"\n" + header + b"\n") < (2 if at else 1):
        return set()
    same = np.flatnonzero(ends - starts == len(header))
    return {int(i) for i in same if i != at and raw[starts[i] : ends[i]] == header}


def _line(raw: bytes, start: int, end: int) -> str:
    return raw[start : min(end, start + 4000)].decode("utf-8", "replace")


def _split(
    text: str, delimiter: str, width: int, *, header: bool, first: int = 1, titles: list[str] | None = None
) -> tuple[list[list[str]], list[Fault3]]:
    """Records of the right width, and the others by line; ``first`` is the number of the text's first line.

    A quote that opens and never closes would swallow the rest of the file: its line is quarantined and the rest read.
    """
    csv.field_size_limit(1 << 30)
    rows: list[list[str]] = []
    faults: list[Fault3] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    waiting, line, end = header, 0, 0
    taken: list[Any] | None = None
    for record in reader:
        line, end, taken = end + 1, reader.line_num, None
        if not record or (len(record) == 1 and not record[0].strip() and width > 1):
            continue
        if waiting:
            waiting, titles = False, record
            continue
        if record == titles and width > 1:
            faults.append((first + line - 1, "the header again", delimiter.join(record)[:4000]))
            taken = faults
            continue
        good = len(record) == width and (len(text) < CELL or max(map(len, record)) <= CELL)
        taken = rows if good else faults
        if good:
            rows.append(record)
        else:
            why = _record_fault(record, width, end - line)
            faults.append((first + line - 1, why, delimiter.join(record)[:4000]))
    if end > line and text.count('"') % 2:
        if taken:
            taken.pop()
        lines = text.split("\n")
        faults.append((first + line - 1, "a quote opens here and never closes", lines[line - 1]))
        more = _split("\n".join(lines[line:]), delimiter, width, header=False, first=first + line, titles=titles)
        return rows + more[0], faults + more[1]
    return rows, faults


def _record_fault(record: list[str], width: int, more_lines: int) -> str:
    if more_lines > 20 or max(map(len, record)) > CELL:
        return (
            f"a quote opens here that does not close for {more_lines:,} lines" if more_lines else "the cell is too long"
        )
    return _why(len(record), width, last=False)


def _why(fields: int, width: int, *, last: bool) -> str:
    if fields == width:
        return f"a value of more than {CELL:,} characters"
    cut = "; it is the last line, the file may be cut off" if last and fields < width else ""
    return f"{fields} field{'s' * (fields != 1)} instead of {width}{cut}"


def _stripped(frame: pl.DataFrame) -> pl.DataFrame:
    """Spaces around values go; an empty value is missing."""
    columns = [pl.col(n).str.strip_chars() for n in frame.columns]
    return frame.with_columns(columns).with_columns(
        pl.when(pl.col(n) == "").then(None).otherwise(pl.col(n)).alias(n) for n in frame.columns
    )
