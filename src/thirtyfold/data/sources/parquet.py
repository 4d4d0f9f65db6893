"""parquet: a Parquet or Arrow (Feather) file, or a folder of Parquet files by pattern."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, existing, named, quarantined, trace, whole

__all__ = ["Parquet"]


class Parquet:
    """A Parquet, Arrow or Feather file; values keep the types they are stored in. ``columns`` reads only some.

    What is nested becomes columns named ``outer.inner``, a list its text as JSON; raw bytes are left out.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq", ".arrow", ".feather", ".ipc")

    def __init__(self, path: str, columns: list[str] | None = None) -> None:
        self.path, self.columns = path, columns

    def read(self, context: Context) -> Read:
        """All rows in the stored types."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        frame = whole(self._frame(path, None), self.path)
        return Read(frame, quarantined(), trace(path, frame, format="parquet"))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return self._frame(existing(self.path), rows)

    def _frame(self, path: Path, rows: int | None) -> pl.DataFrame:
        arrow = path.suffix in (".arrow", ".feather", ".ipc")
        try:
            lazy = pl.scan_ipc(path) if arrow else pl.scan_parquet(path)
            names = lazy.collect_schema().names()
            missing = [c for c in self.columns or () if c not in names]
            if missing:
                raise DataError([Fault(str(path), f"there is no column '{c}'.", ", ".join(names)) for c in missing])
            lazy = lazy.select(self.columns) if self.columns else lazy
            frame = (lazy.head(rows) if rows else lazy).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            kind = "an Arrow" if arrow else "a Parquet"
            what = str(error).splitlines()[0][:160]
            raise DataError(
                Fault(str(path), f"is not {kind} file, or it is cut off ({what}).", hint="Copy or export it again.")
            ) from None
        frame = _flat(frame)
        return frame.rename(dict(zip(frame.columns, named(frame.columns, str(path)), strict=True)))


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of one plain value a row."""
    done: list[pl.Series] = []
    for column in frame.get_columns():
        if isinstance(column.dtype, pl.Struct):
            inner = column.struct.unnest()
            done += _flat(inner.rename({n: f"{column.name}.{n}" for n in inner.columns})).get_columns()
        elif isinstance(column.dtype, pl.List | pl.Array):
            texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_list()]
            done.append(pl.Series(column.name, texts, dtype=pl.String))
        elif column.dtype != pl.Binary:
            done.append(column)
    return pl.DataFrame(done)
