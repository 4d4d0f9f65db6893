"""Label smoothing: no answer is taken for certain."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LabelSmoothing"]


class LabelSmoothing(Regularizer):
    """The true class counts 1 - amount and the amount is shared by all classes (Szegedy et al. 2016); values stay."""

    def __init__(self, amount: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        self.amount = amount

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        classes = y.shape[1]
        return x, y if classes == 1 else y * (1 - self.amount) + self.amount / classes
