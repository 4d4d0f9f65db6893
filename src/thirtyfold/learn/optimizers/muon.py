"""Muon: steps of like size in every direction of a weight matrix."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from thirtyfold.learn.parts import Rate, starting

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Muon"]


class Muon:
    """Momentum made orthogonal (Jordan et al. 2024) for the matrices between hidden layers, AdamW for all the rest.

    A step is scaled to be as long as one of AdamW (Liu et al. 2025), so both go by one rate.
    """

    def __init__(
        self,
        rate: Rate = 0.002,
        decay: Annotated[float, Field(ge=0)] = 0.01,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95,
    ) -> None:
        self.rate, self.decay, self.momentum = rate, decay, momentum

    def over(self, parameters: "Sequence[Tensor]") -> "Optimizer":
        from torch.optim import AdamW
        from torch.optim import Muon as TorchMuon

        # The first and the last matrix read the inputs and give the answer: their directions are not alike.
        matrices = [p for p in parameters if p.ndim > 1]
        hidden = [p for p in matrices[1:-1] if p.ndim == 2]
        rate = starting(self.rate)
        rest = [p for p in parameters if not any(p is h for h in hidden)]
        parts: list[Any] = [AdamW(rest, lr=rate, fused=True, betas=(0.9, 0.95), weight_decay=self.decay)]
        if hidden:
            parts.append(
                TorchMuon(
                    hidden,
                    lr=rate,
                    weight_decay=self.decay,
                    momentum=self.momentum,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        return _together(parts)


def _together(parts: "Sequence[Optimizer]") -> "Optimizer":
    """Optimizers over different weights as one, with one state."""
    from torch.optim import Optimizer

    class Together(Optimizer):
        def __init__(self) -> None:
            groups = [{**g, "part": at} for at, part in enumerate(parts) for g in part.param_groups]
            super().__init__(groups, {})

        def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
            loss = None if closure is None else closure()
            for group in self.param_groups:
                # Both are other objects after a state was loaded, so they are handed over anew each time.
                part = parts[group["part"]]
                part.state, part.param_groups = self.state, [group]
                part.step()
            return loss

    return Together()
