"""Averaging: the mean of the weights over many steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Averaging"]


class Averaging(Regularizer):
    """Keeps the mean of the weights over the steps instead of the last ones, which the last rows have pulled at.

    ``exponential`` forgets by a factor ``memory`` a step (Polyak and Juditsky 1992), with less of it at the start;
    ``equal`` counts every step alike (Izmailov et al. 2018). Validation rows judge the mean.
    """

    def __init__(
        self,
        kind: Literal["exponential", "equal"] = "exponential",
        memory: Annotated[float, Field(gt=0, lt=1)] = 0.999,
    ) -> None:
        self.kind, self.memory = kind, memory
        self._mean: dict[str, Tensor] = {}
        self._steps = 0

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del layout
        self._mean, self._steps = {n: v.detach().clone() for n, v in network.state_dict().items()}, 0

    def after(self, network: "nn.Module", rate: float) -> None:
        import torch

        del rate
        self._steps += 1
        # A short memory at first, else the drawn weights would weigh for a thousand steps.
        share = 1 / self._steps
        if self.kind == "exponential":
            share = max(1 - self.memory, 9 / (self._steps + 9) if self._steps > 1 else 1.0)
        with torch.no_grad():
            now = network.state_dict()
            floating = [n for n, v in self._mean.items() if v.is_floating_point()]
            torch._foreach_lerp_([self._mean[n] for n in floating], [now[n] for n in floating], share)
            for name in self._mean.keys() - set(floating):
                self._mean[name].copy_(now[name])

    def weights(self) -> "Mapping[str, Tensor] | None":
        return self._mean if self._steps else None

    def state(self) -> "dict[str, Tensor]":
        import torch

        return {**self._mean, "steps ": torch.tensor(self._steps)}

    def restore(self, state: "Mapping[str, Tensor]") -> None:
        mean = {n: v.to(self._mean[n].device) for n, v in state.items() if n in self._mean}
        self._mean, self._steps = mean, int(state["steps "])
