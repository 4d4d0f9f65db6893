"""LeCun: a spread that leaves sums as they were."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Lecun"]


class Lecun:
    """Normal with deviation sqrt(1 / in) (LeCun et al. 1998): made for SELU and for no curve."""

    def __call__(self, weight: "Tensor", generator: Any) -> None:
        from torch.nn.init import kaiming_normal_

        kaiming_normal_(weight, nonlinearity="linear", generator=generator)
