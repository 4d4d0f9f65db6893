"""Dropout: some units are silent in each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.nets.shapes import Layer, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Dropout"]


class Dropout(Layer):
    """A share of the units is silent in each step of learning (Srivastava et al. 2014): nothing is learned by heart."""

    def __init__(self, share: Annotated[float, Field(gt=0, lt=1)] = 0.3) -> None:
        """Set the options.

        Args:
            share: Of the units that are silent in a step.
        """
        self.share = share

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        return nn.Dropout(self.share)
