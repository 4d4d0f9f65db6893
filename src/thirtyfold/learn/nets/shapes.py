"""Shapes: what one row is between two layers of a list, and what a layer has to say of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from thirtyfold.core.family import Choice

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Kind", "Layer", "Misfit", "Shape", "Size", "shrunk"]

Kind = Literal["image", "sequence", "tokens", "vector"]
Size = int | None
"""A number of channels, places or units; None as long as the data is not known."""


class Shape(NamedTuple):
    """One row: (channels, height, width) of an ``image``, (length, width) of a ``sequence``, (length,) of ``tokens``
    with how many different ``codes`` there are, (width,) of a ``vector``.
    """

    kind: Kind
    size: tuple[Size, ...]
    codes: int = 0

    def __str__(self) -> str:
        sizes = " x ".join("?" if s is None else f"{s:,}" for s in self.size)
        return f"{self.kind} {sizes}"


class Misfit(Exception):
    """A layer cannot take what comes in: what is wrong, what is allowed, what to try."""

    def __init__(self, what: str, allowed: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.allowed, self.hint = what, allowed, hint


class Layer:
    """One entry of a list of layers. Override ``gives`` and ``module``; the rest says how it stands among others."""

    takes: tuple[Kind, ...] = ("image", "sequence", "vector")
    """What it can be given; anything else is made one of these first where there is one right way."""
    curved: ClassVar[bool] = False
    """Whether it is a curve, so that none is put in where one is due."""
    leveling: ClassVar[bool] = False
    """Whether the curve of the layer before waits until it is done."""
    activation: Any = None
    """The curve that is due behind it: a layer, or None."""
    choice: Choice = ""
    """How the Spec spells it, every option filled in; set when it is made from the Spec."""

    def gives(self, given: Shape) -> Shape:
        """What comes out, as far as it is known. Raises Misfit."""
        return given

    def module(self, given: Shape) -> nn.Module:
        """The layer in PyTorch for rows of this shape, all of it known.

        It maps (rows, *size) to (rows, *size). Places of a sequence that are padding come as they are; a module with
        the attribute ``padded = True`` maps (sequence, there) to (sequence, there), where ``there`` (rows, length, 1)
        is 1 at every place that counts; from an image or a vector it gets None, and gives None for them.
        """
        raise AssertionError(f"{type(self).__name__} has no module")


def shrunk(size: Size, window: int, step: int, padding: int = 0) -> Size:
    """How many windows fit; None for what is not known, 0 or less where none does."""
    return None if size is None else (size + 2 * padding - window) // step + 1
