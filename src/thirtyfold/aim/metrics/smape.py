"""How far off is the forecast, as a share of itself and the truth?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Smape"]


class Smape:
    """The symmetric mean absolute percentage error as in the M4 competition (Makridakis et al. 2020), as a share from 0
    to 2: 2 |truth - answer| / (|truth| + |answer|), 0 where both are 0.
    """

    tasks: ClassVar[tuple[str, ...]] = ("forecasting",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        size = np.abs(truth) + np.abs(decided)
        share = 2 * np.abs(truth - decided) / np.where(size > 0, size, 1.0)
        return float(np.average(share, weights=weight))
