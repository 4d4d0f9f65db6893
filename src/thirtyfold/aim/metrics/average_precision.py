"""How pure are the rows that score highest?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["AveragePrecision"]


class AveragePrecision:
    """The mean precision over recall (area under that curve, by steps); with many classes the mean over classes."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        scores = []
        for code in range(raw.shape[1]) if raw.shape[1] > 2 else [1]:
            hit = truth == code
            if hit.any():
                scores.append(_area(hit, raw[:, code], weight))
        return float(np.mean(scores)) if scores else float("nan")


def _area(hit: Array, score: Array, weight: Array | None) -> float:
    """The sum of precision times the gain in recall, from the highest score down; equal scores are one step."""
    order = np.argsort(-score)
    ordered = score[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    each = np.ones(len(order)) if weight is None else np.asarray(weight, dtype=np.float64)[order]
    found, called = np.cumsum(each * hit[order])[ends], np.cumsum(each)[ends]
    if not found[-1]:
        return 0.0
    precision = np.divide(found, called, out=np.zeros(len(found)), where=called > 0)
    return float((np.diff(found, prepend=0.0) / found[-1] * precision).sum())
