"""Plateau: the rate falls whenever learning stands still."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

__all__ = ["Plateau"]


class Plateau:
    """The rate is multiplied by ``factor`` after ``patience`` epochs without a better loss: when nobody knows how long
    learning takes.
    """

    def __init__(
        self,
        patience: Annotated[int, Field(ge=1)] = 3,
        factor: Annotated[float, Field(gt=0, lt=1)] = 0.3,
        least: Annotated[float, Field(ge=0, le=1)] = 0.001,
        better: Annotated[float, Field(ge=0, lt=1)] = 1e-4,
    ) -> None:
        """Set the options.

        Args:
            patience: Epochs that may pass without a better loss.
            factor: Times the rate that it goes on with.
            least: The share of the rate below which it does not fall.
            better: The share by which a loss must be below the best one to be better.
        """
        self.patience, self.factor, self.least, self.better = patience, factor, least, better

    def __call__(self, done: float) -> float:
        del done
        return 1.0

    def heed(self, losses: Sequence[float]) -> float:
        factor, best, waited = 1.0, float("inf"), 0
        for loss in losses:
            waited += 1
            if loss < best * (1 - self.better) if best > 0 else loss < best:
                best, waited = loss, 0
            elif waited >= self.patience:
                factor, waited = factor * self.factor, 0
        return max(self.least, factor)
