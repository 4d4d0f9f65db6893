"""Patch: an image cut into squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.nets.shapes import Kind, Layer, Misfit, Shape, shrunk

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Patch"]


class Patch(Layer):
    """An image cut into squares, each made a place of a sequence (Dosovitskiy et al. 2021): for attention."""

    takes: tuple[Kind, ...] = ("image",)

    def __init__(
        self, width: Annotated[int, Field(ge=1, le=4096)] = 64, size: Annotated[int, Field(ge=1, le=64)] = 4
    ) -> None:
        """Set the options.

        Args:
            width: Numbers of a place.
            size: Points a side of a square; what does not fill one at the border is cut.
        """
        self.width, self.size = width, size

    def gives(self, given: Shape) -> Shape:
        sides = [shrunk(s, self.size, self.size) for s in given.size[1:]]
        if any(s is not None and s < 1 for s in sides):
            raise Misfit(f"squares of {self.size} points do not fit in", "", "Try a smaller size.")
        high, wide = sides
        return Shape("sequence", (None if high is None or wide is None else high * wide, self.width))

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        channels, squares, width, size = given.size[0] or 1, self.gives(given).size[0] or 1, self.width, self.size

        class Cut(nn.Module):
            padded = True

            def __init__(self) -> None:
                super().__init__()
                self.cut = nn.Conv2d(channels, width, size, stride=size)

            def forward(self, x: Tensor, there: None) -> tuple[Tensor, Tensor]:
                del there
                found = self.cut(x).reshape(-1, width, squares).permute(0, 2, 1)
                return found, found[:, :, :1] * 0.0 + 1.0

        return Cut()
