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

    def resampled(self, truth: Array, raw: Array, counts: Array) -> Array:
        """The score of each of many samples, in which a row comes ``counts`` (samples, rows) times; (samples,)."""
        total, known = np.zeros(len(counts)), np.zeros(len(counts))
        for code in range(raw.shape[1]) if raw.shape[1] > 2 else [1]:
            areas = _areas(truth == code, raw[:, code], counts)
            there = np.isfinite(areas)
            total[there] += areas[there]
            known += there
        return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def _areas(hit: Array, score: Array, counts: Array) -> Array:
    """``_area`` of many samples at once: the scores are sorted for all of them together."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    each = counts[:, order]
    yes = np.add.reduceat(each * hit[order], starts, axis=1)
    no = np.add.reduceat(each, starts, axis=1) - yes
    below = np.cumsum(no, axis=1) - no / 2
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    return np.asarray(np.divide((yes * below).sum(axis=1), pairs, out=np.full(len(counts), np.nan), where=pairs > 0))


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
