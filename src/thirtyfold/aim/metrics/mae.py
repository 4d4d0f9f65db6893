"""How far off is the answer, on average?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["Mae"]


class Mae:
    """The mean absolute error, in the target's unit."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    greater: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        return float(np.average(np.abs(truth - decided), weights=weight))
