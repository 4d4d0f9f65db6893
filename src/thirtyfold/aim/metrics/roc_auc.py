"""Does a positive row get a higher score than a negative one?"""

from typing import ClassVar

import numpy as np

from thirtyfold.core.fieldtype import Array

__all__ = ["RocAuc"]


class RocAuc:
    """The area under the ROC curve; with many classes the mean over classes, each against the rest."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        from sklearn.metrics import roc_auc_score

        scores = []
        for code in range(raw.shape[1]) if raw.shape[1] > 2 else [1]:
            hit = truth == code
            if hit.any() and not hit.all():
                scores.append(roc_auc_score(hit, raw[:, code], sample_weight=weight))
        return float(np.mean(scores)) if scores else float("nan")
