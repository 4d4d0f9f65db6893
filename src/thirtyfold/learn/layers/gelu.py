"""Gelu: a curve between layers."""

from typing import TYPE_CHECKING, ClassVar

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Gelu"]


class Gelu(Layer):
    """A softer cut: usual in transformers (Hendrycks and Gimpel 2016)."""

    curved: ClassVar[bool] = True

    def module(self, given: Shape) -> "nn.Module":
        from torch import nn

        return nn.GELU()
