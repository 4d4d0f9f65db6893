"""How far off is the forecast, in errors of the seasonal-naive one?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Mase"]


class Mase:
    """The mean absolute scaled error (Hyndman and Koehler 2006): each error over the mean absolute error that the
    seasonal-naive forecast makes in the training part of its series. Below 1 is better than that.
    """

    tasks: ClassVar[tuple[str, ...]] = ("forecasting",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    scaled: ClassVar[bool] = True
    """Truth and answers come in the task's own unit for each row."""

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        return float(np.average(np.abs(truth - decided), weights=weight))
