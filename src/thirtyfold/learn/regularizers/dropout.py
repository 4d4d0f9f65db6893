"""Dropout: some units are silent in each step."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.loop import Regularizer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Dropout"]


class Dropout(Regularizer):
    """Each hidden unit is set to zero with this chance while learning (Srivastava et al. 2014)."""

    def __init__(self, rate: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        self.rate = rate

    def layer(self) -> "nn.Module | None":
        from torch.nn import Dropout as TorchDropout

        return TorchDropout(self.rate) if self.rate else None
