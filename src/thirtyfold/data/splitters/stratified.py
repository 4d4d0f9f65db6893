"""stratified: by lot within each answer, so that every part has the answers in the same shares."""

from typing import Annotated

from pydantic import Field

from thirtyfold.core.table import Table
from thirtyfold.data.parts import Array, deal, strata_of

__all__ = ["Stratified"]


class Stratified:
    """Deals rows out by lot within each class, or within ``bins`` ranges of an amount; copies stay together."""

    def __init__(self, bins: Annotated[int, Field(ge=2, le=100)] = 10) -> None:
        self.bins = bins

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """By lot within each stratum."""
        return deal(copies, strata_of(table, self.bins), shares, seed)
