"""Brightness: images are made lighter or darker, and flatter or harder."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import changed, needs
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Brightness"]


class Brightness(Regularizer):
    """Each image's pixels (0 to 255) are multiplied, and stretched around their mean, by 1 +- ``most`` at most: for
    photographs, where light says nothing of the answer.
    """

    def __init__(self, most: Annotated[float, Field(gt=0, lt=1)] = 0.2) -> None:
        self.most = most
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        needs(layout, "image", "brightness")
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        light, contrast = (1 + self.most * (2 * torch.rand(2, len(x), 1, 1, 1) - 1)).to(x.device)

        def shine(images: "Tensor") -> "Tensor":
            mean = images.mean((1, 2, 3), keepdim=True)
            lit: Tensor = ((images - mean) * contrast + mean) * light
            return lit.clamp(0, 255)

        return (changed(x, self._layout, "image", shine) if self._layout else x), y
