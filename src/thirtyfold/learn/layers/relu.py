"""Relu: a curve between layers."""

from typing import TYPE_CHECKING, ClassVar

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Relu"]


class Relu(Layer):
    """Cuts off everything below zero: quick, and the usual choice."""

    curved: ClassVar[bool] = True

    def module(self, given: Shape) -> "nn.Module":
        from torch import nn

        return nn.ReLU()
