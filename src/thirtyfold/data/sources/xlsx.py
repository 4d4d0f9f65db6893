"""xlsx: a sheet of a spreadsheet; title rows above the header are found and skipped."""

from typing import ClassVar

import polars as pl

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, existing, named, quarantined, trace, whole

__all__ = ["Xlsx"]


class Xlsx:
    """A sheet (the first, or ``sheet`` by name) of an Excel or OpenDocument file.

    ``header`` is the number of the row with the names, from 1; by default the first row that is as full as the rows
    below it. Rows that are wholly blank are left out.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

    def __init__(self, path: str, sheet: str | None = None, header: int | None = None) -> None:
        self.path, self.sheet, self.header = path, sheet, header

    def read(self, context: Context) -> Read:
        """All rows as text."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        frame, sheet, row = self._frame(None)
        return Read(frame, quarantined(), trace(path, frame, format="xlsx", sheet=sheet, header_row=row))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return self._frame(rows + 50)[0].head(rows)

    def _frame(self, most: int | None) -> tuple[pl.DataFrame, str, int]:
        import fastexcel

        path = existing(self.path)
        try:
            book = fastexcel.read_excel(path)
            names = book.sheet_names
            if self.sheet is not None and self.sheet not in names:
                raise DataError(
                    Fault(self.path, f"there is no sheet '{self.sheet}'.", ", ".join(names), nearest(self.sheet, names))
                )
            sheet = self.sheet or names[0]
            loaded = book.load_sheet(sheet, header_row=None, n_rows=most, dtypes="string", whitespace_as_null=True)
        except fastexcel.FastExcelError as error:
            what = str(error).splitlines()[0][:120]
            raise DataError(
                Fault(self.path, f"is not a spreadsheet, or it is cut off ({what}).", hint="Save it again as .xlsx.")
            ) from None
        cells = loaded.to_polars().with_columns(pl.all().cast(pl.String).str.strip_chars())
        cells = cells.with_columns(pl.when(pl.all() == "").then(None).otherwise(pl.all()).name.keep())
        if not cells.height or not cells.width:
            raise DataError(Fault(f"{self.path} sheet '{sheet}'", "the sheet is empty.", ", ".join(names)))
        at = self._header(cells)
        return self._below(cells, at, sheet), sheet, at + 1

    def _header(self, cells: pl.DataFrame) -> int:
        if self.header is not None:
            if not 1 <= self.header <= cells.height:
                raise DataError(Fault(self.path, f"there is no row {self.header}.", f"1 to {cells.height}"))
            return self.header - 1
        filled = cells.head(50).select(pl.sum_horizontal(pl.all().is_not_null())).to_series().to_list()
        full = sorted(filled)[len(filled) // 2]
        return next(i for i, n in enumerate(filled) if n >= max(1, full * 0.8))

    def _below(self, cells: pl.DataFrame, at: int, sheet: str) -> pl.DataFrame:
        where = f"{self.path} sheet '{sheet}'"
        titles = list(cells.row(at))
        body = cells.slice(at + 1)
        use = [i for i, t in enumerate(titles) if t or body.to_series(i).null_count() < body.height]
        body = body.select(body.columns[i] for i in use)
        names = named([titles[i] or f"c{i}" for i in use], where)
        body = body.rename(dict(zip(body.columns, names, strict=True)))
        return whole(body.filter(~pl.all_horizontal(pl.all().is_null())), where)
