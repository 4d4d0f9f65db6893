"""Of the rows that are positive, how many were found?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.aim.confusion import confusion, positive, share
from thirtyfold.core.late import Array

__all__ = ["Recall"]


class Recall:
    """Of the second of two classes; the mean over classes where there are more."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        codes, pairs = confusion(truth, decided, weight)
        return positive(share(pairs.diagonal(), pairs.sum(axis=1)), codes, raw.shape[1])
