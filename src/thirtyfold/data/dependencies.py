"""Dependencies: which columns give another ("the zip code gives the city"), found in the data with its errors in it.

Approximate functional dependencies by agreement: a row is right when the strict majority of the *other* rows with the
same left side has its value. Left alone, a row cannot vote for itself, so that small groups are not strong by chance.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

__all__ = ["Coded", "Dependency", "Votes", "coded", "discover", "joined", "measure", "votes"]

Array = np.ndarray[Any, np.dtype[Any]]

SAMPLE = 3000
"""Rows that a first look is taken at."""
PAIRED = 40
"""Of more columns than this only single ones are tried on the left."""
COLUMNS = 80
"""More columns than this (the ones of fewest values first) are not looked at."""


@dataclass(frozen=True)
class Coded:
    """A column as codes: the place in ``values`` (most frequent first), -1 where it is missing."""

    name: str
    values: tuple[str, ...]
    codes: Array
    counts: Array

    @property
    def known(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True)
class Dependency:
    """``given`` decide ``column``: in ``agreement`` of rows others agree, ``strength`` of the way from chance to 1."""

    given: tuple[str, ...]
    column: str
    agreement: float
    strength: float
    coverage: float


@dataclass(frozen=True)
class Votes:
    """What the others of its group say for each row: the code of their majority (-1: none) and the log odds of it.

    ``top`` says which rows hold the value of their group's majority, confirmed by at least one other row.
    """

    said: Array
    odds: Array
    top: Array


def coded(name: str, values: pl.Series, missing: Iterable[str] = ()) -> Coded:
    """Codes of a text column without blanks around its values, the most frequent value first, equals by name."""
    counts = values.alias("value").drop_nulls().value_counts(sort=False).sort("value")
    written, often = counts["value"], counts["count"].to_numpy()
    gone = {"", *missing}
    total: dict[str, int] = {}
    plain = [v.strip() for v in written.to_list()]
    for value, times in zip(plain, often.tolist(), strict=True):
        if value not in gone:
            total[value] = total.get(value, 0) + times
    kept = sorted(total, key=lambda v: (-total[v], v))
    place = {v: i for i, v in enumerate(kept)}
    codes = np.array([*(place.get(v, -1) for v in plain), -1], dtype=np.int64)
    at = values.cast(pl.Enum(written)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return Coded(name, tuple(kept), codes[at], np.array([total[v] for v in kept], dtype=np.int64))


def joined(columns: tuple[Coded, ...]) -> Array:
    """One code for the values of several columns together; -1 where one of them is missing."""
    if len(columns) == 1:
        return columns[0].codes
    one, two = columns[0].codes, joined(columns[1:])
    both = (one >= 0) & (two >= 0)
    out = np.full(len(one), -1, np.int64)
    out[both] = np.unique(one[both] * (int(two.max(initial=0)) + 1) + two[both], return_inverse=True)[1]
    return out


def discover(columns: dict[str, Coded], *, agreement: float = 0.93, strength: float = 0.3) -> list[Dependency]:
    """The dependencies among columns, single columns and pairs on the left.

    ``agreement`` is asked of rows whose value stands in at least three rows (a typing error is rare, and must not hide
    the rule that shows it); ``strength`` is Goodman and Kruskal's lambda: how much of the way from always saying the
    most frequent value to being always right.
    """
    able = sorted((c for c in columns.values() if len(c.values) > 1), key=lambda c: (len(c.values), c.name))
    able = [c for c in able if 2 * len(c.values) <= c.known or len(c.values) < c.known - 20 < 5000][:COLUMNS]
    left = [c for c in able if 3 * len(c.values) <= c.known]
    found: list[Dependency] = []
    singles: dict[str, list[tuple[str, float]]] = {}
    for giver in left:
        rows = _look(giver.codes)
        for column in able:
            if column.name == giver.name or not _able(giver, column, agreement):
                continue
            rough = measure(giver.codes[rows], column, rows)
            singles.setdefault(column.name, []).append((giver.name, rough[1]))
            if rough[0] >= agreement - 0.05 and rough[1] >= strength - 0.15:
                measured = measure(giver.codes, column)
                if measured[0] >= agreement and measured[1] >= strength and measured[2] >= 0.2:
                    found.append(Dependency((giver.name,), column.name, *measured))
    given = {d.column for d in found}
    for column in able if len(able) <= PAIRED else ():
        if column.name not in given and _able(None, column, agreement):
            known = dict(singles.get(column.name, []))
            for giver in left:
                if giver.name not in (column.name, *known):
                    rows = _look(giver.codes)
                    known[giver.name] = measure(giver.codes[rows], column, rows, strict=False)[1]
            found += _pairs(columns, column, known, agreement, strength)
    return found


def _able(giver: Coded | None, column: Coded, agreement: float) -> bool:
    """Whether as many values as the giver has can be right so often, and enough rows do not say the usual thing."""
    often = column.counts[column.counts >= 3]
    if len(often) < 2:
        return False
    order = np.sort(often)[::-1]
    most = 1.0 if giver is None else order[: len(giver.values)].sum() / order.sum()
    return bool(most >= agreement and order.sum() - order[0] >= max(10, 0.02 * order.sum()))


def _pairs(
    columns: dict[str, Coded], column: Coded, singles: dict[str, float], agreement: float, strength: float
) -> Iterator[Dependency]:
    """Two columns that decide a third together, tried among the four that say most of it alone."""
    best = [columns[n] for n, s in sorted(singles.items(), key=lambda p: (-p[1], p[0]))[:4] if s > 0.05]
    for i, one in enumerate(best):
        for two in best[i + 1 :]:
            both = joined((one, two))
            rows = _look(both)
            rough = measure(both[rows], column, rows)
            if rough[0] >= agreement - 0.05 and rough[1] >= strength - 0.15:
                measured = measure(both, column)
                if measured[0] >= agreement and measured[1] >= strength and measured[2] >= 0.4:
                    yield Dependency((one.name, two.name), column.name, *measured)


def _look(codes: Array) -> Array:
    """Rows of whole groups, about ``SAMPLE`` of them: a sample of single rows would tear small groups apart."""
    if len(codes) <= SAMPLE:
        return np.arange(len(codes))
    groups = int(codes.max(initial=0)) + 1
    step = len(codes) // SAMPLE
    if groups >= 40 * step:
        rows: Array = np.flatnonzero((codes >= 0) & (codes * 2654435761 % 4294967296 % step == 0))
        return rows[: 2 * SAMPLE]
    return np.arange(0, len(codes), step)


def measure(
    given: Array, column: Coded, rows: Array | None = None, *, strict: bool = True
) -> tuple[float, float, float]:
    """Agreement, strength beyond chance, and the share of rows in groups of three or more.

    ``strict`` counts only values that are most of their group without the row itself; else the most frequent counts.
    """
    codes = column.codes if rows is None else column.codes[rows]
    often = np.append(column.counts >= 3, False)
    known = (given >= 0) & (codes >= 0) & often[codes]
    x, a = given[known], codes[known]
    if len(x) < 20:
        return 0.0, 0.0, 0.0
    pairs, times = np.unique(x * len(column.values) + a, return_counts=True)
    starts = np.flatnonzero(np.diff(pairs // len(column.values), prepend=-1))
    size = np.add.reduceat(times, starts)
    most = np.maximum.reduceat(times, starts)
    able = size >= 2
    votes_of = size[able].sum()
    if votes_of < 20 or len(size) < 2:
        return 0.0, 0.0, 0.0
    right = able & (2 * (most - 1) > size - 1) if strict else able
    agreed = most[right].sum() / votes_of
    chance = np.bincount(a).max() / len(a)
    beyond = (agreed - chance) / (1 - chance) if chance < 1 else 0.0
    return float(agreed), float(beyond), float(size[size >= 3].sum() / max(1, len(codes)))


def votes(given: Array, column: Coded, agreement: float) -> Votes:
    """What the other rows of each row's group say of its value; odds are never better than the dependency itself."""
    n, width = len(column.codes), max(1, len(column.values))
    said, odds, top = np.full(n, -1, np.int64), np.zeros(n), np.zeros(n, bool)
    known = (given >= 0) & (column.codes >= 0)
    if not known.any():
        return Votes(said, odds, top)
    groups = int(given.max()) + 1
    pairs, times = np.unique(given[known] * width + column.codes[known], return_counts=True)
    of = pairs // width
    order = np.lexsort((-times, of))
    first = order[np.flatnonzero(np.diff(of[order], prepend=-1))]
    best, most = np.full(groups, -1, np.int64), np.zeros(groups, np.int64)
    best[of[first]], most[of[first]] = pairs[first] % width, times[first]
    size = np.bincount(given[known], minlength=groups)
    here = np.flatnonzero(given >= 0)
    g, v = given[here], column.codes[here]
    own = (v >= 0) & (v == best[g])
    for_it = most[g] - own
    others = size[g] - (v >= 0)
    sure = (for_it >= 1) & (2 * for_it > others) & ((for_it >= 2) | own)
    ceiling = min(max(agreement, 0.6), 0.997)
    raw = np.log((for_it + 0.5) / (others - for_it + 0.5))
    said[here] = np.where(sure, best[g], -1)
    odds[here] = np.where(sure, np.minimum(raw, np.log(ceiling / (1 - ceiling))), 0.0)
    top[here] = own & (most[g] >= 2) & (2 * most[g] > size[g])
    return Votes(said, odds, top)
