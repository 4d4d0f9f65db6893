"""Noise: inputs are shaken a little."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import places
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Noise"]


class Noise(Regularizer):
    """Normal noise is added to every input while learning (Bishop 1995: like a penalty on steep answers).

    Pixels, which go from 0 to 255, get 255 times as much; codes of tokens and levels stay as they are.
    """

    def __init__(self, scale: Annotated[float, Field(ge=0)] = 0.05) -> None:
        self.scale = scale
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        noise = self.scale * torch.randn_like(x)
        for place, _ in places(self._layout, "image"):
            noise[:, place] *= 255
        for form in ("tokens", "levels"):
            for place, _ in places(self._layout, form):
                noise[:, place] = 0
        return x + noise, y
