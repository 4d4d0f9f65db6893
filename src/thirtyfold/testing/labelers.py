"""Checks that every labeler passes, ours and a stranger's: ``check_labeler(labeler, train, goal)``."""

from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Goal
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import Table
from thirtyfold.data.answers import CHANGES, SUSPECTS, Case, Reviewed

__all__ = ["check_labeler"]


def check_labeler(labeler: Any, train: Table, goal: Goal, collected: Table | None = None) -> pl.DataFrame:
    """Review a training table: rows are the collected ones, labels are left alone, suspects named; returns these.

    ``collected`` is the table before cleaning; without it, the training table's own values stand for it.
    """
    if collected is None:
        collected = _whole(train)
    unlabeled = tuple(sorted(set(collected.rows.tolist()) - set(train.rows.tolist())))[:50]
    case = Case(train, goal, collected, unlabeled)
    done: Reviewed = labeler.review(case, Quiet())
    learning, suspects = done.learning, done.suspects
    assert dict(suspects.schema) == SUSPECTS, f"suspects has {suspects.schema}, expected {SUSPECTS}"
    assert isinstance(done.said, str) and done.said.strip(), "it must say in a sentence what it found"
    able = set(train.rows.tolist()) | set(unlabeled)
    assert set(learning.rows.tolist()) <= able, "rows to learn from are neither training rows nor rows without a label"
    assert len(set(learning.rows.tolist())) == len(learning), "a row is learned from twice"
    assert list(learning.columns) == list(train.columns), "the columns changed; weights are given beside the table"
    assert learning[str(train.target)].null_count() == 0, "a row to learn from has no label"
    _check_suspects(suspects, set(train.rows.tolist()), goal)
    if done.weight is not None:
        assert done.weight.shape == (len(learning),), "one weight for each row to learn from"
        assert ((done.weight >= 0) & np.isfinite(done.weight)).all(), "a weight is a number of at least 0"
    if done.changes is not None:
        assert dict(done.changes.schema) == CHANGES, f"changes has {done.changes.schema}, expected {CHANGES}"
        assert set(done.changes["row"].to_list()) <= able, "the ledger names rows that were not given"
    again: Reviewed = labeler.review(case, Quiet())
    assert suspects.equals(again.suspects), "asked twice, it suspects different rows"
    assert learning.frame.equals(again.learning.frame), "asked twice, it gives different rows"
    if hasattr(labeler, "prepare"):
        _check_prepare(labeler, collected, str(train.target))
    return suspects


def _whole(train: Table) -> Table:
    """A collected table that has the training rows in their places, and rows without a label between them."""
    rows = np.zeros(int(train.rows.max()) + 1, dtype=np.int64)
    rows[train.rows] = np.arange(len(train))
    frame = train.frame.drop("__row__")[rows]
    labeled = np.zeros(len(rows), dtype=bool)
    labeled[train.rows] = True
    name = str(train.target)
    kept = pl.when(pl.lit(pl.Series(labeled))).then(pl.col(name)).otherwise(None).alias(name)
    return Table.of(frame.with_columns(kept))


def _check_suspects(suspects: pl.DataFrame, rows: set[int], goal: Goal) -> None:
    named = suspects["row"].to_list()
    assert set(named) <= rows and len(set(named)) == len(named), "suspects must be training rows, each once"
    sure = suspects["confidence"].to_numpy()
    assert ((sure >= 0) & (sure <= 1)).all() and (np.diff(sure) <= 0).all(), "confidence is 0 to 1, the surest first"
    if goal.task.classes:
        assert set(suspects["suggested"].to_list()) <= set(goal.task.classes), "a suggested label is not a class"
        assert (suspects["suggested"] != suspects["label"]).all(), "a suspect must have another label suggested"


def _check_prepare(labeler: Any, collected: Table, target: str) -> None:
    made = labeler.prepare(collected, target, Quiet())
    assert target in made.table.columns, f"prepare must give the target '{target}'"
    assert set(made.table.rows.tolist()) <= set(collected.rows.tolist()), "prepare invents rows"
    if made.weight is not None:
        assert made.weight.shape == (len(made.table),), "one weight for each row"
        assert ((made.weight >= 0) & (made.weight <= 1)).all(), "a weight is 0 to 1"
    if made.changes is not None:
        assert dict(made.changes.schema) == CHANGES, f"changes has {made.changes.schema}, expected {CHANGES}"
    again = labeler.prepare(collected, target, Quiet())
    assert made.table.frame.equals(again.table.frame), "asked twice, it gives different labels"
