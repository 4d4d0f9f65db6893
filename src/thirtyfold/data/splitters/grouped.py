"""grouped: rows of one person, machine or place stay together."""

import numpy as np

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.table import Table
from thirtyfold.data.lots import lots
from thirtyfold.data.parts import Array, bound, deal, strata_of

__all__ = ["Grouped"]


class Grouped:
    """Deals whole groups out by lot (``roles: {group: patient}``); groups that share a copy count as one group."""

    def __init__(self, column: str | None = None) -> None:
        self.column = column

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """Whole groups; a row without a group is a group of its own."""
        name = self.column or next(iter(table.named("group")), None)
        if name is None:
            raise DataError(
                Fault("split.how", "'grouped' needs a column that names the group.", hint="roles: {group: ...}")
            )
        joined = bound(table, name, copies)
        if len(np.unique(joined)) < 3:
            raise DataError(
                Fault(name, f"there are only {len(np.unique(joined))} groups; three are needed, one for each part.")
            )
        return deal(joined, strata_of(table), shares, lots(table, seed, [name]))
