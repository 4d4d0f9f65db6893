"""Noise: inputs are shaken a little."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.loop import Regularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Noise"]


class Noise(Regularizer):
    """Normal noise is added to every input while learning (Bishop 1995: like a penalty on steep answers)."""

    def __init__(self, scale: Annotated[float, Field(ge=0)] = 0.05) -> None:
        self.scale = scale

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        return x + self.scale * torch.randn_like(x), y
