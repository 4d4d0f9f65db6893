"""How much of the target's variation is explained?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["R2"]


class R2:
    """One minus the squared error over that of the mean; 0 is as good as the mean."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        spread = np.average((truth - np.average(truth, weights=weight)) ** 2, weights=weight)
        if spread == 0:
            return float("nan")
        return float(1 - np.average((truth - decided) ** 2, weights=weight) / spread)
