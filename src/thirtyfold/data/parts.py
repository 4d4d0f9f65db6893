"""Parts: how rows are dealt out to training, validation and test, shared by the ways of splitting."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.table import Table

__all__ = [
    "ASIDE",
    "MANY",
    "NAMES",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Splitter",
    "bound",
    "deal",
    "strata_of",
    "together",
]

Array = np.ndarray[Any, np.dtype[Any]]

TRAIN, VALIDATION, TEST, ASIDE = 0, 1, 2, 3
NAMES = ("train", "validation", "test")
MANY = 2000
"""Groups from which on a stratum is dealt out by the lot itself: the shares are then right to a percent."""


class Splitter(Protocol):
    """The contract; ``thirtyfold.testing.check_splitter`` runs a member through it."""

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """For each row TRAIN, VALIDATION or TEST (int8), or ASIDE where it must be in none. Rows with one number in
        ``copies`` get one part.
        """
        ...


def alone(groups: Array) -> bool:
    """Whether every row is a group of its own, numbered by its place: the case of a table without copies."""
    return bool((groups == np.arange(len(groups))).all())


def strata_of(table: Table, bins: int = 10, by: Sequence[str] = ()) -> Array:
    """A code for each row: its answer (of amounts the tenth of the rows that it lies in) and what stands in ``by``."""
    codes = _coded(table[str(table.target)], bins)
    for name in by:
        more = _coded(table[name], bins)
        codes = _dense(codes * (int(more.max(initial=0)) + 1) + more)
    return _dense(codes)


def _dense(codes: Array) -> Array:
    """Whole numbers as places in their order, from 0 without a gap."""
    if len(codes) and codes.max() >= 2 * len(codes):
        return np.unique(codes, return_inverse=True)[1]
    there = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
    there[codes] = True
    return (np.cumsum(there) - 1)[codes]


def _coded(column: pl.Series, bins: int) -> Array:
    if column.dtype == pl.String:
        known = column.fill_null("")
        return known.cast(pl.Enum(known.unique().sort())).to_physical().cast(pl.Int64).to_numpy()
    amounts = column.cast(pl.Float64).fill_null(0.0).to_numpy()
    edges = np.unique(np.quantile(amounts, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, amounts, side="right")


def deal(groups: Array, strata: Array, shares: tuple[float, float, float], lot: Array) -> Array:
    """Deal whole groups out so that every stratum is shared out alike, by the ``lot`` of each group's first row.

    In a stratum of ``MANY`` groups or more the lot itself decides (below the test share: test), so that a row's part
    never changes when others arrive. In smaller ones, where that would be too uneven, its rank decides; then a row at
    the border may move between neighbors, and test and training are none. Groups larger than half of the smaller part
    go to training: no part may hang on one group. What one small stratum gets too little of a part is made up for by
    the next. A stratum of three groups or more is in every part, one of fewer only in training.
    """
    if alone(groups):
        first = group = groups
        size = np.ones(len(groups), dtype=np.int64)
    else:
        _, first, group, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    stratum, drawn = strata[first], lot[first]
    part = np.full(len(size), TRAIN, dtype=np.int8)
    large = size > max(1.0, 0.5 * min(shares[1], shares[2]) * len(groups))
    owed = {TEST: 0.0, VALIDATION: 0.0}
    for one in np.unique(stratum):
        mine = np.flatnonzero(stratum == one)
        free = mine[~large[mine]]
        total, able = float(size[mine].sum()), float(size[free].sum())
        scale = min(1.0, 0.75 * able / ((shares[1] + shares[2]) * total))
        if len(free) >= MANY:
            more = scale * total / able  # what the large groups take from the other parts; one where there are none
            part[free[drawn[free] < more * (shares[TEST] + shares[VALIDATION])]] = VALIDATION
            part[free[drawn[free] < more * shares[TEST]]] = TEST
            continue
        free = free[np.argsort(drawn[free], kind="stable")]
        for which in (TEST, VALIDATION):
            goal = owed[which] + shares[which] * total * scale
            count = 0
            if len(mine) > 2 and len(free) > 1:
                middles = np.cumsum(size[free]) - size[free] / 2
                count = min(len(free) - 1, max(1, int((middles <= goal).sum())))
            part[free[:count]] = which
            owed[which] = goal - float(size[free[:count]].sum())
            free = free[count:]
    return part[group]


def bound(table: Table, name: str, copies: Array) -> Array:
    """A number for each row that is the same for rows of one group of the column ``name``, and for groups that share a
    copy; a row without a group is a group of its own.
    """
    column = table[name].cast(pl.String)
    known = column.drop_nulls().unique()
    rows, lone = len(table), column.is_null().to_numpy()
    group = column.cast(pl.Enum(known)).to_physical().fill_null(0).cast(pl.Int64).to_numpy()
    group = np.where(lone, len(known) + np.arange(rows), group)
    if alone(copies):
        return group
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    same = np.unique(copies, return_inverse=True)[1]
    nodes = len(known) + rows
    edges = coo_array((np.ones(rows, dtype=np.int8), (group, same + nodes)), shape=(nodes + rows, nodes + rows))
    _, label = connected_components(edges, directed=False)
    return np.asarray(label[group])


def together(parts: Array, copies: Array) -> Array:
    """Copies on one side: the part that is looked at latest wins, so that nothing in test was learned from."""
    last = np.zeros(int(copies.max()) + 1, dtype=np.int8) if len(copies) else np.zeros(0, dtype=np.int8)
    np.maximum.at(last, copies, parts)
    return last[copies]
