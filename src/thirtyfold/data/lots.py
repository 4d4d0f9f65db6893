"""Lots: a number from 0 to 1 for each row that the row itself decides, so that it draws the same one tomorrow.

Dealt by position, a row would change sides as soon as others arrive, and yesterday's test row would be tomorrow's
training row. A lot is the hash of the row's key: its id columns, or everything that stands in it.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table

__all__ = ["lots"]

_NOTHING = np.uint64(0x9E3779B97F4A7C15)


def lots(table: Table, seed: int, by: Sequence[str] | None = None) -> Array:
    """One lot in [0, 1) a row, uniform over different keys; ``by`` are the key's columns, by default those with the
    role ``id``, or all of them.
    """
    names = list(by) if by is not None else table.named("id") or list(table.columns)
    mixed = np.full(len(table), _mix(np.array([seed], dtype=np.uint64))[0], dtype=np.uint64)
    for name in names:
        mixed = _mix(mixed ^ (_hashed(table[name]) + _word(name)))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _hashed(column: pl.Series) -> Array:
    """64 bits for each value; equal values, and only they, have equal ones (but for one chance in 10^19)."""
    if column.dtype == pl.String:
        known = column.unique(maintain_order=True)
        words = pl.DataFrame({"value": known, "hash": pl.Series([_word(v) for v in known.to_list()], dtype=pl.UInt64)})
        found = column.alias("value").to_frame().join(words, on="value", how="left", nulls_equal=True)
        return found["hash"].to_numpy()
    if column.dtype.is_temporal():
        column = column.cast(pl.Datetime("us")).to_physical()
    numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy() + 0.0  # -0.0 is 0.0
    bits = np.ascontiguousarray(numbers).view(np.uint64)
    return np.where(np.isnan(numbers), _NOTHING, _mix(bits))


def _word(value: str | None) -> np.uint64:
    if value is None:
        return _NOTHING
    return np.uint64(int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little"))


def _mix(x: Array) -> Array:
    """The last step of SplitMix64 (Steele, Lea and Flood 2014): each bit that goes in moves all that come out."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))
