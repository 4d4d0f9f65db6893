"""Dense: every unit sees all that comes in."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.family import Choice
from thirtyfold.learn.nets.shapes import Kind, Layer, Shape
from thirtyfold.learn.nets.spelling import LAYERS, made

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Dense"]


class Dense(Layer):
    """Units that each weigh everything that comes in; images are laid flat and sequences pooled for it."""

    takes: tuple[Kind, ...] = ("vector",)

    def __init__(
        self, units: Annotated[int, Field(ge=1, le=65_536)] = 128, activation: Annotated[Choice | None, LAYERS] = "relu"
    ) -> None:
        """Set the options.

        Args:
            units: How many numbers come out.
            activation: The curve behind it, unless the list names another; ``null`` is none.
        """
        self.units, self.activation = units, made(activation)

    def gives(self, given: Shape) -> Shape:
        return Shape("vector", (self.units,))

    def module(self, given: Shape) -> "nn.Module":
        from torch import nn

        return nn.Linear(given.size[0] or 0, self.units)
