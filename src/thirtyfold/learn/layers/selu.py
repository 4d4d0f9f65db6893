"""Selu: a curve between layers."""

from typing import TYPE_CHECKING, ClassVar

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Selu"]


class Selu(Layer):
    """Keeps mean and deviation by itself, with lecun weights (Klambauer et al. 2017)."""

    curved: ClassVar[bool] = True

    def module(self, given: Shape) -> "nn.Module":
        from torch import nn

        return nn.SELU()
