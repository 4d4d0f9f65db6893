"""Weight decay: weights shrink a little with every step."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WeightDecay"]


class WeightDecay(Regularizer):
    """After each step every weight (not the offsets) is multiplied by 1 - rate x strength (Krogh and Hertz 1991)."""

    def __init__(self, strength: Annotated[float, Field(ge=0)] = 0.01) -> None:
        self.strength = strength

    def after(self, network: "nn.Module", rate: float) -> None:
        import torch

        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1 and parameter.requires_grad:
                    parameter.mul_(1 - rate * self.strength)
