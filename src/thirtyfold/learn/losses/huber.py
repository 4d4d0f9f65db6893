"""Huber: the square of small misses, the size of large ones."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Huber"]


class Huber:
    """Half the square up to ``delta``, a straight line beyond (Huber 1964): values with outliers in the target.

    ``delta`` is in deviations of the target, because the target is scaled to deviation 1.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    head: ClassVar[Literal["softmax", "identity"]] = "identity"

    def __init__(self, delta: Annotated[float, Field(gt=0)] = 1.0) -> None:
        self.delta = delta

    def __call__(self, outputs: "Tensor", target: "Tensor") -> "Tensor":
        from torch.nn.functional import huber_loss

        return huber_loss(outputs, target, reduction="none", delta=self.delta).mean(1)
