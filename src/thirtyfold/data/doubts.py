"""Doubts: does the data contradict the way it is split? Asked of a quick model, on training rows alone.

A split by lot is right when new rows will be like the old ones. When they will be later, or of persons and places
never seen, it flatters: the model is tested on rows whose neighbors it has learned from. The difference is the number.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from thirtyfold.core.charts import number
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table, to_array
from thirtyfold.data.looks import LARGE
from thirtyfold.data.looks import different as unlike
from thirtyfold.data.lots import lots
from thirtyfold.data.probe import boosted, matrix_of

__all__ = ["Doubt", "doubts"]

ROWS = 10_000
"""Training rows that are asked at most."""
LEAST = 300
"""With fewer, chance alone would differ by more than what is looked for."""
MATTERS = 0.01
"""A smaller difference is not worth a word."""


@dataclass(frozen=True)
class Doubt:
    """What a quick model scores on rows held out by lot, and on rows held out the other way."""

    column: str
    way: str
    measure: str
    by_lot: float
    otherwise: float
    error: float
    """One standard error of the difference."""
    asked: int
    """Training rows that were asked, of ``rows``."""
    rows: int

    @property
    def says(self) -> str:
        """The warning, with what to do."""
        role = "time" if self.way == "chronological" else "group"
        held = "later rows" if role == "time" else f"values of '{self.column}' that it has not seen"
        some = self.asked < self.rows
        sample = f" ({self.asked:,} of {self.rows:,} training rows were asked)" * some
        return (
            f"Warning: by lot a quick model has {self.measure} {number(self.by_lot)}, on {held} only "
            f"{number(self.otherwise)}{sample}: if that is what it is for, this split flatters it; say "
            f"'roles: {{{role}: {self.column}}}'."
        )


def doubts(train: Table, how: str, context: Context) -> list[Doubt]:
    """Every way in which the split ``how`` is flattering by more than chance; empty where it is not by lot."""
    if how not in ("random", "stratified", "folds") or len(train) < LEAST:
        return []
    candidates = _candidates(train)
    if not candidates:
        return []
    context.progress("asking whether time or groups contradict the split")
    rows = len(train)
    if len(train) > LARGE:  # of evenly spaced rows: a lot for each of all of them would take seconds
        train = train.take(np.arange(0, len(train), len(train) // (LARGE // 4)))
    lot = lots(train, context.seed + 1)
    part = train if len(train) <= ROWS else train.take(np.sort(np.argsort(lot, kind="stable")[:ROWS]))
    lot = lots(part, context.seed + 2)
    truth, classes = _truth(part)
    if len(np.unique(truth)) < 2:
        return []
    found = []
    for name, way in candidates:
        values = to_array(part[name])
        held = _latest(values) if way == "chronological" else _unseen(part, name, context.seed)
        if held is None:
            continue
        matched = np.zeros(len(part), dtype=bool)
        matched[np.argsort(lot, kind="stable")[: int(held.sum())]] = True
        doubt = _compared(part, name, way, (matched, held), (truth, classes), context)
        if doubt is not None:
            found.append(replace(doubt, rows=rows))
    return found


def _candidates(table: Table) -> list[tuple[str, str]]:
    """Moments, and columns whose values name many things that come several times each."""
    times = [c.name for c in table.columns.values() if c.type == "moment" and c.role in ("input", "time")]
    groups = [n for n in [*table.named("group"), *table.inputs, *table.named("id")] if _names_things(table, n)]
    return [(n, "chronological") for n in times[:2]] + [(n, "grouped") for n in groups[:2]]


def _names_things(table: Table, name: str) -> bool:
    if table.columns[name].type not in ("category", "id", "text"):
        return False
    different = unlike(table[name])
    return 30 <= different <= len(table) / 2


def _latest(values: Array) -> Array | None:
    """The last three tenths by time; None where there are too few moments to cut."""
    known = values[np.isfinite(values)]
    if len(np.unique(known)) < 20 or len(known) < 0.9 * len(values):
        return None
    return np.asarray(values >= np.quantile(known, 0.7))


def _unseen(table: Table, name: str, seed: int) -> Array | None:
    """Whole groups, about three tenths of the rows; None where one of them is most of the rows."""
    held = lots(table, seed + 3, [name]) < 0.3
    return held if 0.15 <= float(held.mean()) <= 0.45 else None


def _truth(table: Table) -> tuple[Array, int]:
    target = table[str(table.target)]
    if target.dtype == pl.Float64:
        return target.to_numpy(), 0
    labels, codes = np.unique(target.cast(pl.String).fill_null("").to_numpy().astype(str), return_inverse=True)
    return codes, len(labels)


def _compared(
    table: Table, name: str, way: str, parts: tuple[Array, Array], answers: tuple[Array, int], context: Context
) -> Doubt | None:
    """Both ways with the same model and as many held-out rows; None unless the difference is beyond chance."""
    truth, classes = answers
    matrix, categories = matrix_of(table)
    if not matrix.shape[1] or any(len(np.unique(truth[~held])) < 2 for held in parts):
        return None
    groups = _codes(table[name]) if way == "grouped" else None
    scores, errors = [], []
    for held in parts:
        said = boosted(matrix, categories, truth, np.where(held, 0, -1), classes, context, close=groups is not None)
        among = None if groups is None else groups[held]
        score, error = _score(truth[held], said[held], classes, context.seed, among)
        scores.append(score)
        errors.append(error)
    error = float(np.hypot(errors[0], errors[1]))
    if scores[0] - scores[1] < max(MATTERS, 2 * error):
        return None
    return Doubt(
        name, way, "an accuracy of" if classes else "an R2 of", scores[0], scores[1], error, len(table), len(table)
    )


def _codes(column: pl.Series) -> Array:
    return np.unique(column.cast(pl.String).fill_null("").to_numpy().astype(str), return_inverse=True)[1]


def _score(truth: Array, said: Array, classes: int, seed: int, groups: Array | None) -> tuple[float, float]:
    """R2, or the share that is right, with its standard error by the bootstrap (Efron 1979): of rows, or of whole
    groups, for the rows of one are alike.
    """
    right = said.argmax(axis=1) == truth if classes else None
    rng = np.random.default_rng(seed)
    members: list[Array] | None = None
    if groups is not None:
        order = np.argsort(groups, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    draws = []
    for _ in range(60):
        if members is None:
            at = rng.integers(0, len(truth), len(truth))
        else:
            at = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
        draws.append(float(right[at].mean()) if right is not None else _r2(truth[at], said[at]))
    whole = float(right.mean()) if right is not None else _r2(truth, said)
    return whole, float(np.std(draws))


def _r2(truth: Array, said: Array) -> float:
    spread = float(np.var(truth))
    return 1 - float(np.mean((truth - said) ** 2)) / spread if spread else 0.0
