"""Checks that every metric passes, ours and a stranger's: ``check_metric(Class)``."""

from typing import Any

import numpy as np

from thirtyfold.core.fieldtype import Array

__all__ = ["check_metric"]


def check_metric(kind: Any) -> None:
    """A metric prefers right answers, stays in its bounds, counts weights as copies, and does not depend on row order.

    Raises AssertionError that says what is wrong.
    """
    metric = kind()
    low, high = metric.bounds
    for task in metric.tasks:
        for truth, raw, decided in _cases(task):
            perfect_raw, perfect = _perfect(task, truth, raw)
            good = metric.score(truth, perfect_raw, perfect)
            fair = metric.score(truth, raw, decided)
            assert np.isfinite(fair), f"{task}: score is {fair}"
            assert low - 1e-9 <= fair <= high + 1e-9, f"{task}: {fair} is outside {metric.bounds}"
            assert good > fair if metric.greater else good < fair, f"{task}: right answers {good}, others {fair}"
            order = np.random.default_rng(1).permutation(len(truth))
            moved = metric.score(truth[order], raw[order], decided[order])
            assert np.isclose(moved, fair, rtol=1e-9), f"{task}: {moved} in another order, {fair} before"
            weight: Array = np.ones(len(truth))
            weight[:20] = 2
            twice = np.r_[np.arange(len(truth)), np.arange(20)]
            copied = metric.score(truth[twice], raw[twice], decided[twice])
            weighed = metric.score(truth, raw, decided, weight)
            assert np.isclose(weighed, copied, rtol=1e-6), f"{task}: weight 2 gives {weighed}, copies give {copied}"


def _cases(task: str) -> list[tuple[Array, Array, Array]]:
    rng = np.random.default_rng(0)
    if task in ("regression", "forecasting"):
        truth = rng.normal(10, 3, 200)
        raw = (truth + rng.normal(0, 1, 200))[:, None]
        return [(truth, raw, raw[:, 0])]
    out = []
    for classes in (2, 4):
        codes: Array = rng.integers(0, classes, 300)
        raw = rng.dirichlet(np.ones(classes), 300) + 0.5 * np.eye(classes)[codes]
        raw /= raw.sum(axis=1, keepdims=True)
        out.append((codes, raw, raw.argmax(axis=1)))
    return out


def _perfect(task: str, truth: Array, raw: Array) -> tuple[Array, Array]:
    if task in ("regression", "forecasting"):
        return truth[:, None], truth
    return np.eye(raw.shape[1])[truth], truth
