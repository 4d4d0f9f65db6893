"""xlsx: a sheet of a spreadsheet; title rows above the header are found and skipped."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.opening import refuse_bomb
from thirtyfold.data.reading import Read, existing, named, quarantined, trace, whole

__all__ = ["Xlsx"]

Area = tuple[int, int, int, int]
"""Merged cells: first and last row, first and last column, from 0."""


class Xlsx:
    """A sheet (the first that is not hidden, or ``sheet`` by name) of an Excel or OpenDocument file.

    ``header`` is the number of the row with the names, from 1; by default the first row that is as full as the rows
    below it. Merged cells hold their value in each cell (xlsx and xlsm); titles merged over several names come before
    them. Cells are read as the values they hold, whatever their format: 12.5 % is 0.125. Blank rows are left out.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

    def __init__(self, path: str, sheet: str | None = None, header: int | None = None) -> None:
        self.path, self.sheet, self.header = path, sheet, header

    def read(self, context: Context) -> Read:
        """All rows as text."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        frame, sheet, row, merged = self._frame(None)
        more = {"format": "xlsx", "sheet": sheet, "header_row": row, "merged": merged}
        return Read(frame, quarantined(), trace(path, frame, **more))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return self._frame(rows + 50)[0].head(rows)

    def _frame(self, most: int | None) -> tuple[pl.DataFrame, str, int, int]:
        import fastexcel

        path = existing(self.path)
        refuse_bomb(path)
        try:
            book = fastexcel.read_excel(path)
            names = book.sheet_names
            if self.sheet is not None and self.sheet not in names:
                raise DataError(
                    Fault(self.path, f"there is no sheet '{self.sheet}'.", ", ".join(names), nearest(self.sheet, names))
                )
            for sheet in [self.sheet] if self.sheet else names:
                loaded = book.load_sheet(sheet, header_row=None, n_rows=most, dtypes="string", whitespace_as_null=True)
                if loaded.visible == "visible":
                    break
        except fastexcel.FastExcelError as error:
            what = str(error).splitlines()[0][:120]
            raise DataError(
                Fault(self.path, f"is not a spreadsheet, or it is cut off ({what}).", hint="Save it again as .xlsx.")
            ) from None
        cells = loaded.to_polars().with_columns(pl.all().cast(pl.String).str.strip_chars())
        cells = cells.with_columns(pl.when(pl.all() == "").then(None).otherwise(pl.all()).name.keep())
        if not cells.height or not cells.width:
            raise DataError(Fault(f"{self.path} sheet '{sheet}'", "the sheet is empty.", ", ".join(names)))
        areas = [a for a in _areas(path, sheet) if a[0] < cells.height and a[3] < cells.width]
        at = self._header(cells)
        if self.header is None:
            at = _lowest(cells, at, areas)
        titles = _titles(cells, at, areas)
        filled = _filled(cells, [a for a in areas if a[1] > at])
        return self._below(filled, at, titles, sheet), sheet, at + 1, len(areas)

    def _header(self, cells: pl.DataFrame) -> int:
        if self.header is not None:
            if not 1 <= self.header <= cells.height:
                raise DataError(Fault(self.path, f"there is no row {self.header}.", f"1 to {cells.height}"))
            return self.header - 1
        filled = cells.head(50).select(pl.sum_horizontal(pl.all().is_not_null())).to_series().to_list()
        full = sorted(filled)[len(filled) // 2]
        return next(i for i, n in enumerate(filled) if n >= max(1, full * 0.8))

    def _below(self, cells: pl.DataFrame, at: int, titles: list[str | None], sheet: str) -> pl.DataFrame:
        where = f"{self.path} sheet '{sheet}'"
        body = cells.slice(at + 1)
        use = [i for i, t in enumerate(titles) if t or body.to_series(i).null_count() < body.height]
        body = body.select(body.columns[i] for i in use)
        names = named([titles[i] or f"c{i}" for i in use], where)
        body = body.rename(dict(zip(body.columns, names, strict=True)))
        return whole(body.filter(~pl.all_horizontal(pl.all().is_null())), where)


def _lowest(cells: pl.DataFrame, at: int, areas: list[Area]) -> int:
    """The last row of a header: where a title is merged over several names, these stand below it."""
    while at + 2 < cells.height:
        over = [c for a, _, c0, c1 in areas if a == at and c0 < c1 for c in range(c0, c1 + 1)]
        below = [cells.row(at + 1)[c] for c in over]
        if not over or not all(below) or len(over) >= 0.8 * cells.width + 1:
            return at
        at += 1
    return at


def _titles(cells: pl.DataFrame, at: int, areas: list[Area]) -> list[str | None]:
    """The names of the header row; a name merged down from above, or over several names, is taken from there."""
    filled = _filled(cells.head(at + 1), [(a, min(b, at), c, d) for a, b, c, d in areas if a <= at])
    names = list(cells.row(at))
    over = {
        column
        for first, last, left, right in areas
        if first <= at - 1 <= last and left < right < left + 0.8 * cells.width
        for column in range(left, right + 1)
    }
    done: list[str | None] = []
    for column, name in enumerate(names):
        above = filled.row(at - 1)[column] if at else None
        if name is None and any(a < at <= b and c <= column <= d for a, b, c, d in areas):
            done.append(filled.row(at)[column])
        else:
            done.append(f"{above} {name}" if name and column in over and above else name)
    return done


def _filled(cells: pl.DataFrame, areas: list[Area]) -> pl.DataFrame:
    """The same cells with each merged area holding its value everywhere."""
    columns: dict[int, list[str | None]] = {}
    for first, last, left, right in areas:
        value = cells.item(first, left)
        for column in range(left, right + 1):
            values = columns.setdefault(column, cells.to_series(column).to_list())
            values[first : min(last, cells.height - 1) + 1] = [value] * (min(last, cells.height - 1) + 1 - first)
    made = [pl.Series(cells.columns[c], v, dtype=pl.String) for c, v in columns.items()]
    return cells.with_columns(made) if made else cells


def _areas(path: Path, sheet: str) -> list[Area]:
    """The merged cells of a sheet, as the file itself says; none where the format does not keep them as xlsx does."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as book:
        names = set(book.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return []
        wanted = re.escape(_escaped(sheet)).encode()
        tag = re.search(rb'<(?:\w+:)?sheet [^>]*name="' + wanted + rb'"[^>]*>', book.read("xl/workbook.xml"))
        key = tag and re.search(rb'r:id="([^"]+)"', tag[0])
        relations = book.read("xl/_rels/workbook.xml.rels")
        links = (t for t in re.findall(rb"<Relationship [^>]*>", relations) if key and b'Id="' + key[1] + b'"' in t)
        target = re.search(rb'Target="/?(?:xl/)?([^"]+)"', next(links, b""))
        inside = f"xl/{target[1].decode()}" if target else ""
        if inside not in names:
            return []
        found = re.findall(rb'<(?:\w+:)?mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"', book.read(inside))
    return [(int(b) - 1, int(d) - 1, _column(a), _column(c)) for a, b, c, d in found]


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
