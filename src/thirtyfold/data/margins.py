"""Margins: what stands around a table of text and is not of it: comments, titles above the header, totals below."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Fault3", "footer", "header_of_fewer", "without_comments", "without_title"]

Fault3 = tuple[int, str, str]
"""A line set aside: its number from 1, why, and its text."""

_TOTAL = re.compile(r"(grand |sub)?totals?\b.{0,3}|sum:?|count:?|average:?|mean:?", re.IGNORECASE)


def without_comments(text: str, mark: str) -> tuple[str, list[Fault3]]:
    """The text with its comment lines made blank (so that lines keep their numbers), and those lines.

    With ``mark`` ``auto`` a number sign begins a comment where the first line does, and the line is not a header in
    disguise: as many fields as the lines below it.
    """
    start = text.lstrip()
    if mark == "auto":
        if not start.startswith("#") or _disguised(start):
            return (text.replace("#", "", 1), []) if start.startswith("#") else (text, [])
        mark = "#"
    if not mark or f"{mark}" not in text:
        return text, []
    lines = text.split("\n")
    said = [(i + 1, "a comment", line) for i, line in enumerate(lines) if line.lstrip().startswith(mark)]
    for number, _, _ in said:
        lines[number - 1] = ""
    return "\n".join(lines), said


def _disguised(start: str) -> bool:
    """A header that begins with ``#``: the next line is no comment and has as many marks of one kind."""
    lines = [line for line in start.split("\n", 20)[:20] if line.strip()]
    if len(lines) < 2 or lines[1].startswith("#"):
        return False
    return any(lines[0].count(d) and all(w.count(d) == lines[0].count(d) for w in lines[1:4]) for d in ",\t;|")


def without_title(text: str, delimiter: str) -> tuple[str, list[Fault3]]:
    """The text with the lines above the header made blank: lines of one field over records of several."""
    if not delimiter.strip() and delimiter != "\t":
        return text, []
    ends: list[tuple[int, int]] = []
    reader = csv.reader(io.StringIO(text[:1_000_000], newline=""), delimiter=delimiter, skipinitialspace=True)
    for record in reader:
        filled = [i for i, c in enumerate(record) if c.strip()]
        if filled:
            ends.append((reader.line_num, 1 if filled[-1] == 0 and len(filled) == 1 else len(record)))
        if len(ends) >= 200:
            break
    widths = Counter(w for _, w in ends)
    width, times = widths.most_common(1)[0] if widths else (1, 0)
    if width < 2 or times < 2 or times < 0.5 * len(ends) or ends[0][1] != 1:
        return text, []
    above = next((i for i, (_, w) in enumerate(ends) if w != 1), 0)
    last = ends[above - 1][0]
    lines = text.split("\n", last)
    said = [(i + 1, "above the header", line) for i, line in enumerate(lines[:last]) if line.strip()]
    return "\n" * last + lines[last], said


def header_of_fewer(records: list[list[str]]) -> str:
    """Whether the rows have one field more than the header: ``"end"`` (each line ends in a delimiter), ``"start"``
    (row names without a title, as R writes them), or nothing.
    """
    if len(records) < 3:
        return ""
    width = len(records[0])
    longer = [r for r in records[1:] if len(r) == width + 1]
    if width < 2 or len(longer) < 0.9 * (len(records) - 1):
        return ""
    if not any(r[-1] for r in longer):
        return "end"
    return "start" if len({r[0] for r in longer}) == len(longer) and all(records[0]) else ""


def footer(frame: pl.DataFrame) -> str:
    """Why the last row is not of the table, or nothing: its first value says that it adds up the others."""
    if frame.height < 3:
        return ""
    first = next((v for v in frame.row(-1) if v is not None), None)
    if not isinstance(first, str) or not _TOTAL.fullmatch(first.strip()):
        return ""
    name = next(n for n, v in zip(frame.columns, frame.row(-1), strict=True) if v is not None)
    return "" if first in frame[name][:-1] else "a footer: it adds up the rows above"
