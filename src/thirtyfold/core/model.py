"""Model: learns from encoded rows, predicts on them. One file of ``learn/models`` each.

``__init__`` takes the options; ``fit`` learns; what is learned is saved as named bytes in open formats, never a pickle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.step import Context

__all__ = ["Candidate", "Dial", "Model"]


@dataclass(frozen=True)
class Dial:
    """One option that tuning may turn: a range (``low``..``high``, integers if both are) or a list of choices."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    kind: Literal["int", "float", "choice"] = "float"


@dataclass(frozen=True)
class Candidate:
    """A model that could be tried: its word and options in the Spec's own spelling, the form it takes, and why."""

    word: str
    options: dict[str, Any]
    form: Form
    why: str = ""


class Model(Protocol):
    """The contract; ``thirtyfold.testing.check_model`` runs a member through it."""

    forms: ClassVar[tuple[Form, ...]]
    """The forms it can take, the preferred one first."""
    tasks: ClassVar[tuple[str, ...]]

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Learn. ``validation`` is for stopping early only, never for weights. Same input and seed, same bytes.

        Long work saves to ``context.checkpoint`` and goes on from there after a kill, to the same bytes.
        """
        ...

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Go on learning from what is learned, on new rows; raises SpecError where the model cannot."""
        ...

    def predict(self, matrix: Array) -> Array:
        """float32 (rows, features) to float64 raw (rows, outputs); the same for a row alone and among others."""
        ...

    def size(self) -> dict[str, int]:
        """What was built, counted: parameters, trees, leaves, support vectors, layers."""
        ...

    def story(self) -> list[Evidence]:
        """Evidence for steps 13 to 20 of the last ``fit``: what happened in each, in numbers, or why there is none."""
        ...

    def refit(self) -> dict[str, Any]:
        """Options that fit the same model again without validation rows (the number of rounds found, say)."""
        ...

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What keeps it from learning its rows by heart: option (dotted like a Dial's) -> (as it is, switched off)."""
        ...

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        """What tuning may turn, by option name; a dotted name reaches into a nested choice."""
        ...

    def save(self) -> dict[str, bytes]:
        """The learned state as files in open formats."""
        ...

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self: ...

    def onnx(self) -> bytes:
        """The model as ONNX: input ``features`` float32 [rows, features], output ``raw`` float32 [rows, outputs]."""
        ...
