"""Mixup: rows are blended in pairs."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.loop import Regularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Mixup"]


class Mixup(Regularizer):
    """Each row is blended with another one, inputs and target alike, by a Beta(alpha, alpha) share (Zhang et al.
    2018).
    """

    def __init__(self, alpha: Annotated[float, Field(gt=0)] = 0.2) -> None:
        self.alpha = alpha

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        share = torch._sample_dirichlet(torch.full((len(x), 2), self.alpha, device=x.device))[:, :1]
        other = torch.randperm(len(x), device=x.device)
        return share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]
