"""Last: the last layers of a pretrained network learn, those below stay."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.errors import Fault, SpecError

if TYPE_CHECKING:
    from torch import nn

    from thirtyfold.learn.pretrained.levels import Levels

__all__ = ["Last"]


class Last:
    """The last ``layers`` learn: what is seen first (letters, edges, tones) stays, what is made of it changes."""

    def __init__(self, layers: Annotated[int, Field(ge=1)] = 2) -> None:
        self.layers = layers

    def apply(self, body: "nn.Module", levels: "Levels", seed: int) -> None:
        """Hold all below. Raises SpecError where there are not so many layers."""
        del seed
        if self.layers > levels.many:
            where, what = "model.pretrained.train.last", f"{self.layers} layers shall learn, and it has {levels.many}."
            raise SpecError(Fault(where, what, f"1 to {levels.many}"))
        for name, parameter in body.named_parameters():
            parameter.requires_grad_(levels.of[name] > levels.many - self.layers)

    def merge(self, body: "nn.Module") -> None:
        """There is nothing to fold in."""
