"""Checks that every task passes, ours and a stranger's: ``check_task(Class, target)``."""

import json
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.task import Task

__all__ = ["check_task"]


def check_task(kind: Any, target: pl.Series | None = None) -> None:
    """A task learns its answers, codes and decodes them, and comes back equal from its JSON state.

    ``target`` is a column the task can learn from; left out, one is made from what the task recognizes.
    Raises AssertionError that says what is wrong.
    """
    for series in [target] if target is not None else _targets(kind):
        task: Task = kind().fit(series)
        codes = task.encode(series)
        assert codes.shape == (len(series),), f"encode gives {codes.shape} for {len(series)} rows"
        assert task.metrics, "metrics names at least one metric"
        naive = task.baseline(codes)
        assert naive.shape == (task.outputs,), f"baseline gives {naive.shape}, outputs is {task.outputs}"
        raw = np.tile(naive, (len(series), 1))
        decided = task.decide(raw, {})
        assert decided.shape == (len(series),), f"decide gives {decided.shape} for {len(series)} rows"
        frame = task.decode(raw, {})
        assert frame.height == len(series), f"decode gives {frame.height} rows for {len(series)}"
        assert "prediction" in frame.columns, f"decode gives no 'prediction' but {frame.columns}"
        state = json.loads(json.dumps(task.state()))
        assert kind.restore(state) == task, "restore(state()) is not equal to the task"
        known = set(task.schema()["properties"])
        assert known == set(frame.columns), f"schema names {known}, answers have {frame.columns}"
        unseen = task.encode(series.clear(1))
        assert unseen[0] == -1 or np.isnan(unseen[0]), "a missing target must be -1 or NaN"
        if task.classes:
            assert np.isclose(naive.sum(), 1), "the baseline's shares must add up to 1"
            assert set(codes.tolist()) == set(range(len(task.classes))), "codes must be 0..classes-1"
            sure = np.eye(len(task.classes))[codes]
            found = task.decode(sure, {})["prediction"].to_list()
            assert found == [task.classes[c] for c in codes], "a sure answer must decode to its label"


def _targets(kind: Any) -> list[pl.Series]:
    shown = {
        "category": pl.Series("y", ["a", "b", "c", "a", "b", "a"] * 5),
        "boolean": pl.Series("y", ["no", "yes", "no"] * 10),
        "number": pl.Series("y", np.linspace(-3.5, 9.25, 30)),
    }
    found = [series for word, series in shown.items() if kind.recognize(word, series) >= 0.5]
    if not found and getattr(kind, "like", "") == "regression":  # it is said, never recognized
        found = [shown["number"]]
    assert found, "recognize accepts no category, boolean or number: give check_task a target"
    return found
