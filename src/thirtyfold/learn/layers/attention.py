"""Attention: every place looks at all others, and then thinks about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.nets.sequences import FAR, looking, thinking
from thirtyfold.learn.nets.shapes import Kind, Layer, Misfit, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Attention"]


class Attention(Layer):
    """Every place of a sequence looks at all others, then two dense layers at each (Vaswani et al. 2017).

    Normalized before each part (Xiong et al. 2020); where a place stands is learned.
    """

    takes: tuple[Kind, ...] = ("sequence",)

    def __init__(
        self, heads: Annotated[int, Field(ge=1, le=64)] = 4, dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    ) -> None:
        """Set the options.

        Args:
            heads: Looks that each place takes at once.
            dropout: Share of looks and units that are silent in a step.
        """
        self.heads, self.dropout = heads, dropout

    def gives(self, given: Shape) -> Shape:
        width = given.size[1]
        if width is not None and width % self.heads:
            able = [str(n) for n in range(1, 17) if width % n == 0]
            raise Misfit(f"{width} numbers at a place cannot be shared by {self.heads} heads", ", ".join(able))
        return given

    def module(self, given: Shape) -> nn.Module:
        import torch
        from torch import nn

        length, width = (s or 1 for s in given.size)
        heads, dropout = self.heads, self.dropout

        class Attending(nn.Module):
            padded = True

            def __init__(self) -> None:
                super().__init__()
                self.place = nn.Parameter(torch.zeros(length, width))
                self.look, self.think = looking(length, width, heads, dropout), thinking(width, dropout)

            def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
                hole = (there.reshape(-1, 1, 1, length) - 1.0) * FAR
                x = x + self.place
                x = x + self.look(x, hole)
                return x + self.think(x), there

        return Attending()
