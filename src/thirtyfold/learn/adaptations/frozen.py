"""Frozen: a pretrained network as it is; only what stands behind it learns."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from thirtyfold.learn.pretrained.levels import Levels

__all__ = ["Frozen"]


class Frozen:
    """No weight of the pretrained network learns: quick, and hard to overfit, where it knows such data already."""

    def apply(self, body: "nn.Module", levels: "Levels", seed: int) -> None:
        """Hold all of it."""
        del levels, seed
        for parameter in body.parameters():
            parameter.requires_grad_(False)

    def merge(self, body: "nn.Module") -> None:
        """There is nothing to fold in."""
