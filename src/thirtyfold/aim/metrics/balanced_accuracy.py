"""How often is the answer right, each class counted the same?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.aim.confusion import confusion
from thirtyfold.core.late import Array, np

__all__ = ["BalancedAccuracy"]


class BalancedAccuracy:
    """The mean over true classes of the share that is right (Brodersen et al. 2010)."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        _, pairs = confusion(truth, decided, weight)
        rows = pairs.sum(axis=1)
        return float(np.mean(pairs.diagonal()[rows > 0] / rows[rows > 0]))
