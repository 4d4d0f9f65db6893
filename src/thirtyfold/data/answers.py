"""Answers: what every labeler gets and gives, and how answers that are made come into the table before cleaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.aim import Goal
from thirtyfold.core.door import read_column
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import Picture, TableView
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Column, Table

__all__ = [
    "CHANGES",
    "SUSPECTS",
    "UNANSWERED",
    "WEIGHT",
    "Case",
    "Labeler",
    "Prepared",
    "Reviewed",
    "asked_of",
    "changed",
    "gives_target",
    "outside_of",
    "prepared",
    "sureness",
    "weighed",
]

SUSPECTS: dict[str, Any] = {"row": pl.Int64, "label": pl.String, "suggested": pl.String, "confidence": pl.Float64}
"""Labels that look wrong: the row in the collected table, its label, what it may be, how sure (0 to 1)."""

CHANGES: dict[str, Any] = {
    "row": pl.Int64,
    "before": pl.String,
    "after": pl.String,
    "rule": pl.String,
    "confidence": pl.Float64,
    "accepted": pl.Boolean,
}
"""What a labeler does to answers, as the ledger keeps it; the column is always the target."""

WEIGHT = "__label_weight__"
"""The column that carries how much a row counts in training, where the user gave none."""

UNANSWERED = "target missing: row set aside"
"""The rule in the ledger of rows that cleaning set aside for want of an answer."""


@dataclass(frozen=True)
class Case:
    """What a labeler looks at: the training rows, those that have no label, and both as they were collected."""

    train: Table
    goal: Goal
    collected: Table
    unlabeled: tuple[int, ...] = ()

    @cached_property
    def rest(self) -> Table:
        """The rows without a label, read as they would be at serving; what cannot be read is missing."""
        columns = {n: c for n, c in self.train.columns.items() if n in self.collected.columns}
        raw = self.raw(np.array(self.unlabeled, dtype=np.int64)).frame
        done = [raw[ROW]]
        for name in self.train.columns:
            known = self.train[name]
            if name in columns:
                done.append(read_column(columns[name], raw[name])[0].cast(known.dtype).alias(name))
            else:
                done.append(pl.Series(name, [None] * raw.height, dtype=known.dtype))
        return Table(pl.DataFrame(done), dict(self.train.columns))

    def raw(self, rows: Array) -> Table:
        """The collected rows of these numbers, as they came."""
        return self.collected.take(np.asarray(rows, dtype=np.int64))


class Prepared(NamedTuple):
    """The collected table with its target, how much each row counts (or None), and what was done for the ledger."""

    table: Table
    weight: Array | None = None
    changes: pl.DataFrame | None = None


class Reviewed(NamedTuple):
    """What a labeler gives: the rows to learn from, how much each counts, suspects, and what is told of it."""

    learning: Table
    suspects: pl.DataFrame
    said: str
    weight: Array | None = None
    changes: pl.DataFrame | None = None
    numbers: dict[str, Any] = {}  # noqa: RUF012 - read only, as all of a NamedTuple
    tables: tuple[TableView, ...] = ()
    pictures: tuple[Picture, ...] = ()


class Labeler(Protocol):
    """The contract; ``thirtyfold.testing.check_labeler`` runs a member through it.

    A labeler that makes the target itself also has ``prepare(collected, target, context) -> Prepared``: it is called
    before cleaning. One that reads files has ``outside() -> list[str]``: what decides its answers besides the Spec. One
    that reads columns has ``asks() -> list[tuple[str, str]]``: where in the Spec a column is named, and which.
    """

    def review(self, case: Case, context: Context) -> Reviewed:
        """Rows to learn from, suspects (row, label, suggested, confidence) and a sentence with the numbers."""
        ...


def _find(choice: Choice) -> Any:
    """The member of a choice, without making it: for the usual labeler nothing is imported."""
    word, _ = split_choice(choice, "label")
    return None if word == "given" else Family[Labeler]("data.labelers").find(word, "label")


def gives_target(choice: Choice) -> bool:
    """Whether this labeler makes the target, so that the data need not have it."""
    return hasattr(_find(choice), "prepare")


def asked_of(choice: Choice, target: str) -> list[tuple[str, str]]:
    """Where in the Spec a column is named, and which, that the data must have; the target, unless it is made.

    Raises SpecError for options that cannot be.
    """
    labeler: Any = Family[Labeler]("data.labelers").build(choice, "label")
    used = [] if gives_target(choice) else [("target", target)]
    return used + (list(labeler.asks()) if hasattr(labeler, "asks") else [])


def outside_of(choice: Choice) -> list[str]:
    """What decides the labels besides the Spec: the answers in a store, the content of a file."""
    if not hasattr(_find(choice), "outside"):
        return []
    labeler: Any = Family[Labeler]("data.labelers").build(choice, "label")
    return list(labeler.outside())


def prepared(
    choice: Choice, collected: Table, target: str, weight: str | None, context: Context
) -> tuple[Table, pl.DataFrame]:
    """The collected table with the target that the labeler makes (as it came, if it makes none), and ledger lines.

    ``weight`` is the user's own column of weights: how much a row counts is then the product of both.
    """
    if not gives_target(choice):
        return collected, pl.DataFrame(schema=CHANGES)
    labeler: Any = Family[Labeler]("data.labelers").build(choice, "label")
    context.progress("making labels")
    made: Prepared = labeler.prepare(collected, target, context)
    if made.table[target].null_count() == len(made.table):
        word, _ = split_choice(choice, "label")
        raise DataError(Fault(f"label.{word}", "gave no row a label.", hint="Look at its options."))
    table = made.table if made.weight is None else _with_weight(made.table, made.weight, weight)
    return table, made.changes if made.changes is not None else pl.DataFrame(schema=CHANGES)


def weighed(table: Table, weight: Array | None) -> Table:
    """The table with how much each row counts, times the weights that it has."""
    return table if weight is None else _with_weight(table, weight, next(iter(table.named("weight")), None))


def _with_weight(table: Table, weight: Array, own: str | None) -> Table:
    if own is None:
        column = Column(WEIGHT, "number", "weight", why="how sure the label is")
        return table.with_column(pl.Series(WEIGHT, weight, dtype=pl.Float64), column)
    values = table[own].cast(pl.Float64, strict=False)
    return table.with_column(values * pl.Series(weight), table.columns[own])


def sureness(chances: Array) -> Array:
    """How much more than a guess the likeliest class is: 0 where all are as likely, 1 where one is certain.

    The weight of a row whose label is only probable; shape (rows, classes) to (rows,).
    """
    many = chances.shape[1]
    return np.asarray(np.clip((chances.max(axis=1) - 1 / many) / (1 - 1 / many), 0.0, 1.0))


def changed(
    rows: Array, before: Sequence[Any], after: Sequence[Any], rule: str, confidence: Array, *, accepted: bool = True
) -> pl.DataFrame:
    """Lines for the ledger."""
    columns = [
        [int(r) for r in rows],
        [None if v is None else str(v) for v in before],
        [None if v is None else str(v) for v in after],
        [rule] * len(rows),
        [round(float(c), 4) for c in confidence],
        [accepted] * len(rows),
    ]
    return pl.DataFrame(dict(zip(CHANGES, columns, strict=True)), schema=CHANGES)
