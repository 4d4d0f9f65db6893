"""Adam: steps of like size for every weight."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Rate, starting

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Adam"]


class Adam:
    """Each weight's step is scaled by the recent size of its slope (Kingma and Ba 2015)."""

    def __init__(
        self,
        rate: Rate = 0.001,
        beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999,
    ) -> None:
        self.rate, self.beta1, self.beta2 = rate, beta1, beta2

    def over(self, parameters: "Sequence[Tensor]") -> "Optimizer":
        from torch.optim import Adam as TorchAdam

        return TorchAdam(parameters, lr=starting(self.rate), fused=True, betas=(self.beta1, self.beta2))
