"""Label: what the answers of the training rows are, and which of them look wrong."""

from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.charts import bars
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import Evidence, Picture, TableView
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.task import Task
from thirtyfold.data.answers import UNANSWERED, Case, Labeler, Reviewed, outside_of, weighed

__all__ = ["Label", "Labeled"]


class Labeled(NamedTuple):
    """The gifts of this stage; the ledger with what was done to labels."""

    learning: Table
    goal: Goal
    suspects: pl.DataFrame
    ledger: pl.DataFrame
    evidence: list[Evidence]


class Label:
    """Step 8: the task learns its classes from training labels, and the labels are checked against their rows."""

    steps: ClassVar[tuple[int, ...]] = (8,)

    def __init__(self, spec: Spec) -> None:
        self.choice: Choice = spec.label
        self.positive = spec.positive

    def outside(self) -> list[str]:
        """What decides the labels besides the Spec: the answers in a store."""
        return outside_of(self.choice)

    def run(self, train: Table, collected: Table, ledger: pl.DataFrame, aim: Aim, context: Context) -> Labeled:
        """Fit the task on the training labels and ask the labeler."""
        tasks: Family[Task] = Family("aim.tasks")
        task: Any = tasks.build({aim.task: aim.options} if aim.options else aim.task, "task").fit(train[aim.target])
        if self.positive is not None:
            if not hasattr(task, "with_positive"):
                raise DataError(Fault("positive", f"a {aim.task} has no positive class.", hint="Leave it out."))
            task = task.with_positive(self.positive)
        goal = Goal.of(aim.task, task)
        labeler: Labeler = Family[Labeler]("data.labelers").build(self.choice, "label")
        unanswered = ledger.filter(pl.col("rule") == UNANSWERED)["row"].to_list()
        done = labeler.review(Case(train, goal, collected, tuple(unanswered)), context)
        word, _ = split_choice(self.choice, "label")
        learning = weighed(done.learning, done.weight)
        kept = _kept(ledger, done, aim.target)
        return Labeled(learning, goal, done.suspects, kept, [_evidence(train, goal, done, word)])


def _kept(ledger: pl.DataFrame, done: Reviewed, target: str) -> pl.DataFrame:
    if done.changes is None or not done.changes.height:
        return ledger
    lines = done.changes.with_columns(pl.lit(target).alias("column")).select(ledger.columns)
    return pl.concat([ledger, lines]).sort("row", "column", maintain_order=True)


def _evidence(train: Table, goal: Goal, done: Reviewed, word: str) -> Evidence:
    suspects = done.suspects
    rows = tuple(suspects.head(25).iter_rows())
    view = TableView("Labels to look at first", tuple(suspects.columns), rows, f"{suspects.height:,} in all")
    pictures: list[Picture] = []
    numbers = {"rows": len(train), "suspects": suspects.height, "classes": list(goal.task.classes), **done.numbers}
    if done.weight is not None:
        numbers["weight"] = {"mean": round(float(done.weight.mean()), 4), "below_half": int((done.weight < 0.5).sum())}
    if suspects.height and goal.task.classes:
        keys = ["label", "suggested"]
        pairs = suspects.group_by(keys).len().sort("len", *keys, descending=[True, False, False])
        numbers["pairs"] = [list(r) for r in pairs.head(20).iter_rows()]
        names = [f"{a}, perhaps {b}" for a, b, _ in pairs.head(12).iter_rows()]
        pictures.append(bars("Labels that look wrong", names, [float(n) for n in pairs["len"].head(12).to_list()]))
    more = len(done.learning) - int(np.isin(done.learning.rows, train.rows).sum())
    added = f" {more:,} more rows without a label were given one and are learned from." if more else ""
    return Evidence(
        8,
        f"{len(train):,} training rows have labels{' that came with the data' * (word == 'given')}. {done.said}{added}",
        numbers,
        (*((view,) if rows else ()), *done.tables),
        (*pictures, *done.pictures),
    )
