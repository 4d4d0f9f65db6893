"""folds: the rows in so many equal folds, one of them to test on; run once a fold, every row is tested on once."""

from typing import Annotated

import numpy as np
from pydantic import Field

from thirtyfold.core.errors import SpecError
from thirtyfold.core.table import Table
from thirtyfold.data.lots import lots
from thirtyfold.data.parts import TEST, TRAIN, VALIDATION, Array, bound, strata_of

__all__ = ["Folds"]


class Folds:
    """Fold number ``test`` of ``count`` is the test part, the next one is for validation, the others are learned from.

    Every class is shared out alike and copies stay together; rows of one group (``roles: {group: ...}``) as well. The
    shares of ``split`` do not count here. ``thirtyfold run --folds 5`` runs all of them: everything that is chosen is
    chosen anew inside each (nested cross-validation), because each run has a validation fold of its own.
    """

    def __init__(self, count: Annotated[int, Field(ge=3, le=100)] = 5, test: Annotated[int, Field(ge=0)] = 0) -> None:
        if test >= count:
            raise SpecError(f"split.how.folds.test: there is no fold {test}. Allowed: 0 to {count - 1}")
        self.count, self.test = count, test

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """By rank of the lot within each stratum; groups of several rows before the others, the largest first."""
        del shares
        by = table.named("group")
        groups = bound(table, by[0], copies) if by else copies
        _, first, group, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
        lot, stratum = lots(table, seed, by or None)[first], strata_of(table)[first]
        order = np.lexsort((lot, stratum, -size))
        fold = np.empty(len(size), dtype=np.int64)
        fold[order] = np.arange(len(size)) % self.count if size.max() == 1 else _even(size[order], self.count)
        parts = np.full(len(size), TRAIN, dtype=np.int8)
        parts[fold == (self.test + 1) % self.count] = VALIDATION
        parts[fold == self.test] = TEST
        return parts[group]


def _even(size: Array, count: int) -> Array:
    """Each group to the fold that has the fewest rows so far, the largest first: Graham's rule (1969), by which the
    largest fold has at most a third more rows than it must.
    """
    rows = np.zeros(count)
    fold = np.empty(len(size), dtype=np.int64)
    for at, many in enumerate(size.tolist()):
        fold[at] = int(rows.argmin())
        rows[fold[at]] += many
    return fold
