"""grouped: rows of one person, machine or place stay together."""

import numpy as np
import polars as pl

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.table import Table
from thirtyfold.data.parts import Array, deal, strata_of

__all__ = ["Grouped"]


class Grouped:
    """Deals whole groups out by lot (``roles: {group: patient}``); groups that share a copy count as one group."""

    def __init__(self, column: str | None = None) -> None:
        self.column = column

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """Whole groups; a row without a group is a group of its own."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        name = self.column or next(iter(table.named("group")), None)
        if name is None:
            raise DataError(
                Fault("split.how", "'grouped' needs a column that names the group.", hint="roles: {group: ...}")
            )
        rows = len(table)
        column = table[name].cast(pl.String)
        alone = pl.Series([f"\x00{i}" for i in range(rows)])
        text = pl.select(pl.when(column.is_null()).then(alone).otherwise(column)).to_series()
        group = np.unique(text.to_numpy().astype(str), return_inverse=True)[1]
        same = np.unique(copies, return_inverse=True)[1]
        nodes = int(group.max()) + 1
        edges = coo_array((np.ones(rows, dtype=np.int8), (group, same + nodes)), shape=(nodes + rows, nodes + rows))
        _, label = connected_components(edges, directed=False)
        joined = label[group]
        if len(np.unique(joined)) < 3:
            raise DataError(
                Fault(name, f"there are only {len(np.unique(joined))} groups; three are needed, one for each part.")
            )
        return deal(joined, strata_of(table), shares, seed)
