"""Tables for the tests of learn: typed columns, split and encoded by hand, so that no other phase is needed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.encoder import Encoded, Encoder
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Feature
from thirtyfold.core.profile import Profile
from thirtyfold.core.table import Column, Table
from thirtyfold.core.transform import Fill, Lookup, OneHot, Scale


@dataclass
class Case:
    """Everything that the stages of learn need from outside."""

    learning: Table
    validation: Table
    test: Table
    goal: Goal
    aim: Aim
    inputs: list[str]
    encoders: dict[str, Encoder]
    train_rows: dict[str, Encoded]
    validation_rows: dict[str, Encoded]
    profile: Profile = field(default_factory=lambda: Profile(0, {}))

    @property
    def given(self) -> dict[str, Any]:
        return vars(self)


def frame_of(loader: Any) -> pl.DataFrame:
    """One of scikit-learn's own sets with the target under ``answer``."""
    data = loader()
    columns = {str(n).replace(" ", "_"): data.data[:, i] for i, n in enumerate(data.feature_names)}
    target = data.target
    if hasattr(data, "target_names") and len(getattr(data, "target_names", [])) == len(np.unique(target)):
        return pl.DataFrame({**columns, "answer": [str(data.target_names[t]) for t in target]})
    return pl.DataFrame({**columns, "answer": target.astype(float)})


def case(frame: pl.DataFrame, task: str, metric: str, seed: int = 0, rows: tuple[float, float] = (0.7, 0.85)) -> Case:
    """Split 70/15/15 at random and encode by hand."""
    columns = {n: Column(n, "number" if d.is_numeric() else "category") for n, d in frame.schema.items()}
    columns["answer"] = Column("answer", columns["answer"].type, "target")
    table = Table.of(frame, columns)
    order = np.random.default_rng(seed).permutation(len(table))
    cuts = [int(r * len(order)) for r in rows]
    learning, validation, test = (table.take(np.sort(o)) for o in np.split(order, cuts))
    kind: Any = Family("aim.tasks").find(task)
    goal = Goal.of(task, kind().fit(learning["answer"]))
    greater = Family[Any]("aim.metrics").build(metric, "metric").greater
    aim = Aim("answer", task, metric, greater, tuple(dict.fromkeys((metric, *kind.metrics))))
    encoders = {form: _encoder(learning, form) for form in ("levels", "vector")}
    train, held = (_encode(encoders, t, goal) for t in (learning, validation))
    return Case(learning, validation, test, goal, aim, learning.inputs, encoders, train, held)


def _encode(encoders: dict[str, Encoder], table: Table, goal: Goal) -> dict[str, Encoded]:
    arrays, target = goal.arrays(table), goal.truth(table)
    return {f: e.encoded(arrays, target=target, classes=len(goal.task.classes)) for f, e in encoders.items()}


def _encoder(table: Table, form: Any) -> Encoder:
    features = []
    for name in table.inputs:
        column = table[name]
        if column.dtype == pl.String:
            known = sorted(column.drop_nulls().unique().to_list())
            if form == "levels":
                codes = Lookup(table={v: float(i) for i, v in enumerate(known)})
                features.append(Feature(name, (name,), (codes,), len(known)))
            else:
                names = tuple(f"{name}={v}" for v in [*known, "other"])
                features.append(Feature(name, names, (OneHot(categories=tuple(known)),)))
        elif form == "levels":
            features.append(Feature(name, (name,), ()))
        else:
            center, spread = float(column.mean()), float(column.std()) or 1.0
            features.append(Feature(name, (name,), (Fill(value=center), Scale(center=center, scale=spread))))
    return Encoder(form, tuple(features))
