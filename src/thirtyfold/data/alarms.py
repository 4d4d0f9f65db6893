"""Alarms: what gives the answer away. Each is asked alone, on training rows it was not fitted on, against chance.

A model that has the answer before its eyes is perfect until it is in service. So every column, the parts of every time,
name and id, the order of the rows, single words, and sums of columns are asked how much of the answer they tell.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from thirtyfold.core.door import typed
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table
from thirtyfold.data.measures import Coded, coded, gives_away, uncertainty
from thirtyfold.data.names import (
    names_the_answer,
    parts_of_calendar,
    parts_of_name,
    parts_of_time,
    points_to_files,
    words_of,
)

__all__ = ["LEAK", "Alarm", "Question", "asked", "together"]

Kind = Literal[
    "column", "strong", "group", "id", "order", "time", "calendar", "name", "word", "together", "border", "silence"
]

LEAK = 0.99
"""What alone answers this much of what there is to answer is taken for the answer in other words."""
STRONG = 0.95
"""A column this strong is used, and told."""
ODD = 0.5
"""An id, or the order of the rows, should tell nothing: half of the answer is far too much."""
FEWEST = 100
"""With fewer rows nothing is asked: chance would answer."""
WORDS = 5000
"""Texts are asked on at most so many rows."""


@dataclass(frozen=True)
class Alarm:
    """``score``: 0 is a guess, 1 the answer itself, with one standard error; ``right`` is the balanced accuracy or R2
    that it stands for and ``chance`` that of a guess. ``by`` is what of the column tells; ``aside``: not learned from.
    """

    kind: Kind
    column: str
    by: str
    score: float
    error: float
    right: float
    chance: float
    rows: int
    aside: bool = False

    def numbers(self) -> dict[str, Any]:
        """As JSON."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Question:
    """The answer of some rows and the half of them that is learned from."""

    def __init__(self, truth: Array, classes: int, rng: np.random.Generator) -> None:
        self.truth, self.classes = truth, classes
        self.half = np.zeros(len(truth), dtype=bool)
        self.half[rng.permutation(len(truth))[: len(truth) // 2]] = True
        self.possible = len(truth) >= FEWEST and not (classes and bool((truth < 0).any()))
        self._ranks = None if classes else coded(truth.astype(np.float64)).ranks

    def take(self, at: Array) -> "Question":
        """The same question of some of the rows."""
        some = object.__new__(Question)
        some.truth, some.classes, some.half = self.truth[at], self.classes, self.half[at]
        some.possible = self.possible and len(at) >= FEWEST
        some._ranks = None if self._ranks is None else self._ranks[at]
        return some

    def of(self, column: Coded) -> float:
        """What the column alone tells. Amounts also by their ranks: a few huge ones would hide that all others fit."""
        score = gives_away(column, self.truth, self.classes, self.half)
        return score if self._ranks is None else max(score, gives_away(column, self._ranks, 0, self.half))

    def alarm(self, kind: Kind, column: str, by: str, score: float, *, aside: bool = False) -> Alarm:
        """With the error of the score and what it stands for."""
        chance = 1 / self.classes if self.classes else 0.0
        right = score * (1 - chance) + chance
        error = uncertainty(score, self.truth, self.classes)
        return Alarm(kind, column, by, float(score), error, right, chance, len(self.truth), aside)

    def surely(self, score: float, limit: float) -> bool:
        """Whether the score is at or above the limit by more than chance."""
        return score >= limit and score - 2 * uncertainty(score, self.truth, self.classes) >= min(limit, 0.9)


def asked(table: Table, columns: dict[str, Coded], question: Question, keep: frozenset[str]) -> list[Alarm]:
    """Every alarm of the table's rows; what is in ``keep`` is told and not set aside."""
    if not question.possible:
        return []
    found = [a for n, c in columns.items() for a in _column(n, c, table[n], question, aside=n not in keep)]
    odd = ODD if question.classes else 0.9  # amounts: neighbors may well be alike
    target = table[str(table.target)]
    if not any(points_to_files(table[n]) and names_the_answer(table[n], target) for n in table.columns):
        found += _order(table, question, odd)  # files are read folder by folder: theirs is no order that anyone chose
    loud = {a.column for a in found if a.kind == "column"}
    for name, column in table.columns.items():
        if column.role == "target" or name in loud:
            continue
        # What is read of a picture or a sound is what is in it: its name may tell anything.
        inside = column.role == "input" and name not in keep and not hasattr(typed(column), "content")
        values = table[name]
        if values.dtype.is_temporal():
            traces = _parts("time", name, parts_of_time(values), question, LEAK, inside=inside)
            known = parts_of_calendar(values) if column.role != "ignore" and not traces else {}
            found += traces or _parts("calendar", name, known, question, LEAK, inside=False)
        elif points_to_files(values):
            found += _parts("name", name, parts_of_name(values, target), question, 0.9, inside=inside)
        elif column.role == "id" or column.type == "id":
            found += _parts("id", name, parts_of_name(values, None), question, odd, inside=False)
        elif column.type == "text":
            found += _word(name, values, question)
    return found


def _column(name: str, column: Coded, values: pl.Series, question: Question, *, aside: bool) -> list[Alarm]:
    score = question.of(column)
    if score >= LEAK:
        return [question.alarm("column", name, "its value", score, aside=aside)]
    if score >= STRONG and question.surely(score, STRONG):
        return [question.alarm("strong", name, "its value", score)]
    return _group(name, values, question) if column.ranks is None and column.levels > 200 else []


def _group(name: str, values: pl.Series, question: Question) -> list[Alarm]:
    """Names that come several times, each with one answer: asked of rows whose name was learned from."""
    codes = coded(values.cast(pl.String).to_numpy().astype(object), most=len(values))
    seen = np.isin(codes.codes, np.intersect1d(codes.codes[question.half], codes.codes[~question.half]))
    at = np.flatnonzero(seen & (codes.codes > 0))
    some = question.take(at)
    if not some.possible or len(at) < 0.3 * len(values):
        return []
    kept, inverse = np.unique(codes.codes[at], return_inverse=True)
    score = some.of(Coded(ranks=None, codes=inverse, levels=len(kept)))
    return [some.alarm("group", name, "values that come again", score)] if some.surely(score, LEAK) else []


def _order(table: Table, question: Question, limit: float) -> list[Alarm]:
    """The place of a row in the collected table, in 64 stretches."""
    score = question.of(coded(table.rows.astype(np.float64), bins=64))
    return [question.alarm("order", "", "the order of the rows", score)] if question.surely(score, limit) else []


def _parts(
    kind: Kind, name: str, parts: dict[str, pl.Series], question: Question, limit: float, *, inside: bool
) -> list[Alarm]:
    """The part that tells most, when it tells too much."""
    best: tuple[float, str] = (0.0, "")
    for by, values in parts.items():
        if values.n_unique() > 1:
            x = values.cast(pl.Float64).fill_null(float("nan")).to_numpy() if values.dtype.is_numeric() else values
            column = coded(x if isinstance(x, np.ndarray) else x.to_numpy().astype(object), bins=64)
            best = max(best, (question.of(column), by))
    if not question.surely(best[0], limit):
        return []
    return [question.alarm(kind, name, best[1], best[0], aside=inside and best[0] >= LEAK)]


def _word(name: str, values: pl.Series, question: Question) -> list[Alarm]:
    """The word whose presence tells most, of a text that is read by its words."""
    some = question.take(np.arange(min(len(values), WORDS)))
    if not some.possible or not question.classes:
        return []
    best: tuple[float, str] = (0.0, "")
    for word, there in words_of(values.head(WORDS), 300).items():
        column = Coded(ranks=None, codes=there.astype(np.int64), levels=2)
        best = max(best, (some.of(column), word))
    return [some.alarm("word", name, f"the word '{best[1]}'", best[0])] if some.surely(best[0], LEAK) else []


def together(columns: dict[str, Array], question: Question) -> list[Alarm]:
    """An amount that is a sum, or a product, of at most four number columns."""
    at = np.arange(min(len(question.truth), 5000))
    some = question.take(at)
    if question.classes or not some.possible:
        return []
    y = some.truth.astype(np.float64)
    numbers = {n: x[at] for n, x in columns.items() if np.isfinite(x[at]).mean() > 0.95}
    found: list[tuple[list[str], float]] = [_combined(numbers, y, some.half)]
    if (y > 0).all():
        logs = {n: np.log(np.where(x > 0, x, np.nan)) for n, x in numbers.items()}
        logs = {n: x for n, x in logs.items() if np.isfinite(x).mean() > 0.95}
        found.append(_combined(logs, np.log(y), some.half))
    for (names, score), how in zip(found, ("sum", "product"), strict=False):
        if 2 <= len(names) <= 4 and score >= 0.9999:
            return [some.alarm("together", ", ".join(names), f"a {how} of {len(names)} columns", score)]
    return []


def _combined(columns: dict[str, Array], y: Array, half: Array) -> tuple[list[str], float]:
    """The fewest columns, taken greedily (orthogonal matching pursuit), and R2 on the rows not fitted."""
    names = list(columns)
    if not names:
        return [], 0.0
    x = np.column_stack([columns[n] for n in names])
    whole = np.isfinite(x).all(axis=1)
    x, y, half = x[whole], y[whole], half[whole]
    spread = x.std(axis=0) if len(x) else np.zeros(0)
    if half.sum() < 30 or (~half).sum() < 30 or not y.std():
        return [], 0.0
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    chosen: list[int] = []
    left, score = y - y[half].mean(), 0.0
    while len(chosen) < min(4, len(names)) and score < 0.9999:
        gain = np.abs(x[half].T @ left[half])
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        basis = np.column_stack([np.ones(len(x)), x[:, chosen]])
        fitted = basis @ np.linalg.lstsq(basis[half], y[half], rcond=None)[0]
        left = y - fitted
        score = 1 - float((left[~half] ** 2).sum()) / float(((y[~half] - y[half].mean()) ** 2).sum() or 1.0)
    return [names[i] for i in chosen], score
