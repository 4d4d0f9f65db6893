"""How far off is the answer, as a share of the truth?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Mape"]


class Mape:
    """The mean absolute error over the absolute truth; rows whose truth is zero are left out."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        known = truth != 0
        if not known.any():
            return float("nan")
        share = np.abs((truth[known] - decided[known]) / truth[known])
        return float(np.average(share, weights=None if weight is None else weight[known]))
