"""Recurrent: reads place after place with a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from thirtyfold.learn.nets.shapes import Kind, Layer, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Recurrent"]


class Recurrent(Layer):
    """Reads a sequence place after place with a memory, from both ends: where order decides."""

    takes: tuple[Kind, ...] = ("sequence",)

    def __init__(
        self,
        units: Annotated[int, Field(ge=1, le=4096)] = 64,
        cell: Literal["gru", "lstm"] = "gru",
        *,
        both: bool = True,
    ) -> None:
        """Set the options.

        Args:
            units: Numbers that the memory holds.
            cell: GRU (Cho et al. 2014) or LSTM (Hochreiter and Schmidhuber 1997).
            both: Read from both ends, which gives twice the units, or only from the start.
        """
        self.units, self.cell, self.both = units, cell, both

    def gives(self, given: Shape) -> Shape:
        return Shape("sequence", (given.size[0], self.units * (2 if self.both else 1)))

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        kind, inside = {"gru": nn.GRU, "lstm": nn.LSTM}[self.cell], given.size[1] or 1
        units, both = self.units, self.both

        class Reading(nn.Module):
            padded = True

            def __init__(self) -> None:
                super().__init__()
                self.memory = kind(inside, units, batch_first=True, bidirectional=both)

            def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
                return self.memory(x * there)[0], there

        return Reading()
