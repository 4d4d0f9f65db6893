"""Checks that every labeler passes, ours and a stranger's: ``check_labeler(labeler, train, goal)``."""

from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Goal
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import Table

__all__ = ["check_labeler"]

SCHEMA = {"row": pl.Int64, "label": pl.String, "suggested": pl.String, "confidence": pl.Float64}


def check_labeler(labeler: Any, train: Table, goal: Goal) -> pl.DataFrame:
    """Review a training table: rows come from it, labels are left alone, suspects are named; returns the suspects."""
    reviewed: tuple[Table, pl.DataFrame, str] = labeler.review(train, goal, Quiet())
    learning, suspects, said = reviewed
    assert dict(suspects.schema) == SCHEMA, f"suspects has {suspects.schema}, expected {SCHEMA}"
    assert isinstance(said, str) and said.strip(), "it must say in a sentence what it found"
    assert set(learning.rows.tolist()) <= set(train.rows.tolist()), "rows to learn from are not rows of the table"
    assert list(learning.columns) == list(train.columns), "the columns changed"
    rows = suspects["row"].to_list()
    assert set(rows) <= set(train.rows.tolist()) and len(set(rows)) == len(rows), "suspects must be rows, each once"
    sure = suspects["confidence"].to_numpy()
    assert ((sure >= 0) & (sure <= 1)).all() and (np.diff(sure) <= 0).all(), "confidence is 0 to 1, the surest first"
    if goal.task.classes:
        assert set(suspects["suggested"].to_list()) <= set(goal.task.classes), "a suggested label is not a class"
        assert (suspects["suggested"] != suspects["label"]).all(), "a suspect must have another label suggested"
    again: pl.DataFrame = labeler.review(train, goal, Quiet())[1]
    assert suspects.equals(again), "asked twice, it suspects different rows"
    return suspects
