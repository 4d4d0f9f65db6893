"""Looks: what is asked of a column again and again, found once and by all rows at once.

Ten million values are neither sorted nor made into Python's objects: a column of few different values is known by
these and their counts, one of many by the hashes of its values.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.load import WORKERS

__all__ = ["LARGE", "Look", "Looks", "copied", "different"]

LARGE = 1_000_000
"""In a table of more rows, what would otherwise be asked of every pair or group is asked of some rows, and said so."""
_FEW = 20_000
_HEAD = 20_000


def different(values: pl.Series) -> int:
    """How many different values there are, missing ones not counted.

    By 64-bit hashes, sorted: two values of ten million have one hash with a chance of 3 in a million. It takes a
    twentieth of the time of a table of all values.
    """
    known = values.drop_nulls()
    if len(known) < _HEAD:
        return known.n_unique()
    hashes = np.sort(known.hash(0).to_numpy())
    return 1 + int(np.count_nonzero(hashes[1:] != hashes[:-1]))


def copied(frame: pl.DataFrame) -> Array:
    """For each row the position of the first row that is equal to it; shape (rows,)."""
    each = np.arange(frame.height, dtype=np.int64)
    if frame.height > LARGE and _named(frame):
        return each
    hashes = frame.hash_rows(0).to_numpy()
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return each
    at = np.flatnonzero(_among(hashes, twice))
    _, first, place = np.unique(hashes[at], return_index=True, return_inverse=True)
    out = each.copy()
    out[at] = at[first][place]
    return out


def _named(frame: pl.DataFrame) -> bool:
    """Whether a column is seen to be different in each row, which then is no copy; asked of those that look like it."""
    head = frame.head(_HEAD)
    likely = [n for n in frame.columns if head[n].null_count() == 0 and head[n].n_unique() == _HEAD]
    return any(frame[n].null_count() == 0 and different(frame[n]) == frame.height for n in likely[:2])


def _among(hashes: Array, wanted: Array) -> Array:
    """Which of the hashes are among the wanted, sorted ones."""
    place = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    return np.asarray(wanted[place] == hashes)


class Look:
    """One column."""

    def __init__(self, values: pl.Series, counts: pl.DataFrame | None = None) -> None:
        self.values, self._counts = values, counts

    @cached_property
    def counts(self) -> pl.DataFrame | None:
        """``value`` and ``count`` in the order in which values first come, missing ones left out; None of a column of
        more than 20,000 different ones.
        """
        if self._counts is not None:
            return self._counts
        known = self.values.alias("value")
        if len(known) > 2 * _FEW and (
            known.head(_HEAD).n_unique() > 0.5 * _HEAD or int(str(known.approx_n_unique())) > _FEW
        ):
            return None
        frame = pl.DataFrame([known, pl.int_range(len(known), dtype=pl.Int64, eager=True).alias("at")])
        seen = frame.lazy().group_by("value").agg(pl.len().alias("count"), pl.col("at").min()).collect()
        return seen.drop_nulls("value").sort("at").select("value", "count")

    @cached_property
    def numbers(self) -> pl.Series | None:
        """A text column read as plain numbers; None where one of its values is none, or none that is finite."""
        if self.values.dtype != pl.String:
            return None
        head = self.values.head(200)
        if head.cast(pl.Float64, strict=False).null_count() > head.null_count():
            return None
        found = self.values.cast(pl.Float64, strict=False)
        if found.null_count() > self.values.null_count() or not found.is_finite().all():
            return None
        return found

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return different(self.values) if self.counts is None else self.counts.height

    @property
    def seen(self) -> pl.Series:
        """The different values in the order in which they first come, or all where they are many."""
        return self.values if self.counts is None else self.counts["value"]

    def by_value(self) -> pl.DataFrame:
        """``value`` and ``count`` by value; dear for a column of many values."""
        counts = self.counts
        if counts is None:
            counts = self.values.alias("value").drop_nulls().value_counts()
        return counts.sort("value")


def _found(look: Look) -> None:
    _ = look.numbers if look.counts is None else None
    _ = look.distinct


class Looks:
    """The looks at the columns of a frame."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._known: dict[str, Look] = {}

    def __getitem__(self, name: str) -> Look:
        if name not in self._known:
            self._known[name] = Look(self._frame[name])
        return self._known[name]

    def find(self, done: Callable[[], None]) -> None:
        """Find what will be asked of every column, several columns at a time; ``done`` is called after each."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in pool.map(_found, [self[name] for name in self._frame.columns]):
                done()

    def take(self, name: str, look: Look) -> None:
        """What is known of a column already."""
        self._known[name] = look

    def of(self, frame: pl.DataFrame) -> "Looks":
        """These, or new ones where the frame is another."""
        return self if frame is self._frame else Looks(frame)
