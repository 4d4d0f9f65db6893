"""Does it hold when the rows are a little wrong? Noise on numbers, values gone missing."""

from typing import Annotated

import numpy as np
from pydantic import Field

from thirtyfold.core.aim import evaluate
from thirtyfold.core.charts import lines, number
from thirtyfold.core.evidence import TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.step import Context
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Case, Finding

__all__ = ["Robustness"]

MOST = 2_000
"""Test rows at most; the levels are compared on the same rows, so few of them show the fall."""
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.4)


class Robustness:
    """How far the metric falls with noise of ``noise`` standard deviations on every number, and with that share of
    all values missing. Pictures and sounds get their noise as the model sees them.

    ``at_most``: the largest fall allowed, as a share of what the model is better than nothing by (the metric without
    noise minus the naive answer's). A model that is no better has no such share, and does not meet a limit.
    """

    def __init__(
        self,
        noise: Annotated[float, Field(gt=0, le=1)] = 0.1,
        at_most: Annotated[float, Field(ge=0)] | None = None,
    ) -> None:
        self.noise, self.at_most = noise, at_most

    def ask(self, case: Case, context: Context) -> Finding:
        """Scores at rising levels of each trouble, on at most 2,000 test rows."""
        truth, clean_raw, columns = case.answers("test")
        some = f" on the first {MOST:,} of {len(truth):,} test rows" if len(truth) > MOST else ""
        truth, clean_raw, columns = truth[:MOST], clean_raw[:MOST], {n: c[:MOST] for n, c in columns.items()}
        metric, task = case.aim.metric, case.package.task
        levels = sorted({*LEVELS, self.noise})
        series: dict[str, list[float]] = {"noise on numbers": [], "values missing": []}
        for level in levels:
            for name, spoil in (("noise on numbers", _noisy), ("values missing", _holes)):
                rng = np.random.default_rng(case.seed)
                raw = _asked(case.package, spoil(columns, level, rng), name, level, rng) if level else clean_raw
                series[name].append(evaluate(task, (metric,), truth, raw, columns)[metric])
        clean = series["noise on numbers"][0]
        naive = task.baseline(task.encode(case.learning[str(case.learning.target)]))
        floor = evaluate(task, (metric,), truth, np.tile(naive, (len(truth), 1)), columns)[metric]
        at = levels.index(self.noise)
        falls = {
            name: abs(clean - values[at]) if _worse(case, clean, values[at]) else 0.0 for name, values in series.items()
        }
        worst = max(falls, key=falls.__getitem__)
        won = clean - floor if case.aim.greater else floor - clean
        share = falls[worst] / won if won > 0 else None
        lost = "" if share is None else f", {share:.0%} of what was won over the naive answer"
        why = (
            f"with {self.noise:.0%} of trouble ({worst}) {metric} goes from {number(clean)} to "
            f"{number(series[worst][at])}{some}{lost}"
        )
        if share is None:
            why += f"; the model is no better than the naive answer ({number(floor)}), so nothing was won to be lost"
        passed = self.at_most is None or (share is not None and share <= self.at_most)
        table = TableView(
            "Scores with trouble",
            ("level", *series),
            tuple((f"{level:.0%}", *(round(v[i], 4) for v in series.values())) for i, level in enumerate(levels)),
            "Noise in standard deviations of each column; missing as a share of all values.",
        )
        picture = lines(f"{metric} with trouble", levels, series, "level", metric)
        verdict = Verdict("safety.robustness", bool(passed), why, share, self.at_most, case.package.hash, falls)
        return Finding(verdict, (table,), (picture,))


def _asked(package: Package, columns: dict[str, Array], name: str, level: float, rng: np.random.Generator) -> Array:
    """Raw answers to spoiled rows; pictures and sounds get their noise where the model sees them: as points and frames,
    in deviations of all of them.
    """
    encoder = package.encoder
    if "noise" not in name or not encoder.layout:
        return package.raw(columns)
    matrix, at = encoder.encode(columns), 0
    for block in encoder.layout:
        part = matrix[:, at : at + block.width]
        if block.form in ("image", "frames"):
            part += (level * part.std() * rng.standard_normal(part.shape)).astype(np.float32)
            if block.form == "image":
                np.clip(part, 0, 255, out=part)
        at += block.width
    return package.raw_of(matrix)


def _worse(case: Case, clean: float, spoiled: float) -> bool:
    return spoiled < clean if case.aim.greater else spoiled > clean


def _noisy(columns: dict[str, Array], level: float, rng: np.random.Generator) -> dict[str, Array]:
    out = {}
    for name, values in columns.items():
        drawn = rng.standard_normal(len(values))
        out[name] = values if values.dtype == object else values + drawn * level * float(np.nanstd(values))
    return out


def _holes(columns: dict[str, Array], level: float, rng: np.random.Generator) -> dict[str, Array]:
    out = {}
    for name, values in columns.items():
        gone = rng.random(len(values)) < level
        spoiled = values.copy()
        spoiled[gone] = None if values.dtype == object else np.nan
        out[name] = spoiled
    return out
