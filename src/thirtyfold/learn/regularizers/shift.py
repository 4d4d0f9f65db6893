"""Shift: images are moved a few pixels."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import changed, needs
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Shift"]


class Shift(Regularizer):
    """Each image is moved up to a share ``most`` of its size in both directions; its edge fills what opens.

    The same as padding an image and cutting a random piece of its old size out of it.
    """

    def __init__(self, most: Annotated[float, Field(gt=0, le=0.5)] = 0.1) -> None:
        self.most = most
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        needs(layout, "image", "shift")
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        draws = 2 * torch.rand(2, len(x), 1) - 1

        def move(images: "Tensor") -> "Tensor":
            high, wide = images.shape[2:]
            down = (draws[0] * max(1.0, self.most * high)).round().long()
            right = (draws[1] * max(1.0, self.most * wide)).round().long()
            rows = (torch.arange(high)[None] - down).clamp(0, high - 1).to(x.device)
            columns = (torch.arange(wide)[None] - right).clamp(0, wide - 1).to(x.device)
            across = images.gather(3, columns[:, None, None, :].expand_as(images))
            return across.gather(2, rows[:, None, :, None].expand_as(images))

        return (changed(x, self._layout, "image", move) if self._layout else x), y
