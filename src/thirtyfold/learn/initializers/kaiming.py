"""Kaiming: a spread that ReLU leaves as it was."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Kaiming"]


class Kaiming:
    """Normal with deviation sqrt(2 / in) (He et al. 2015): made for ReLU and its kin, which halve what passes."""

    def __call__(self, weight: "Tensor", generator: Any) -> None:
        from torch.nn.init import kaiming_normal_

        kaiming_normal_(weight, nonlinearity="relu", generator=generator)
