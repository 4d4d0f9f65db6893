"""Flip: images are mirrored now and then."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import changed, needs
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Flip"]


class Flip(Regularizer):
    """Left and right change places in a share of the images: where a mirrored thing is the same thing.

    Not for digits, letters, or a direction to steer.
    """

    def __init__(self, chance: Annotated[float, Field(ge=0, le=1)] = 0.5, *, upright: bool = True) -> None:
        """Set the options.

        Args:
            chance: Share of the images that are mirrored.
            upright: Top and bottom keep their places; false mirrors them too, for cells or tiles seen from above.
        """
        self.chance, self.upright = chance, upright
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        needs(layout, "image", "flip")
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        sides, ends = (torch.rand(2, len(x), 1, 1, 1) < self.chance).to(x.device)

        def mirror(images: "Tensor") -> "Tensor":
            images = torch.where(sides, images.flip(3), images)
            return images if self.upright else torch.where(ends, images.flip(2), images)

        return (changed(x, self._layout, "image", mirror) if self._layout else x), y
