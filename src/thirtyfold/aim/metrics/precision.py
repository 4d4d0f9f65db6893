"""Of the rows called positive, how many are?"""

from typing import ClassVar

from thirtyfold.core.fieldtype import Array

__all__ = ["Precision"]


class Precision:
    """Of the second of two classes; the mean over classes where there are more."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        from sklearn.metrics import precision_score

        average = "binary" if raw.shape[1] == 2 else "macro"
        return float(precision_score(truth, decided, average=average, sample_weight=weight, zero_division=0))
