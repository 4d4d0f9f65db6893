"""Do answer and truth go together, whatever the class sizes?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.aim.confusion import confusion
from thirtyfold.core.late import Array

__all__ = ["Mcc"]


class Mcc:
    """Matthews correlation coefficient (Matthews 1975), for two classes and many."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        _, pairs = confusion(truth, decided, weight)
        true, said, rows = pairs.sum(axis=1), pairs.sum(axis=0), pairs.sum()
        together = pairs.trace() * rows - true @ said
        spread = (rows**2 - said @ said) * (rows**2 - true @ true)
        return float(together / spread**0.5) if spread > 0 else 0.0
