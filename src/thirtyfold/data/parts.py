"""Parts: how rows are dealt out to training, validation and test, shared by the ways of splitting."""

from typing import Any, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.table import Table

__all__ = ["NAMES", "TEST", "TRAIN", "VALIDATION", "Splitter", "deal", "strata_of", "together"]

Array = np.ndarray[Any, np.dtype[Any]]

TRAIN, VALIDATION, TEST = 0, 1, 2
NAMES = ("train", "validation", "test")


class Splitter(Protocol):
    """The contract; ``thirtyfold.testing.check_splitter`` runs a member through it."""

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """For each row TRAIN, VALIDATION or TEST (int8). Rows with one number in ``copies`` get one part."""
        ...


def strata_of(table: Table, bins: int = 10) -> Array:
    """A code for each row: its answer, or for amounts the tenth of the rows that it lies in."""
    target = table[str(table.target)]
    if target.dtype == pl.Float64:
        known = target.fill_null(0.0).to_numpy()
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
        return np.searchsorted(edges, known, side="right")
    return np.unique(target.cast(pl.String).fill_null("").to_numpy().astype(str), return_inverse=True)[1]


def deal(groups: Array, strata: Array, shares: tuple[float, float, float], seed: int) -> Array:
    """Deal whole groups out so that every stratum is shared out alike.

    Groups larger than half of the smaller part go to training: no part may hang on one group. What one stratum gets
    too little of a part is made up for by the next. A stratum of three groups or more is in every part, one of fewer
    only in training.
    """
    _, first, group, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    stratum = strata[first]
    part = np.full(len(size), TRAIN, dtype=np.int8)
    large = size > max(1.0, 0.5 * min(shares[1], shares[2]) * len(groups))
    order = np.random.default_rng(seed).permutation(len(size))
    owed = {TEST: 0.0, VALIDATION: 0.0}
    for one in np.unique(stratum):
        mine = order[stratum[order] == one]
        free = mine[~large[mine]]
        total, able = float(size[mine].sum()), float(size[free].sum())
        scale = min(1.0, 0.75 * able / ((shares[1] + shares[2]) * total))
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


def together(parts: Array, copies: Array) -> Array:
    """Copies on one side: the part that is looked at latest wins, so that nothing in test was learned from."""
    last = np.zeros(int(copies.max()) + 1, dtype=np.int8) if len(copies) else np.zeros(0, dtype=np.int8)
    np.maximum.at(last, copies, parts)
    return last[copies]
