"""AdamW: Adam that also shrinks the weights."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Rate, starting

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Adamw"]


class Adamw:
    """Adam with weight decay apart from the slope (Loshchilov and Hutter 2019): the usual choice today."""

    def __init__(
        self,
        rate: Rate = 0.002,
        decay: Annotated[float, Field(ge=0)] = 0.01,
        beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95,
    ) -> None:
        self.rate, self.decay, self.beta1, self.beta2 = rate, decay, beta1, beta2

    def over(self, parameters: "Sequence[Tensor]") -> "Optimizer":
        from torch.optim import AdamW

        return AdamW(
            parameters, lr=starting(self.rate), fused=True, betas=(self.beta1, self.beta2), weight_decay=self.decay
        )
