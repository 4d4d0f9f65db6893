"""Does a positive row get a higher score than a negative one?"""

from __future__ import annotations

from typing import ClassVar

from thirtyfold.core.late import Array, np

__all__ = ["RocAuc"]


class RocAuc:
    """The area under the ROC curve; with many classes the mean over classes, each against the rest."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        scores = []
        for code in range(raw.shape[1]) if raw.shape[1] > 2 else [1]:
            hit = truth == code
            if hit.any() and not hit.all():
                scores.append(_area(hit, raw[:, code], weight))
        return float(np.mean(scores)) if scores else float("nan")


def _area(hit: Array, score: Array, weight: Array | None) -> float:
    """How often a positive row is above a negative one, a tie counted half (Hanley and McNeil 1982); one sort, for a
    bootstrap asks hundreds of times.
    """
    order = np.argsort(score)
    ordered = score[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    each = np.ones(len(order)) if weight is None else np.asarray(weight, dtype=np.float64)[order]
    yes = np.diff(np.cumsum(each * hit[order])[ends], prepend=0.0)
    no = np.diff(np.cumsum(each * ~hit[order])[ends], prepend=0.0)
    below = np.cumsum(no) - no / 2
    return float((yes * below).sum() / (yes.sum() * no.sum()))
