"""Confusion: how often each class was answered for each, from which five metrics are a line each.

scikit-learn has them all, and is what ours are tested against; but a bootstrap asks hundreds of times, and its checks
take forty times as long as the counting, after two seconds to load it.
"""

from __future__ import annotations

from thirtyfold.core.late import Array, np

__all__ = ["confusion", "positive", "share"]


def confusion(truth: Array, decided: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """The codes that occur in either, and the weight of rows of each pair (true, decided); shape (codes, codes)."""
    codes, at = np.unique(np.concatenate([truth, decided]), return_inverse=True)
    k, rows = len(codes), len(truth)
    counted = np.bincount(at[:rows] * k + at[rows:], weights=weight, minlength=k * k)
    return codes, counted.reshape(k, k).astype(np.float64)


def share(part: Array, whole: Array) -> Array:
    """Part by whole; 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def positive(scores: Array, codes: Array, outputs: int) -> float:
    """Of two classes the score of the second (0 where it does not occur); of more the mean over those that occur."""
    return float(scores[codes == 1].sum()) if outputs == 2 else float(scores.mean())
