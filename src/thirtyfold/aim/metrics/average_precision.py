"""How pure are the rows that score highest?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np

__all__ = ["AveragePrecision"]


class AveragePrecision:
    """The mean precision over recall (area under that curve, by steps); with many classes the mean over classes."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        from sklearn.metrics import average_precision_score

        scores = []
        for code in range(raw.shape[1]) if raw.shape[1] > 2 else [1]:
            hit = truth == code
            if hit.any():
                scores.append(average_precision_score(hit, raw[:, code], sample_weight=weight))
        return float(np.mean(scores)) if scores else float("nan")
