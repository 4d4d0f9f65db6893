"""Bench: fits a candidate on the training rows and scores it on the validation rows, alike everywhere in learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from thirtyfold.core.aim import Aim, Goal, evaluate, truth_of
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.learned import Score
from thirtyfold.core.model import Candidate, Model
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table

__all__ = ["BOTH", "Bench", "both", "build", "joined"]

BOTH = cast(Form, "levels+vector")
"""The key under which an ensemble's rows stand when its members take both forms: levels first, then vector."""

MODELS: Family[Model] = Family("learn.models")
SAMPLE = 10_000
"""Training rows scored for the gap; more would not change its second digit."""


def build(candidate: Candidate, **changed: Any) -> Model:
    """A new model from a candidate's word and options."""
    return MODELS.build({candidate.word: {**candidate.options, **changed}}, "model")


def both(rows: Mapping[str, Encoded]) -> dict[str, Encoded]:
    """The rows by form, with both forms side by side where there are both."""
    if BOTH in rows or not {"levels", "vector"} <= rows.keys():
        return dict(rows)
    a, b = rows["levels"], rows["vector"]
    matrix = np.concatenate([a.matrix, b.matrix], axis=1)
    side = Encoded(matrix, a.names + b.names, a.categories + b.categories, a.target, a.weight, a.classes, reads=a.reads)
    return {**rows, BOTH: side}


def joined(first: Encoded, second: Encoded) -> Encoded:
    """The rows of both, one after the other."""
    weight = None
    if first.weight is not None or second.weight is not None:  # rows without weights count one each
        weight = np.concatenate([np.ones(len(r)) if r.weight is None else r.weight for r in (first, second)])
    return Encoded(
        np.concatenate([first.matrix, second.matrix]),
        first.names,
        first.categories,
        np.concatenate([np.asarray(first.target), np.asarray(second.target)]),
        weight,
        first.classes,
        first.layout,
        {n: np.concatenate([x, second.reads[n]]) for n, x in first.reads.items()},
    )


@dataclass(frozen=True)
class Bench:
    """Training and validation rows by form, and how answers are judged."""

    train_rows: Mapping[str, Encoded]
    validation_rows: Mapping[str, Encoded]
    columns: Mapping[str, Array]
    goal: Goal
    aim: Aim

    @classmethod
    def of(
        cls,
        train_rows: Mapping[str, Encoded],
        validation_rows: Mapping[str, Encoded],
        validation: Table,
        goal: Goal,
        aim: Aim,
    ) -> Bench:
        return cls(both(train_rows), both(validation_rows), Goal.arrays(validation), goal, aim)

    def fit(self, candidate: Candidate, context: Context, which: Array | None = None) -> Model:
        """A fitted model; ``which`` are the training rows to learn from, all by default."""
        train = self.train_rows[candidate.form]
        model = build(candidate)
        model.fit(train if which is None else train.take(which), self.validation_rows[candidate.form], context)
        return model

    def answers(self, candidate: Candidate, model: Model) -> Array:
        """Raw answers for the validation rows."""
        return model.predict(self.validation_rows[candidate.form].matrix)

    def value(self, raw: Array, metric: str | None = None) -> float:
        """The metric to choose by on validation rows, turned so that more is better; an undefined one is the worst."""
        truth = truth_of(self.goal.task, next(iter(self.validation_rows.values())))
        name = metric or self.aim.metric
        value = evaluate(self.goal.task, (name,), truth, raw, self.columns)[name]
        return -np.inf if np.isnan(value) else value if self.aim.greater else -value

    def rank(self, raw: Array) -> float:
        """``value``, with a thousandth of the mean loss against it: the metric alone jumps on few rows and has ties."""
        truth = np.asarray(next(iter(self.validation_rows.values())).target)
        if self.goal.task.classes:
            loss = float(-np.log(np.clip(raw[np.arange(len(raw)), truth], 1e-9, 1)).mean())
        else:
            loss = float(np.mean((raw[:, 0] - truth) ** 2)) / max(float(np.var(truth)), 1e-12)
        value = self.value(raw)
        unit = 1.0 if self.goal.task.classes else abs(value)
        return value - 1e-3 * unit * loss

    def shown(self, value: float) -> float:
        """A value as the metric itself."""
        return value if self.aim.greater else -value

    def score(self, candidate: Candidate, model: Model) -> Score:
        """Every reported metric on validation rows, and on (a sample of) the training rows."""
        train, held = self.train_rows[candidate.form], self.validation_rows[candidate.form]
        if len(train) > SAMPLE:
            train = train.take(np.sort(np.random.default_rng(0).choice(len(train), SAMPLE, replace=False)))
        task, metrics = self.goal.task, self.aim.metrics
        return Score(
            candidate,
            evaluate(task, metrics, truth_of(task, held), model.predict(held.matrix), self.columns),
            evaluate(task, metrics, truth_of(task, train), model.predict(train.matrix), train.reads),
        )
