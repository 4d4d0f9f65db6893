"""Tanh: a curve between layers."""

from typing import TYPE_CHECKING, ClassVar

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Tanh"]


class Tanh(Layer):
    """Bends both ends to -1 and 1: for small networks and values that have bounds."""

    curved: ClassVar[bool] = True

    def module(self, given: Shape) -> "nn.Module":
        from torch import nn

        return nn.Tanh()
