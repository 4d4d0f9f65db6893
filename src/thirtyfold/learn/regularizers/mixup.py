"""Mixup: rows are blended in pairs."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import no_tokens
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Mixup"]


class Mixup(Regularizer):
    """Each row is blended with another one, inputs and target alike, by a Beta(alpha, alpha) share (Zhang et al.
    2018).
    """

    def __init__(self, alpha: Annotated[float, Field(gt=0)] = 0.2) -> None:
        self.alpha = alpha

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        no_tokens(layout, "mixup")

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        share = torch._sample_dirichlet(torch.full((len(x), 2), self.alpha, device=x.device))[:, :1]
        other = torch.randperm(len(x), device=x.device)
        return share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]
