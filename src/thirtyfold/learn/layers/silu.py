"""Silu: a curve between layers."""

from typing import TYPE_CHECKING, ClassVar

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Silu"]


class Silu(Layer):
    """A soft cut that dips below zero: good in deep lists (Elfwing et al. 2017)."""

    curved: ClassVar[bool] = True

    def module(self, given: Shape) -> "nn.Module":
        from torch import nn

        return nn.SiLU()
