"""Pool: neighbors become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from thirtyfold.learn.nets.sequences import FAR
from thirtyfold.learn.nets.shapes import Kind, Layer, Misfit, Shape, shrunk

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Pool"]


class Pool(Layer):
    """Neighboring points or places become one: their largest or mean answer. Halves what comes next has to see."""

    takes: tuple[Kind, ...] = ("image", "sequence")

    def __init__(self, size: Annotated[int, Field(ge=2, le=64)] = 2, kind: Literal["max", "mean"] = "max") -> None:
        """Set the options.

        Args:
            size: How many in a row (of an image: a side) become one; what is left over at the border is cut.
            kind: The largest of them, or their mean.
        """
        self.size, self.kind = size, kind

    def gives(self, given: Shape) -> Shape:
        sides = given.size[1:] if given.kind == "image" else given.size[:1]
        made = tuple(shrunk(s, self.size, self.size) for s in sides)
        if any(s is not None and s < 1 for s in made):
            raise Misfit(f"there are no {self.size} to become one", "", "Take out a 'pool', or use larger inputs.")
        size = (given.size[0], *made) if given.kind == "image" else (*made, given.size[1])
        return Shape(given.kind, size)

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        if given.kind == "image":
            return (nn.MaxPool2d if self.kind == "max" else nn.AvgPool2d)(self.size)
        return _most(self.size) if self.kind == "max" else _mean(self.size)


def _most(size: int) -> nn.Module:
    """The largest of the places that count."""
    from torch import nn

    class Most(nn.Module):
        padded = True

        def __init__(self) -> None:
            super().__init__()
            self.most = nn.MaxPool1d(size)

        def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
            low = (x + (there - 1.0) * FAR).permute(0, 2, 1)
            there = self.most(there.permute(0, 2, 1)).permute(0, 2, 1)
            return self.most(low).permute(0, 2, 1) * there, there

    return Most()


def _mean(size: int) -> nn.Module:
    """The mean of the places that count."""
    from torch import nn

    class Mean(nn.Module):
        padded = True

        def __init__(self) -> None:
            super().__init__()
            self.mean, self.most = nn.AvgPool1d(size), nn.MaxPool1d(size)

        def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
            share = self.mean(there.permute(0, 2, 1)).permute(0, 2, 1)
            found = self.mean((x * there).permute(0, 2, 1)).permute(0, 2, 1) / (share + 1e-6)
            return found, self.most(there.permute(0, 2, 1)).permute(0, 2, 1)

    return Mean()
