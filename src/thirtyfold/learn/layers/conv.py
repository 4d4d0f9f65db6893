"""Conv: looks for the same small patterns everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.family import Choice
from thirtyfold.learn.nets.shapes import Kind, Layer, Misfit, Shape, shrunk
from thirtyfold.learn.nets.spelling import LAYERS, made

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Conv"]


class Conv(Layer):
    """Small patterns looked for everywhere: in images and sounds in two directions, in sequences in one."""

    takes: tuple[Kind, ...] = ("image", "sequence")

    def __init__(
        self,
        channels: Annotated[int, Field(ge=1, le=4096)] = 32,
        size: Annotated[int, Field(ge=1, le=31)] = 3,
        stride: Annotated[int, Field(ge=1, le=16)] = 1,
        activation: Annotated[Choice | None, LAYERS] = "relu",
    ) -> None:
        """Set the options.

        Args:
            channels: How many patterns.
            size: Points or places a side that a pattern spans.
            stride: How far the pattern moves at a time; 2 halves what comes out.
            activation: The curve behind it, unless the list names another; ``null`` is none.
        """
        self.channels, self.size, self.stride, self.activation = channels, size, stride, made(activation)

    @property
    def padding(self) -> int:
        """What is put around, so that with an odd size as much comes out as comes in."""
        return (self.size - 1) // 2

    def gives(self, given: Shape) -> Shape:
        if given.kind == "sequence":
            if self.size % 2 == 0:
                raise Misfit(f"a size of {self.size} moves places off themselves", "odd sizes", "Try size 3.")
            return Shape("sequence", (shrunk(given.size[0], self.size, self.stride, self.padding), self.channels))
        sides = tuple(shrunk(s, self.size, self.stride, self.padding) for s in given.size[1:])
        if any(s is not None and s < 1 for s in sides):
            raise Misfit(f"a pattern of {self.size} x {self.size} points does not fit in", "", "Try a smaller size.")
        return Shape("image", (self.channels, *sides))

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        if given.kind == "image":
            return nn.Conv2d(given.size[0] or 0, self.channels, self.size, stride=self.stride, padding=self.padding)
        return self._along(given.size[1] or 0)

    def _along(self, inside: int) -> nn.Module:
        """Over places: padding is silent, and a place that is stepped to counts if it counted."""
        from torch import nn

        layer = self

        class Along(nn.Module):
            padded = True

            def __init__(self) -> None:
                super().__init__()
                self.patterns = nn.Conv1d(
                    inside, layer.channels, layer.size, stride=layer.stride, padding=layer.padding
                )
                self.every = nn.MaxPool1d(1, stride=layer.stride)

            def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
                found = self.patterns((x * there).permute(0, 2, 1)).permute(0, 2, 1)
                if layer.stride > 1:
                    there = self.every(there.permute(0, 2, 1)).permute(0, 2, 1)
                return found, there

        return Along()
