"""Parts: what a training is put together from. Each part is a choice of its own; ``loop.py`` runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.core.fieldtype import Array

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer as Stepper

__all__ = [
    "Heedful",
    "Initializer",
    "Loss",
    "Optimizer",
    "Plan",
    "Precision",
    "Rate",
    "Regularizer",
    "Rows",
    "Schedule",
    "starting",
]

Rate = Annotated[float, Field(gt=0)] | Literal["find"]
"""A learning rate, or the word that has it found by a short trial (see ``finder.py``)."""

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def starting(rate: Rate) -> float:
    """The rate that an optimizer is made with: the loop sets the real one before every step."""
    return 1e-3 if rate == "find" else rate


class Loss(Protocol):
    """How wrong outputs are. ``head`` says how outputs become the raw answer."""

    tasks: ClassVar[tuple[str, ...]]
    head: ClassVar[Literal["softmax", "identity"]]

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """(rows, k) each to a loss a row (rows,). Target: a share for each class, or the value.

        The loop hands both on as they are, so outputs may have more axes and a target more columns (a sequence of
        codes for CTC, say): a loss only has to give one number a row.
        """
        ...


class Optimizer(Protocol):
    """How weights move; ``rate`` is the learning rate at the schedule's 1."""

    rate: Any

    def over(self, parameters: Sequence[Tensor]) -> Stepper: ...


class Initializer(Protocol):
    """Where weights start."""

    def __call__(self, weight: Tensor, generator: Any) -> None:
        """Fill a weight of shape (out, in) in place."""
        ...


class Schedule(Protocol):
    """How the learning rate changes over training."""

    def __call__(self, done: float) -> float:
        """A factor for the rate, when a share ``done`` in [0, 1) of all steps is behind."""
        ...


@runtime_checkable
class Heedful(Protocol):
    """A schedule that also heeds how well learning goes."""

    def heed(self, losses: Sequence[float]) -> float:
        """One more factor for the rate, by the losses after each epoch so far: on validation rows if there are any.

        It knows nothing but the losses, which are in every checkpoint: so it needs no state of its own.
        """
        ...


class Regularizer:
    """What keeps a network from learning its rows by heart. Override what you need; each hook does nothing."""

    restores: ClassVar[bool] = False
    """Whether the best epoch's weights are taken at the end instead of the last one's."""

    def layer(self) -> nn.Module | None:
        """A module to put behind every hidden layer."""
        return None

    def branch(self, depth: float) -> nn.Module | None:
        """A module to put at the end of a residual branch, before it is added to what went around it.

        ``depth`` in (0, 1] is how deep the branch lies, 1 for the last one.
        """
        del depth
        return None

    def begin(self, network: nn.Module, layout: tuple[Block, ...]) -> None:
        """A training begins: forget the last one. ``layout`` says which columns of a batch are images or frames."""

    def batch(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch as the network shall see it: float32 (rows, width) and (rows, outputs), while learning only."""
        return x, y

    def after(self, network: nn.Module, rate: float) -> None:
        """Change weights after each step."""

    def weights(self) -> Mapping[str, Tensor] | None:
        """Weights by name that shall be judged and kept instead of the network's own."""
        return None

    def state(self) -> dict[str, Tensor]:
        """What must be in a checkpoint beside the network, as tensors by name."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what ``state`` gave."""

    def stop(self, losses: Sequence[float]) -> bool:
        """Whether to stop, by the validation losses so far."""
        del losses
        return False


class Plan(NamedTuple):
    """How to train: every part of it is a choice of its own."""

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    regularizers: tuple[Regularizer, ...] = ()
    epochs: int = 30
    batch: int = 256
    """Rows in a step."""
    clip: float = 1.0
    """The longest gradient that a step may follow; 0 is no limit."""
    device: str = "cpu"
    layout: tuple[Block, ...] = ()
    """Which columns belong together: what augmentation by kind goes by."""
    accumulate: int = 1
    """In how many parts a batch is computed, one after the other, before its one step: less memory, the same step."""
    precision: Precision = "float32"
    compile: Literal["auto"] | bool = False
    factors: Mapping[str, float] = {}
    """Times the rate with which a weight learns, by its name, where that is not 1."""
    keep: float = 25.0
    """Seconds between two checkpoints inside an epoch; more where writing one takes over a twentieth of that."""


class Rows(NamedTuple):
    """What to learn from: (rows, features), float32 (rows, outputs), float32 (rows,).

    ``x`` is float32, or uint8 that becomes float32 on the way; it may be a memory map that is larger than memory.
    """

    x: Array
    y: Array
    weight: Array
