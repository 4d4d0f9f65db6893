"""Mean squared error: the square of the miss."""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MeanSquared"]


class MeanSquared:
    """The square of the difference: the usual loss for values; its best guess is the mean."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    head: ClassVar[Literal["softmax", "identity"]] = "identity"

    def __call__(self, outputs: "Tensor", target: "Tensor") -> "Tensor":
        return (outputs - target).square().mean(1)
