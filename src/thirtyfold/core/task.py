"""Task: what kind of answer is wanted. One file of ``aim/tasks`` each; travels inside the Package as JSON.

``raw`` is what a model gives: shape (rows, outputs). Classification: probabilities of the classes in order, rows sum
to 1. Regression: outputs is 1, the value itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Protocol, Self

from thirtyfold.core.family import Family
from thirtyfold.core.late import Array, pl

__all__ = ["Metric", "Task", "like", "reads_of", "suits"]


def like(word: str) -> tuple[str, ...]:
    """The words of a task: its own, and that of the task it is ``like``, whose metrics and models fit."""
    kind: Any = Family("aim.tasks").find(word, "task")
    return tuple(dict.fromkeys((word, getattr(kind, "like", word))))


def suits(tasks: Collection[str], word: str) -> bool:
    """Whether what is for these tasks is for the task of this word."""
    return any(w in tasks for w in like(word))


def reads_of(task: object) -> tuple[str, ...]:
    """The columns that a task itself reads, beside the model: none of them is an input of the model."""
    return tuple(getattr(task, "reads", ()))


class Task(Protocol):
    """The contract; ``thirtyfold.testing.check_task`` runs a member through it. Immutable once fitted.

    A task may have more: ``reads``, the columns of which its answers are made beside the raw ones; ``learned(truth,
    columns)``, what a model learns instead of the truth (``decide`` turns it back); ``unit(columns)``, in what metrics
    that are ``scaled`` count; ``calibrated(truth, raw, columns)``, the task with intervals; and ``windows``, true where
    rows are made of the history of series.
    """

    metrics: ClassVar[tuple[str, ...]]
    """Words of aim/metrics reported for this task; the first is the default to choose by."""
    loss: ClassVar[str]
    """The default word of learn/losses."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels in order; empty for a task whose answer is a number."""
        ...

    @property
    def outputs(self) -> int: ...

    @classmethod
    def recognize(cls, type_word: str, target: pl.Series) -> float:
        """How sure, 0 to 1, that this is the task for a typed target column."""
        ...

    def fit(self, target: pl.Series) -> Self:
        """Learn from the training target what there is to know (the classes); returns a fitted copy."""
        ...

    def encode(self, target: pl.Series) -> Array:
        """Target to int64 codes or float64 values; a label not seen in fit is -1, a missing value -1 or NaN."""
        ...

    def baseline(self, target: Array) -> Array:
        """The naive raw answer, shape (outputs,): class shares, or the mean."""
        ...

    def decide(self, raw: Array, columns: Mapping[str, Array]) -> Array:
        """Raw to class codes (thresholds applied) or values; shape (rows,). ``columns`` are the typed inputs."""
        ...

    def decode(self, raw: Array, columns: Mapping[str, Array]) -> pl.DataFrame:
        """Raw to what a user reads: ``prediction``, with ``confidence`` and ``probability_<class>`` where there are."""
        ...

    def answers(self, raw: Array, columns: Mapping[str, Array]) -> list[dict[str, Any]]:
        """The rows of ``decode`` as JSON objects, made without a frame: at serving, most of the time went there."""
        ...

    def schema(self) -> dict[str, Any]:
        """The JSON schema of one answer."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything fitted, JSON-able; ``restore(state)`` gives an equal task."""
        ...

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self: ...


class Metric(Protocol):
    """A number for how good answers are. Stateless; one class in ``aim/metrics``."""

    tasks: ClassVar[tuple[str, ...]]
    greater: ClassVar[bool]
    """True where more is better."""
    bounds: ClassVar[tuple[float, float]]

    def score(self, truth: Array, raw: Array, decided: Array, weight: Array | None = None) -> float:
        """``truth`` codes or values (rows,); ``raw`` (rows, outputs); ``decided`` codes or values (rows,).

        NaN where it is not defined (one class alone for ROC AUC).
        """
        ...
