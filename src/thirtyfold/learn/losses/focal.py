"""Focal: cross-entropy that looks away from what is easy."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Focal"]


class Focal:
    """Cross-entropy times (1 - chance of the truth) ** focus (Lin et al. 2017): for classes that are very rare.

    Its probabilities are less certain than the data is: with ``focus`` 0 it is cross-entropy.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    head: ClassVar[Literal["softmax", "identity"]] = "softmax"

    def __init__(self, focus: Annotated[float, Field(ge=0, le=10)] = 2.0) -> None:
        self.focus = focus

    def __call__(self, outputs: "Tensor", target: "Tensor") -> "Tensor":
        chance = outputs.log_softmax(1)
        return -(target * (1 - chance.exp()).clamp_min(0) ** self.focus * chance).sum(1)
