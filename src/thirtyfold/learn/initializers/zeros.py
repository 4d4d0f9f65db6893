"""Zeros: all weights start at zero."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Zeros"]


class Zeros:
    """Every unit of a hidden layer then stays like every other: good for a single layer, a lesson for deeper ones."""

    def __call__(self, weight: "Tensor", generator: Any) -> None:
        from torch.nn.init import zeros_

        del generator
        zeros_(weight)
