"""How far off is the answer, large misses counted more?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Rmse"]


class Rmse:
    """The square root of the mean squared error, in the target's unit."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        return float(np.sqrt(np.average((truth - decided) ** 2, weights=weight)))
