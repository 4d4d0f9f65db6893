"""Normal: a fixed small spread."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Normal"]


class Normal:
    """Normal with the same deviation in every layer, cut off at two of them: what transformers start from."""

    def __init__(self, deviation: Annotated[float, Field(gt=0)] = 0.02) -> None:
        self.deviation = deviation

    def __call__(self, weight: "Tensor", generator: Any) -> None:
        from torch.nn.init import trunc_normal_

        trunc_normal_(weight, std=self.deviation, a=-2 * self.deviation, b=2 * self.deviation, generator=generator)
