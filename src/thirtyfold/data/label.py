"""Label: what the answers of the training rows are, and which of them look wrong."""

from typing import ClassVar, NamedTuple, Protocol

import polars as pl

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.charts import bars
from thirtyfold.core.evidence import Evidence, Picture, TableView
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.task import Task

__all__ = ["Label", "Labeled", "Labeler"]


class Labeler(Protocol):
    """The contract; ``thirtyfold.testing.check_labeler`` runs a member through it."""

    def review(self, train: Table, goal: Goal, context: Context) -> tuple[Table, pl.DataFrame, str]:
        """Rows to learn from, suspects (row, label, suggested, confidence) and a sentence with the numbers."""
        ...


class Labeled(NamedTuple):
    """The gifts of this stage."""

    learning: Table
    goal: Goal
    suspects: pl.DataFrame
    evidence: list[Evidence]


class Label:
    """Step 8: the task learns its classes from training labels, and the labels are checked against their rows."""

    steps: ClassVar[tuple[int, ...]] = (8,)

    def __init__(self, spec: Spec) -> None:
        self.choice: Choice = spec.label

    def run(self, train: Table, aim: Aim, context: Context) -> Labeled:
        """Fit the task on the training labels and ask the labeler."""
        tasks: Family[Task] = Family("aim.tasks")
        goal = Goal.of(aim.task, tasks.build(aim.task, "task").fit(train[aim.target]))
        context.progress("checking labels by cross-validation")
        labeler: Labeler = Family[Labeler]("data.labelers").build(self.choice, "label")
        learning, suspects, said = labeler.review(train, goal, context)
        return Labeled(learning, goal, suspects, [_evidence(train, goal, suspects, said)])


def _evidence(train: Table, goal: Goal, suspects: pl.DataFrame, said: str) -> Evidence:
    rows = tuple(suspects.head(25).iter_rows())
    views = (TableView("Labels to look at first", tuple(suspects.columns), rows, f"{suspects.height:,} in all"),)
    pictures: list[Picture] = []
    numbers = {"rows": len(train), "suspects": suspects.height, "classes": list(goal.task.classes)}
    if suspects.height and goal.task.classes:
        keys = ["label", "suggested"]
        pairs = suspects.group_by(keys).len().sort("len", *keys, descending=[True, False, False])
        numbers["pairs"] = [list(r) for r in pairs.head(20).iter_rows()]
        names = [f"{a}, perhaps {b}" for a, b, _ in pairs.head(12).iter_rows()]
        pictures.append(bars("Labels that look wrong", names, [float(n) for n in pairs["len"].head(12).to_list()]))
    return Evidence(
        8,
        f"{len(train):,} training rows have labels that came with the data. {said}",
        numbers,
        views if rows else (),
        tuple(pictures),
    )
