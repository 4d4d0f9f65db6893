"""Are positives found without false alarms?"""

from typing import ClassVar

from thirtyfold.core.fieldtype import Array

__all__ = ["F1"]


class F1:
    """The harmonic mean of precision and recall; the mean over classes where there are more than two."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        from sklearn.metrics import f1_score

        average = "binary" if raw.shape[1] == 2 else "macro"
        return float(f1_score(truth, decided, average=average, sample_weight=weight, zero_division=0))
