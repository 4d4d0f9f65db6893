"""Xavier: the same spread forward and backward."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Xavier"]


class Xavier:
    """Uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010): made for tanh and like curves."""

    def __call__(self, weight: "Tensor", generator: Any) -> None:
        from torch.nn.init import xavier_uniform_

        xavier_uniform_(weight, generator=generator)
