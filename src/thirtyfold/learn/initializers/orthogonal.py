"""Orthogonal: no direction is stretched."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Orthogonal"]


class Orthogonal:
    """Rows or columns of length 1 at right angles (Saxe et al. 2014): what goes in comes out as long as it was."""

    def __call__(self, weight: "Tensor", generator: Any) -> None:
        from torch.nn.init import orthogonal_

        orthogonal_(weight, generator=generator)
