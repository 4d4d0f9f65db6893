"""Checks that every audit passes, ours and a stranger's: ``check_audit(word)``."""

from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.encoder import Encoder
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Feature, Signal
from thirtyfold.core.learned import Score, Trained, Winner
from thirtyfold.core.model import Candidate
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import Column, Table, to_array
from thirtyfold.core.transform import Fill, Scale
from thirtyfold.prove.audit import Audit, Case, Finding

__all__ = ["check_audit", "example_case"]


def check_audit(choice: Any) -> Finding:
    """An audit answers an ordinary case with a number and a reason, the same twice, and changes nothing it was given.

    ``choice`` is a word or ``{word: options}``. Returns what was found. Raises AssertionError that says what is wrong.
    """
    case = example_case()
    before = case.package.hash
    audit: Audit = Family[Audit]("prove.audits").build(choice, "safety")
    finding = audit.ask(case, Quiet())
    word = choice if isinstance(choice, str) else next(iter(choice))
    assert finding.verdict.name == f"safety.{word}", f"the verdict is named {finding.verdict.name}"
    assert finding.verdict.why, "the verdict gives no reason"
    assert not finding.applicable or finding.verdict.value is not None, "an applicable audit answers with a number"
    assert case.package.hash == before, "the audit changed the Package it was given"
    again = audit.ask(case, Quiet())
    assert again.verdict == finding.verdict, "asked twice, the audit answers differently"
    return finding


def example_case(rows: int = 900, seed: int = 3) -> Case:
    """A linear Package on made rows: two numbers and a ``sex`` that the target leans on."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], rows)
    age, hours = rng.normal(40, 12, rows), rng.normal(38, 9, rows)
    score = 0.05 * (age - 40) + 0.06 * (hours - 38) + 1.2 * (sex == "male") - 0.9 + rng.logistic(0, 0.7, rows)
    frame = pl.DataFrame({"age": age, "hours": hours, "sex": sex, "high": np.where(score > 0, "yes", "no")})
    columns = {
        "age": Column("age", "number"),
        "hours": Column("hours", "number"),
        "sex": Column("sex", "category"),
        "high": Column("high", "category", "target"),
    }
    table = Table.of(frame, columns)
    third = rows // 3
    learning, validation, test = (table.take(np.arange(i * third, (i + 1) * third)) for i in range(3))
    return _case(learning, validation, test, seed)


def _case(learning: Table, validation: Table, test: Table, seed: int) -> Case:
    tasks: Any = Family("aim.tasks").find("classification")
    task = tasks().fit(learning["high"])
    truth = task.encode(learning["high"])
    encoder = Encoder("vector", (*_scaled(learning), *_one_hot(learning, truth)))
    arrays = {name: to_array(learning[name]) for name in learning.inputs}
    rows = encoder.encoded(arrays, target=truth, classes=2)
    model: Any = Family("learn.models").build("linear", "model")
    model.fit(rows, None, Quiet())
    inputs = [c for c in learning.columns.values() if c.role == "input"]
    package = Package.build(
        "example", columns=inputs, encoder=encoder, model=("linear", model), task=("classification", task)
    )
    candidate = Candidate("linear", {}, "vector")
    aim = Aim("high", "classification", "roc_auc", greater=True, metrics=("roc_auc", "accuracy"))
    winner = Winner(Trained.of(candidate, model), Score(candidate, {"roc_auc": 0.8}, {"roc_auc": 0.8}))
    assert Goal.of("classification", task).task == task
    return Case(package, learning, validation, test, aim, winner, seed)


def _scaled(table: Table) -> list[Feature]:
    out = []
    for name in ("age", "hours"):
        values = to_array(table[name])
        center, scale = float(values.mean()), float(values.std())
        out.append(Feature(name, (name,), (Fill(value=center), Scale(center=center, scale=scale))))
    return out


def _one_hot(table: Table, truth: Any) -> tuple[Feature, ...]:
    kind: Any = Family("data.types").build("category", "fields.sex")
    signal = Signal(truth, 2, np.arange(len(table)) % 5)
    features: tuple[Feature, ...] = kind.fit("sex", to_array(table["sex"]), "vector", signal).features
    return features
