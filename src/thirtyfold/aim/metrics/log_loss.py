"""How surprised is the model by the truth?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["LogLoss"]


class LogLoss:
    """Minus the mean logarithm of the probability given to the true class, in nats."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        given = np.clip(raw[np.arange(len(truth)), truth], 1e-15, 1.0)
        return float(-np.average(np.log(given), weights=weight))
