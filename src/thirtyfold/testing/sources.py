"""Checks that every source passes, ours and a stranger's: ``check_source(source, rows, columns)``."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from thirtyfold.core.quiet import Quiet

__all__ = ["check_source"]


def check_source(source: Any, rows: int, columns: Sequence[str]) -> pl.DataFrame:
    """Read a source that has so many good rows and these columns; returns its rows for further checks."""
    assert isinstance(source.suffixes, tuple), "suffixes must be a tuple of endings such as '.csv' (it may be empty)"
    assert all(s.startswith(".") and s == s.lower() for s in source.suffixes), "suffixes are like '.csv', in lower case"
    if hasattr(source, "outside"):
        words = source.outside()
        assert isinstance(words, list) and all(isinstance(w, str) for w in words), "outside() gives a list of texts"
    read, again = source.read(Quiet()), source.read(Quiet())
    frame: pl.DataFrame = read.frame
    assert frame.height == rows, f"read {frame.height} rows, expected {rows}"
    assert frame.columns == list(columns), f"read the columns {frame.columns}, expected {list(columns)}"
    assert frame.equals(again.frame, null_equal=True), "reading twice gives different rows"
    nested = [n for n, t in frame.schema.items() if t.is_nested()]
    assert not nested, f"{nested} hold more than one value a row"
    assert read.quarantine.columns == ["row", "reason", "raw"], f"quarantine has the columns {read.quarantine.columns}"
    for key in ("address", "sha256", "bytes", "rows", "columns"):
        assert key in read.lineage, f"the lineage does not say '{key}'"
    assert (read.lineage["rows"], read.lineage["columns"]) == frame.shape, "the lineage counts other rows or columns"
    assert json.dumps(read.lineage) == json.dumps(again.lineage), (
        "the lineage of equal data differs: is there a time in it?"
    )
    peeked: pl.DataFrame = source.peek(3)
    assert peeked.columns == frame.columns, "peek shows other columns than read"
    assert 0 < peeked.height <= max(3, rows), f"peek(3) shows {peeked.height} rows"
    assert peeked.schema == frame.schema, "peek shows other types than read"
    return frame
