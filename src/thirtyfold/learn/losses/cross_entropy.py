"""Cross-entropy: how surprised the guess is by the truth."""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CrossEntropy"]


class CrossEntropy:
    """Minus the logarithm of the chance given to the true class: the usual loss for classes."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    head: ClassVar[Literal["softmax", "identity"]] = "softmax"

    def __call__(self, outputs: "Tensor", target: "Tensor") -> "Tensor":
        return -(target * outputs.log_softmax(1)).sum(1)
