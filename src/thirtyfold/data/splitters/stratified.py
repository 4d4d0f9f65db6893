"""stratified: by lot within each answer, so that every part has the answers in the same shares."""

from typing import Annotated

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.table import Table
from thirtyfold.data.lots import lots
from thirtyfold.data.parts import Array, deal, strata_of

__all__ = ["Stratified"]


class Stratified:
    """Deals rows out by lot within each class, or within ``bins`` ranges of an amount; copies stay together.

    ``by`` names other columns whose values must be in the same shares everywhere too (several labels, regions).
    """

    def __init__(self, bins: Annotated[int, Field(ge=2, le=100)] = 10, by: list[str] | None = None) -> None:
        self.bins, self.by = bins, by or []

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """By lot within each stratum."""
        known = list(table.columns)
        wrong = [n for n in self.by if n not in known]
        if wrong:
            where = "split.how.stratified.by"
            raise DataError(
                [Fault(where, f"there is no column '{n}'.", ", ".join(known), nearest(n, known)) for n in wrong]
            )
        return deal(copies, strata_of(table, self.bins, self.by), shares, lots(table, seed))
