"""Do answer and truth go together, whatever the class sizes?"""

from typing import ClassVar

from thirtyfold.core.fieldtype import Array

__all__ = ["Mcc"]


class Mcc:
    """Matthews correlation coefficient (Matthews 1975), for two classes and many."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    greater: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        from sklearn.metrics import matthews_corrcoef

        return float(matthews_corrcoef(truth, decided, sample_weight=weight))
