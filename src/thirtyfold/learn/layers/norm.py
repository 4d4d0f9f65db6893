"""Norm: numbers of one size, whatever the layers before have made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Norm"]


class Norm(Layer):
    """Brings numbers to mean 0 and deviation 1: deep lists learn faster, and higher rates are possible.

    Over the batch for images and plain numbers (Ioffe and Szegedy 2015), at each place of a sequence (Ba et al. 2016).
    The curve of the layer before stands behind it.
    """

    leveling: ClassVar[bool] = True

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        if given.kind == "sequence":
            return nn.LayerNorm(given.size[1] or 1)
        return (nn.BatchNorm2d if given.kind == "image" else nn.BatchNorm1d)(given.size[0] or 1)
