"""Balance: what each training row counts, so that rare classes are heard when that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thirtyfold.core.late import Array, np

if TYPE_CHECKING:
    from thirtyfold.core.encoder import Encoded

__all__ = ["weights"]


def weights(data: Encoded, *, balance: bool) -> Array | None:
    """float64 (rows,) with mean 1, or None when every row counts the same.

    With ``balance`` each class has the same total: rows / (classes x rows of the class), as King and Zeng (2001).
    """
    if data.weight is None and not (balance and data.classes):
        return None
    weight = np.ones(len(data)) if data.weight is None else np.asarray(data.weight, dtype=np.float64)
    if balance and data.classes:
        target = np.asarray(data.target)
        totals = np.bincount(target, weights=weight, minlength=data.classes)
        weight = weight / np.maximum(totals, 1e-12)[target]
    scaled: Array = weight * (len(weight) / weight.sum())
    return scaled
