"""Aim: what is to be answered and how it is judged; and Goal, the task once it has learned its classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.table import Table, to_array
from thirtyfold.core.task import Metric, Task, reads_of

__all__ = ["Aim", "Goal", "evaluate", "in_unit", "truth_of"]


@dataclass(frozen=True)
class Aim:
    """The words chosen for ``task`` and ``metric``, and every metric that is reported."""

    target: str
    task: str
    metric: str
    greater: bool
    metrics: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    """What the Spec says of the task beside its word."""


@dataclass(frozen=True)
class Goal:
    """A fitted Task as a value that can be stored: its word and state."""

    word: str
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, word: str, task: Task) -> "Goal":
        return cls(word, task.state())

    @cached_property
    def task(self) -> Task:
        found: Any = Family[Task]("aim.tasks").find(self.word, "task")
        task: Task = found.restore(self.state)
        return task

    def truth(self, table: Table) -> Array:
        """The target of a Table as codes or values; the Table must have one."""
        return self.task.encode(table[str(table.target)])

    def learned(self, table: Table) -> Array:
        """What a model learns of a Table: its target, as far as the task does not want it told in another way."""
        truth = self.truth(table)
        return self.task.learned(truth, self.reads(table)) if hasattr(self.task, "learned") else truth

    def reads(self, table: Table) -> dict[str, Array]:
        """The columns that the task itself reads, beside the model."""
        return {n: to_array(table[n]) for n in reads_of(self.task)}

    @staticmethod
    def arrays(table: Table) -> dict[str, Array]:
        """Every typed input column of a Table, as encoders and tasks see them."""
        return {name: to_array(table[name]) for name in table.inputs}


def evaluate(
    task: Task,
    metrics: tuple[str, ...],
    truth: Array,
    raw: Array,
    columns: Mapping[str, Array],
    weight: Array | None = None,
) -> dict[str, float]:
    """Score raw answers by every metric: the one way that validation, test and audits all share."""
    decided = task.decide(raw, columns)
    family: Family[Metric] = Family("aim.metrics")
    found = {}
    for word in metrics:
        metric = family.build(word, "metric")
        own, answered = in_unit(task, metric, columns, truth, decided)
        found[word] = float(metric.score(own, raw, answered, weight))
    return found


def in_unit(
    task: Task, metric: Metric, columns: Mapping[str, Array], truth: Array, decided: Array
) -> tuple[Array, Array]:
    """Truth and answers as a metric counts them: one that is ``scaled`` in the task's own unit for each row."""
    if not getattr(metric, "scaled", False) or not columns:
        return truth, decided
    unit = task.unit(columns)  # type: ignore[attr-defined]
    return truth / unit, decided / unit


def truth_of(task: Task, rows: Encoded) -> Array:
    """The true answers of encoded rows, whatever it is that a model learns of them."""
    target = np.asarray(rows.target)
    return task.decide(target[:, None], rows.reads) if rows.reads else target
