"""Cross-entropy: how surprised the guess is by the truth."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from thirtyfold.core.errors import Fault, SpecError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CrossEntropy"]


class CrossEntropy:
    """Minus the logarithm of the chance given to the true class: the usual loss for classes."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    head: ClassVar[Literal["softmax", "identity"]] = "softmax"

    def __init__(
        self,
        smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        weights: list[float] | None = None,
    ) -> None:
        """Set the options.

        Args:
            smoothing: Share of the truth that is spread over all classes (Szegedy et al. 2016).
            weights: What a row of each class counts, in the order of the classes, the most frequent one first;
                a model's ``balance: true`` finds them by itself.
        """
        self.smoothing, self.weights = smoothing, weights

    def __call__(self, outputs: "Tensor", target: "Tensor") -> "Tensor":
        from torch.nn.functional import cross_entropy

        weights = None if self.weights is None else outputs.new_tensor(self.weights)
        if weights is not None and len(weights) != outputs.shape[1]:
            many = f"{len(weights)} weights for {outputs.shape[1]} classes."
            raise SpecError(Fault("loss.cross_entropy.weights", many))
        return cross_entropy(outputs, target, weights, reduction="none", label_smoothing=self.smoothing)
