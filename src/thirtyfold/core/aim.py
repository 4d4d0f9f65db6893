"""Aim: what is to be answered and how it is judged; and Goal, the task once it has learned its classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table, to_array
from thirtyfold.core.task import Metric, Task

__all__ = ["Aim", "Goal", "evaluate"]


@dataclass(frozen=True)
class Aim:
    """The words chosen for ``task`` and ``metric``, and every metric that is reported."""

    target: str
    task: str
    metric: str
    greater: bool
    metrics: tuple[str, ...]


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
    return {m: float(family.build(m, "metric").score(truth, raw, decided, weight)) for m in metrics}
