"""frame: rows that are in memory already: a Polars, pandas or Arrow table, a mapping of columns, or a list of rows."""

import hashlib
import io
from typing import Any, ClassVar

import polars as pl

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.foreign import pandas_column
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, named, quarantined, whole

__all__ = ["Frame"]


class Frame:
    """A table given from Python. ``frame`` may be Polars, pandas, Arrow, ``{column: values}`` or a list of dicts."""

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, frame: Any = None) -> None:
        self.frame = frame

    def read(self, context: Context) -> Read:
        """All rows in the types they have; the hash is of the rows in Arrow's own format."""
        del context
        frame = whole(polars_of(self.frame), "frame")
        buffer = io.BytesIO()
        frame.rechunk().write_ipc(buffer)
        lineage = {
            "address": "memory",
            "sha256": hashlib.sha256(buffer.getbuffer()).hexdigest(),
            "bytes": int(frame.estimated_size()),
            "rows": frame.height,
            "columns": frame.width,
            "format": "frame",
        }
        return Read(frame, quarantined(), lineage)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return polars_of(self.frame).head(rows)


def polars_of(given: Any) -> pl.DataFrame:
    if given is None:
        raise DataError(Fault("collect", "'frame' reads a table given from Python.", hint="thirtyfold.run(spec, data)"))
    if isinstance(given, pl.LazyFrame):
        given = given.collect()
    if isinstance(given, pl.DataFrame):
        frame = given
    elif type(given).__module__.startswith("pandas"):
        columns = [str(c) for c in given.columns]
        data = {f"{i}": pandas_column(given.iloc[:, i]) for i in range(len(columns))}
        frame = pl.DataFrame(data)
        return frame.rename(dict(zip(frame.columns, named(columns, "frame"), strict=True)))
    elif hasattr(given, "__arrow_c_stream__"):
        frame = pl.DataFrame(given)
    elif isinstance(given, dict | list) and len(given):
        frame = pl.DataFrame(given, strict=False)
    else:
        raise DataError(
            Fault(
                "frame", f"a {type(given).__name__} is not a table.", "Polars, pandas, Arrow, {column: values}, [rows]"
            )
        )
    return frame.rename(dict(zip(frame.columns, named(frame.columns, "frame"), strict=True)))
