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
        shares = target if not self.smoothing else target * (1 - self.smoothing) + self.smoothing / target.shape[1]
        if self.weights is None:
            return -(shares * outputs.log_softmax(1)).sum(1)
        if len(self.weights) != outputs.shape[1]:
            many = f"{len(self.weights)} weights for {outputs.shape[1]} classes."
            raise SpecError(Fault("loss.cross_entropy.weights", many))
        return -(shares * outputs.new_tensor(self.weights) * outputs.log_softmax(1)).sum(1)
