"""How much of the whole amount was forecast wrongly?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Wape"]


class Wape:
    """The weighted absolute percentage error: the sum of all errors over the sum of all amounts (Kolassa and Schuetz
    2007); days without demand do no harm to it. Not defined where every truth is 0.
    """

    tasks: ClassVar[tuple[str, ...]] = ("forecasting",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        whole = float(np.average(np.abs(truth), weights=weight))
        return float(np.average(np.abs(truth - decided), weights=weight)) / whole if whole > 0 else float("nan")
