"""Flatten: all points side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thirtyfold.learn.nets.shapes import Kind, Layer, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Flatten"]


class Flatten(Layer):
    """All points or places side by side as plain numbers: keeps where something was seen, and takes many weights."""

    takes: tuple[Kind, ...] = ("image", "sequence", "vector")

    def gives(self, given: Shape) -> Shape:
        total = 1
        for size in given.size:
            if size is None:
                return Shape("vector", (None,))
            total *= size
        return Shape("vector", (total,))

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        if given.kind != "sequence":
            return nn.Flatten()
        length, width = (s or 1 for s in given.size)

        class Side(nn.Module):
            padded = True

            def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, None]:
                return (x * there).reshape(-1, length * width), None

        return Side()
