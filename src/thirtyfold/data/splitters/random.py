"""random: by lot."""

import numpy as np

from thirtyfold.core.table import Table
from thirtyfold.data.lots import lots
from thirtyfold.data.parts import Array, deal

__all__ = ["Random"]


class Random:
    """Deals rows out by lot, which the row's key decides (see ``data.lots``); copies stay together."""

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """By lot alone."""
        return deal(copies, np.zeros(len(table), dtype=np.int64), shares, lots(table, seed))
