"""Scoring that test and audits share: bootstrap intervals, paired comparison, errors by slice.

``validate`` and ``test`` score the same way and differ in what they permit: one may be repeated, the other is spent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import in_unit
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.table import Table
from thirtyfold.core.task import Metric, Task

__all__ = ["Scorer", "answers", "bootstrap", "claimed", "compare", "rounds_of", "scorer", "slices"]

MOST, LEAST, WORK = 2000, 200, 1_500_000
"""Bootstrap samples: with 200 the ends of an interval move by a fifth of its width from seed to seed, with 2,000 by a
fifteenth (Efron and Tibshirani 1993, chapter 14: 1,000 or more). In large parts, whose intervals are narrow, fewer.
"""
_AT_ONCE = 1_000_000


def rounds_of(rows: int) -> int:
    """How many samples of so many rows are drawn: 2,000 of up to 2,500 rows, then fewer, 200 at least."""
    return max(LEAST, min(MOST, WORK // max(1, rows)))


def answers(package: Package, table: Table) -> tuple[Array, Array, dict[str, Array]]:
    """Truth codes or values, raw answers and typed columns of a Package on a cleaned Table with its target."""
    columns = package.arrays(table)
    return package.task.encode(table[str(table.target)]), package.raw(columns), columns


@dataclass(frozen=True)
class Scorer:
    """A metric on any choice of rows, by their positions, or on many choices at once, by how often each row comes."""

    metric: Metric
    truth: Array
    raw: Array
    decided: Array
    runs: tuple[Array, int] | None = None
    """Where errors of rows go together: for each row the place of what they have in common, and how many places on end
    are drawn together."""

    @property
    def draws(self) -> int:
        """How many things are drawn: rows, or runs of them."""
        return len(self.truth) if self.runs is None else -(-(int(self.runs[0].max()) + 1) // self.runs[1])

    def __call__(self, which: Array) -> float:
        return float(self.metric.score(self.truth[which], self.raw[which], self.decided[which]))

    def drawn(self, seed: int, rounds: int) -> Array:
        """The score of each of ``rounds`` samples of all rows drawn with replacement; shape (rounds,)."""
        rng, rows = np.random.default_rng(seed), len(self.truth)
        if self.runs is not None:
            return np.array([self(which) for which in _runs(*self.runs, rng, rounds)])
        many = getattr(self.metric, "resampled", None)
        if many is None:
            return np.array([self(rng.integers(0, rows, rows)) for _ in range(rounds)])
        found, step = [], max(1, _AT_ONCE // rows)
        for start in range(0, rounds, step):
            some = range(start, min(rounds, start + step))
            counts = np.stack([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in some])
            found.append(many(self.truth, self.raw, counts.astype(np.float64)))
        return np.concatenate(found)


def _runs(place: Array, size: int, rng: np.random.Generator, rounds: int) -> Iterator[Array]:
    """The rows of runs of ``size`` neighboring places, drawn with replacement, as many places as there are in all."""
    order = np.argsort(place, kind="stable")
    many = int(place.max()) + 1
    ends = np.searchsorted(place[order], np.arange(many + 1))
    by = [order[a:b] for a, b in pairwise(ends.tolist())]
    for _ in range(rounds):
        starts = rng.integers(0, many, -(-many // size))
        chosen = ((starts[:, None] + np.arange(size)) % many).ravel()[:many]
        yield np.concatenate([by[at] for at in chosen.tolist()])


def scorer(
    task: Task,
    metric: str,
    truth: Array,
    raw: Array,
    columns: dict[str, Array],
    runs: tuple[Array, int] | None = None,
) -> Scorer:
    """The metric on any rows of these; a row is decided in the same way whichever others are chosen with it."""
    judge: Metric = Family[Metric]("aim.metrics").build(metric, "metric")
    return Scorer(judge, *_judged(task, judge, truth, raw, columns), runs)


def _judged(
    task: Task, metric: Metric, truth: Array, raw: Array, columns: dict[str, Array]
) -> tuple[Array, Array, Array]:
    own, decided = in_unit(task, metric, columns, truth, task.decide(raw, columns))
    return own, raw, decided


def bootstrap(scored: Scorer, seed: int, rounds: int | None = None) -> tuple[float, float]:
    """The 95 % percentile interval of a score over rows drawn with replacement; draws without a score are left out.

    Percentiles are taken further out for few rows, where samples vary too little, as Student's t is wider than the
    normal distribution (the expanded percentile interval, Hesterberg 2015): by 0.1 % of the draws for 5 rows.
    """
    rows = len(scored.truth)
    drawn = scored.drawn(seed, rounds or rounds_of(rows))
    return _ends(drawn, scored.draws)


def compare(first: Scorer, second: Scorer, seed: int, rounds: int | None = None) -> tuple[float, float, float]:
    """Paired: the 95 % interval of first minus second on the same drawn rows, and the share of draws above 0."""
    rows = len(first.truth)
    rounds = rounds or rounds_of(rows)
    gaps = first.drawn(seed, rounds) - second.drawn(seed, rounds)
    return *_ends(gaps, first.draws), float(np.mean(gaps[np.isfinite(gaps)] > 0)) if np.isfinite(gaps).any() else float(
        "nan"
    )


def _ends(drawn: Array, rows: int) -> tuple[float, float]:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail := _tail(rows), 1 - tail])
    return float(low), float(high)


def _tail(rows: int) -> float:
    """The share of draws beyond each end of a 95 % interval."""
    from scipy.special import stdtrit

    if rows < 2:
        return 0.0
    return NormalDist().cdf(float(stdtrit(rows - 1, 0.025)) * sqrt(rows / (rows - 1)))


def claimed(interval: tuple[float, float], rows: int, metric: str) -> tuple[float, float]:
    """What may be said with 95 % confidence where every draw gives the same score, so that the interval has no width.

    What never came in ``rows`` may be in up to 3 / rows of all (the rule of three, Hanley and Lippman-Hand 1983).
    """
    low, high = interval
    bounds = Family[Metric]("aim.metrics").build(metric, "metric").bounds
    if low != high or not np.isfinite(bounds).all():
        return interval
    reach = min(1.0, 3 / rows) * (bounds[1] - bounds[0])
    return max(bounds[0], low - reach), min(bounds[1], high + reach)


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
