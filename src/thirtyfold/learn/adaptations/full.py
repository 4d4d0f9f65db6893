"""Full: every weight of a pretrained network goes on learning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from thirtyfold.learn.pretrained.levels import Levels

__all__ = ["Full"]


class Full:
    """All weights learn: the most that a pretrained network can become, the most memory, and the most to forget."""

    def apply(self, body: "nn.Module", levels: "Levels", seed: int) -> None:
        """Nothing is held back."""
        del levels, seed
        for parameter in body.parameters():
            parameter.requires_grad_(True)

    def merge(self, body: "nn.Module") -> None:
        """There is nothing to fold in."""
