"""Foreign: columns of other libraries' tables as Polars columns, the same in training and at serving."""

from __future__ import annotations

from typing import Any

from thirtyfold.core.late import pl

__all__ = ["pandas_column"]


def pandas_column(column: Any) -> pl.Series:
    """A pandas column; what Polars has no type for (a period, an interval, objects of any kind) as it is written."""
    if column.dtype.kind in "OUST" or str(column.dtype) in ("category", "string", "str"):
        values = zip(column.tolist(), column.isna().tolist(), strict=True)
        return pl.Series([None if missing else _plain(v) for v, missing in values], strict=False)
    return pl.Series(pl.from_pandas(column, nan_to_null=True))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else str(value)
