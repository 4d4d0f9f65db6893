"""Hinge: how far the true class is from winning by a whole margin."""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Hinge"]


class Hinge:
    """max(0, 1 + best wrong output - true output) (Crammer and Singer 2001): the loss of support vector machines.

    Its outputs are margins, so the probabilities made of them are rough; a soft target counts each class by its share.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    head: ClassVar[Literal["softmax", "identity"]] = "softmax"

    def __call__(self, outputs: "Tensor", target: "Tensor") -> "Tensor":
        import torch

        same = torch.eye(outputs.shape[1], device=outputs.device)
        # For each class that might be the true one: the best of all others, which its own output must beat by 1.
        rivals = (outputs[:, None, :] - 1e9 * same).max(2).values
        return (target * (1 + rivals - outputs).clamp_min(0)).sum(1)
