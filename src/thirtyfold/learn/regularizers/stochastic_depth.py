"""Stochastic depth: some residual branches are skipped in each step."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["StochasticDepth"]


class StochasticDepth(Regularizer):
    """Each row skips a residual branch with a chance that grows with its depth up to ``rate`` (Huang et al. 2016).

    For networks with residual branches; what is not skipped is scaled up, so nothing changes when it answers.
    """

    def __init__(self, rate: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        self.rate = rate

    def branch(self, depth: float) -> "nn.Module | None":
        return _skip(self.rate * depth) if self.rate else None


def _skip(rate: float) -> "nn.Module":
    from torch import nn

    class Skip(nn.Module):
        def forward(self, x: "Tensor") -> "Tensor":
            if not self.training:
                return x
            stays = x.new_empty((len(x), *[1] * (x.ndim - 1))).bernoulli_(1 - rate)
            return x * stays / (1 - rate)

    return Skip()
