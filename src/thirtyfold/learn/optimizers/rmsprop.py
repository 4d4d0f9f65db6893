"""RMSProp: steps divided by the recent size of the slope."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Rate, starting

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Rmsprop"]


class Rmsprop:
    """Each weight's slope is divided by the root of its recent mean square (Tieleman and Hinton 2012)."""

    def __init__(
        self,
        rate: Rate = 0.001,
        memory: Annotated[float, Field(ge=0, lt=1)] = 0.99,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        self.rate, self.memory, self.momentum = rate, memory, momentum

    def over(self, parameters: "Sequence[Tensor]") -> "Optimizer":
        from torch.optim import RMSprop

        return RMSprop(parameters, lr=starting(self.rate), alpha=self.memory, momentum=self.momentum)
