"""Is it still as good as it was when tested, as far as true answers have come in?"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from thirtyfold.core.aim import in_unit
from thirtyfold.core.family import Family
from thirtyfold.core.package import Package
from thirtyfold.core.task import Metric
from thirtyfold.core.verdict import Verdict
from thirtyfold.watch.live import Live, wilson

__all__ = ["Accuracy"]

ROUNDS = 60


class Accuracy:
    """The metric of the test on the last ``rows`` predictions whose true answer became known, with its interval.

    An alarm needs both: at least ``least`` labels, and an interval that lies wholly on the worse side of the interval
    that the test gave, so that neither a few labels nor the noise of the test raise it.
    """

    def __init__(self, least: Annotated[int, Field(ge=10)] = 50, rows: Annotated[int, Field(ge=10)] = 2000) -> None:
        self.least, self.rows = least, max(rows, least)

    def calibrate(self, package: Package) -> dict[str, Any]:
        """What the test promised: the metric and its interval."""
        told = json.loads(package.files.get("metrics.json", b"{}"))
        if not told:
            return {}
        member = Family[Metric]("aim.metrics").build(told["metric"], "metric")
        low, high = told["interval"]
        rows, (least, most) = int(told.get("rows") or 0), member.bounds
        # A test without a single error draws an interval of no width; what n rows did not show may still be three in n
        # (Hanley and Lippman-Hand 1983).
        if rows and member.greater and low >= most:
            low = most - 3 / rows * (most - max(least, 0.0))
        elif rows and not member.greater and high <= least and np.isfinite(most):
            high = least + 3 / rows * (most - least)
        return {"metric": told["metric"], "greater": bool(member.greater), "low": low, "high": high}

    def look(self, package: Package, state: Mapping[str, Any], live: Live) -> list[Verdict]:
        if not state:
            return [
                Verdict("accuracy", True, "The Package holds no test scores to compare with.", package=package.hash)
            ]
        truth, raw, columns = live.truths(package)
        known = np.flatnonzero(truth >= 0 if package.task.classes else np.isfinite(truth))[-self.rows :]
        truth, raw, columns = truth[known], raw[known], {n: x[known] for n, x in columns.items()}
        if len(truth) < self.least:
            why = f"{len(truth):,} true answers are known so far; {self.least:,} are needed."
            return [Verdict("accuracy", True, why, package=package.hash)]
        metric = Family[Metric]("aim.metrics").build(state["metric"], "metric")
        decided = package.task.decide(raw, columns)
        truth, decided = in_unit(package.task, metric, columns, truth, decided)
        value = float(metric.score(truth, raw, decided))
        low, high = _interval(metric, truth, raw, decided)
        numbers: dict[str, Any] = {"labels": len(truth), "interval": [low, high], "test": [state["low"], state["high"]]}
        if package.task.classes:
            right = int((truth == decided).sum())
            numbers |= {"right": right / len(truth), "right_interval": list(wilson(right, len(truth)))}
        limit = state["low"] if state["greater"] else state["high"]
        fell = high < limit if state["greater"] else low > limit
        why = (
            f"{state['metric']} is {value:.4g} ({low:.4g} to {high:.4g}) on {len(truth):,} answered rows whose truth "
            f"came later; the test gave {state['low']:.4g} to {state['high']:.4g}."
        )
        return [Verdict("accuracy", not fell, why, value, limit, package.hash, numbers)]


def _interval(metric: Metric, truth: Any, raw: Any, decided: Any) -> tuple[float, float]:
    """95 %: the standard error by drawing rows, which needs few draws (Efron and Tibshirani 1993, chapter 6)."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(ROUNDS):
        which = rng.integers(0, len(truth), len(truth))
        drawn.append(metric.score(truth[which], raw[which], decided[which]))
    known = [d for d in drawn if np.isfinite(d)]
    if len(known) < 2:
        return float("-inf"), float("inf")
    value, error = float(metric.score(truth, raw, decided)), float(np.std(known, ddof=1))
    return value - 1.96 * error, value + 1.96 * error
