"""Scoring that test and audits share: bootstrap intervals, paired comparison, errors by slice.

``validate`` and ``test`` score the same way and differ in what they permit: one may be repeated, the other is spent.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import evaluate
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.table import Table
from thirtyfold.core.task import Task

__all__ = ["answers", "bootstrap", "compare", "scorer", "slices"]

ROUNDS = 200
"""Bootstrap samples: enough for a 95 % interval to two figures (Efron and Tibshirani 1993, chapter 14)."""

Scorer = Callable[[Array], float]


def answers(package: Package, table: Table) -> tuple[Array, Array, dict[str, Array]]:
    """Truth codes or values, raw answers and typed columns of a Package on a cleaned Table with its target."""
    columns = package.arrays(table)
    return package.task.encode(table[str(table.target)]), package.raw(columns), columns


def bootstrap(scorer: Scorer, rows: int, seed: int, rounds: int = ROUNDS) -> tuple[float, float]:
    """The 95 % percentile interval of a score over rows drawn with replacement; draws without a score are left out."""
    rng = np.random.default_rng(seed)
    drawn = [scorer(rng.integers(0, rows, rows)) for _ in range(rounds)]
    known = [d for d in drawn if np.isfinite(d)]
    if not known:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def compare(first: Scorer, second: Scorer, rows: int, seed: int, rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Paired: the 95 % interval of first minus second on the same drawn rows, and the share of draws above 0."""
    rng = np.random.default_rng(seed)
    gaps = []
    for _ in range(rounds):
        drawn = rng.integers(0, rows, rows)
        gap = first(drawn) - second(drawn)
        if np.isfinite(gap):
            gaps.append(gap)
    if not gaps:
        return float("nan"), float("nan"), float("nan")
    low, high = np.quantile(gaps, [0.025, 0.975])
    return float(low), float(high), float(np.mean(np.array(gaps) > 0))


def scorer(task: Task, metric: str, truth: Array, raw: Array, columns: dict[str, Array]) -> Scorer:
    """The metric on any choice of rows, as a function of their positions."""

    def score(which: Array) -> float:
        chosen = {n: c[which] for n, c in columns.items()} if needs else {}
        return evaluate(task, (metric,), truth[which], raw[which], chosen)[metric]

    needs = getattr(task, "by", None) is not None
    return score


def slices(table: Table, wrong: Array, names: Sequence[str], fewest: int = 30) -> list[dict[str, Any]]:
    """Groups of rows with clearly more error than the whole: by category, and by quarter of each number.

    ``wrong`` is each row's error (0 or 1, or an absolute error). A slice is listed with its rows, its mean error, and
    by how many standard errors that exceeds the mean of all; the worst first.
    """
    mean, spread = float(wrong.mean()), float(wrong.std())
    found = []
    for name in names:
        for label, mask in _parts(table[name]):
            rows = int(mask.sum())
            if rows < fewest or rows > 0.8 * len(wrong) or spread == 0:
                continue
            own = float(wrong[mask].mean())
            z = (own - mean) / (spread / np.sqrt(rows))
            found.append({"column": name, "slice": label, "rows": rows, "error": own, "all": mean, "z": round(z, 2)})
    return sorted(found, key=lambda s: -float(s["z"]))[:10]


def _parts(column: pl.Series) -> list[tuple[str, Array]]:
    if column.dtype == pl.String:
        top = column.drop_nulls().value_counts(sort=True).head(12)[column.name].to_list()
        return [(str(v), np.asarray((column == v).fill_null(value=False))) for v in top]
    if not column.dtype.is_numeric() or column.drop_nulls().n_unique() < 2:
        return []
    cuts = sorted({float(column.quantile(q) or 0.0) for q in (0.25, 0.5, 0.75)})
    edges = [-np.inf, *cuts, np.inf]
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return [(f"{_edge(a)} to {_edge(b)}", (values >= a) & (values < b)) for a, b in pairwise(edges)]


def _edge(value: float) -> str:
    return "lowest" if value == -np.inf else "highest" if value == np.inf else f"{value:g}"
