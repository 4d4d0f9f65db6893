"""place: regions of a map stay together, so that the test is on places that were never seen."""

from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Column, Table, to_array
from thirtyfold.data.lots import lots
from thirtyfold.data.parts import bound, deal, strata_of

__all__ = ["Place"]

_NORTH, _EAST = ("latitude", "lat", "northing"), ("longitude", "lon", "lng", "long", "easting")
_CELLS = 60
"""About how many cells there are by default."""


class Place:
    """Cuts the map into square cells and deals whole cells out (``place: {latitude: lat, longitude: lon}``).

    Rows near each other are alike: dealt out one by one, a test row's neighbors would be learned from. ``cell`` is the
    side of a cell in the columns' own unit; by default a round number that gives about sixty cells with rows. Rows
    without a place are learned from.
    """

    def __init__(
        self,
        latitude: str | None = None,
        longitude: str | None = None,
        cell: Annotated[float, Field(gt=0)] | None = None,
    ) -> None:
        self.latitude, self.longitude, self.cell = latitude, longitude, cell

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """Whole cells, by lot."""
        north = to_array(table[self._named(table, self.latitude, _NORTH, "latitude")])
        east = to_array(table[self._named(table, self.longitude, _EAST, "longitude")])
        known = np.isfinite(north) & np.isfinite(east)
        if known.sum() < 3:
            raise DataError(Fault("split.how.place", f"only {int(known.sum())} rows have a place; three are needed."))
        side = self.cell or _side(north[known], east[known])
        different, place = np.unique(np.floor([north[known] / side, east[known] / side]), axis=1, return_inverse=True)
        names = np.full(len(known), None, dtype=object)
        names[known] = np.array([f"{a:.0f}/{b:.0f}" for a, b in different.T], dtype=object)[place.reshape(-1)]
        cells = table.with_column(pl.Series("cell ", names, dtype=pl.String), Column("cell ", "category"))
        joined = bound(cells, "cell ", copies)
        if len(np.unique(joined[known])) < 3:
            raise DataError(
                Fault("split.how.place.cell", f"cells of {side:g} put all rows into fewer than three.", hint="Smaller.")
            )
        # A cell weighs what it weighs: one that holds half of the rows is learned from.
        dealt = deal(joined, strata_of(table), shares, lots(cells, seed, ["cell "]))
        return np.where(known, dealt, 0).astype(np.int8)

    @staticmethod
    def _named(table: Table, said: str | None, usual: tuple[str, ...], what: str) -> str:
        near = {n.lower(): n for n in table.columns}
        ending = [n for n in table.columns if any(n.lower().endswith(f"{sep}{u}") for u in usual for sep in "_ ")]
        name = said or next((near[u] for u in usual if u in near), ending[0] if len(ending) == 1 else None)
        where = f"split.how.place.{what}"
        if name is None or name not in table.columns:
            said_so = f"there is no column '{name}'" if name else "no column looks like it"
            raise DataError(Fault(where, f"{said_so}.", ", ".join(table.columns), f"place: {{{what}: COLUMN}}"))
        if table.columns[name].type != "number":
            raise DataError(Fault(where, f"'{name}' is {table.columns[name].type}, not a number of degrees or meters."))
        return name


def _side(north: Array, east: Array) -> float:
    """1, 2 or 5 times a power of ten, so that about ``_CELLS`` cells hold rows, and the same when more rows come."""
    spans = max(float(np.ptp(north)), float(np.ptp(east)), 1e-9)
    most = int(np.ceil(np.log10(spans)))
    sides = [m * 10.0**e for e in range(most - 5, most + 1) for m in (1, 2, 5)]
    return min(sides, key=lambda s: abs(np.log(_occupied(north, east, s) / _CELLS)))


def _occupied(north: Array, east: Array, side: float) -> int:
    return len(np.unique(np.floor(north / side) * 1e6 + np.floor(east / side)))
