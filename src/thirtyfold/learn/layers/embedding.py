"""Embedding: a learned row of numbers for every token, or for every plain number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.nets.shapes import Kind, Layer, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Embedding"]


class Embedding(Layer):
    """A learned row of numbers for every token of a text; plain columns become a sequence, a place for each.

    Columns as in Gorishniy et al. 2021: value times one learned row plus another, so that attention can compare them.
    """

    takes: tuple[Kind, ...] = ("tokens", "vector")

    def __init__(self, width: Annotated[int, Field(ge=1, le=4096)] = 64) -> None:
        """Set the options.

        Args:
            width: Numbers of a token or a column.
        """
        self.width = width

    def gives(self, given: Shape) -> Shape:
        return Shape("sequence", (given.size[0], self.width))

    def module(self, given: Shape) -> nn.Module:
        length = given.size[0] or 1
        return _words(given.codes, length, self.width) if given.kind == "tokens" else _columns(length, self.width)


def _words(codes: int, length: int, width: int) -> nn.Module:
    """A row of the table for each code; 0 is padding, which does not count."""
    from torch import nn

    class Words(nn.Module):
        padded = True

        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(codes, width)

        def forward(self, x: Tensor, there: None) -> tuple[Tensor, Tensor]:
            del there
            there_now = x.sign().reshape(-1, length, 1)
            return self.table(x.long()) * there_now, there_now

    return Words()


def _columns(length: int, width: int) -> nn.Module:
    """Value times a row plus a row, for each column."""
    import torch
    from torch import nn

    class Columns(nn.Module):
        padded = True

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(length, width))
            self.offset = nn.Parameter(torch.zeros(length, width))

        def forward(self, x: Tensor, there: None) -> tuple[Tensor, Tensor]:
            del there
            found = x.reshape(-1, length, 1) * self.weight + self.offset
            return found, found[:, :, :1] * 0.0 + 1.0

    return Columns()
