"""How far are the probabilities from what happened?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Brier"]


class Brier:
    """The mean squared distance of the probability from what happened (Brier 1950); many classes are summed."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        if raw.shape[1] == 2:
            return float(np.average((raw[:, 1] - (truth == 1)) ** 2, weights=weight))
        hit = truth[:, None] == np.arange(raw.shape[1])
        return float(np.average(((raw - hit) ** 2).sum(axis=1), weights=weight))
