"""SGD: a step against the slope, with momentum."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Rate, starting

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Sgd"]


class Sgd:
    """A step against the slope; momentum keeps some of the last step (Polyak 1964), Nesterov looks ahead (1983)."""

    def __init__(
        self,
        rate: Rate = 0.05,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        *,
        nesterov: bool = True,
    ) -> None:
        self.rate, self.momentum, self.nesterov = rate, momentum, nesterov

    def over(self, parameters: "Sequence[Tensor]") -> "Optimizer":
        from torch.optim import SGD

        return SGD(
            parameters, lr=starting(self.rate), momentum=self.momentum, nesterov=self.nesterov and self.momentum > 0
        )
