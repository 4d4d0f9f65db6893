"""Checks that every export format passes, ours and a stranger's, and a whole example to ship."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.door import read_column, typed
from thirtyfold.core.encoder import Encoder
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Form, Signal
from thirtyfold.core.package import Package
from thirtyfold.core.profile import Profile
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.table import ROW, Column, Table, to_array
from thirtyfold.core.task import Task

__all__ = ["Example", "check_format", "example", "unusual_rows"]

COLUMNS = (
    Column("age", "number", markers=("-999",)),
    Column("income", "number"),
    Column("city", "category", markers=("?",), spellings={"JHB": "Johannesburg", "johannesburg": "Johannesburg"}),
    Column("member", "boolean"),
    Column("note", "text"),
    Column("joined", "moment"),
    Column("bought", "category", role="target"),
)
DERIVED = (("rate", "income / (age + 1)"), ("weekend", "weekday(joined) >= 5"), ("unknown", "missing(city)"))


@dataclass(frozen=True)
class Example:
    """A small table of every kind of column, split, with a Package that was learned from it."""

    collected: Table
    table: Table
    learning: Table
    validation: Table
    test: Sealed
    aim: Aim
    goal: Goal
    profile: Profile
    package: Package


def raw_frame(rows: int = 900, seed: int = 5, target: str = "classes") -> pl.DataFrame:
    """Raw text as in a file: markers, other spellings, empty cells. ``target`` is ``classes`` or ``value``."""
    rng = np.random.default_rng(seed)
    age, income = rng.integers(18, 80, rows), np.round(np.exp(rng.normal(10, 0.7, rows)), 2)
    city = rng.choice(["Johannesburg", "JHB", "johannesburg", "Durban", "Cape Town", "?"], rows)
    day = rng.integers(17_000, 19_000, rows)
    seconds = rng.integers(0, 86_400, rows)
    words = rng.choice(["late payment", "paid on time", "call back", "late again", ""], rows)
    home = np.isin(city, ["Johannesburg", "JHB", "johannesburg"])
    score = 0.06 * (age - 45) + 1.1 * (np.log(income) - 10) + home + 0.8 * np.char.startswith(words, "late")
    score = score + 0.5 * rng.normal(size=rows)
    gone = rng.random((rows, 3)) < 0.06
    bought: Any = np.round(100 + 20 * score, 3).astype(str) if target == "value" else np.where(score > 0.6, "yes", "no")
    stamps = day.astype("datetime64[D]").astype("datetime64[s]") + seconds.astype("timedelta64[s]")
    return pl.DataFrame(
        {
            "age": np.where(gone[:, 0], "-999", age.astype(str)),
            "income": np.where(gone[:, 1], "", income.astype(str)),
            "city": city,
            "member": rng.choice(["yes", "no"], rows),
            "note": words,
            "joined": np.where(gone[:, 2], "", np.datetime_as_string(stamps)),
            "bought": bought,
        }
    )


@cache
def example(model: str = "boosting", target: str = "classes", rows: int = 900) -> Example:
    """Learn an example with this word of learn/models (``word`` or ``word:form``) and its defaults."""
    word, _, wanted = model.partition(":")
    collected = Table.of(raw_frame(rows, target=target))
    kind = "number" if target == "value" else "category"
    columns = {c.name: c if c.role == "input" else Column(c.name, kind, "target") for c in COLUMNS}
    typed_columns = [read_column(c, collected[n])[0] for n, c in columns.items()]
    table = Table(pl.DataFrame([*typed_columns, collected.frame[ROW]]), columns)
    order = np.random.default_rng(1).permutation(rows)
    learning, validation, test = (table.take(np.sort(p)) for p in np.split(order, [rows * 6 // 10, rows * 8 // 10]))
    goal = _goal(table, target)
    aim = _aim(goal, "bought")
    member: Any = Family("learn.models").find(word, "model")
    form: Any = wanted or member.forms[0]
    encoder = _encoder(learning, goal, form)
    truth = {"classes": len(goal.task.classes)}
    parts = [encoder.encoded(Goal.arrays(t), target=goal.truth(t), **truth) for t in (learning, validation)]
    learned = member(**_few(word))
    learned.fit(parts[0], parts[1], Quiet(seed=3))
    profile = Profile(len(learning), {n: typed(columns[n]).profile(n, learning[n]) for n in table.inputs})
    package = Package.build(
        "example",
        columns=[columns[n] for n in table.inputs],
        encoder=encoder,
        model=(word, learned),
        task=(goal.word, goal.task),
        profile=profile,
        lineage={"rows": rows},
    )
    return Example(collected, table, learning, validation, Sealed(test), aim, goal, profile, package)


def _few(word: str) -> dict[str, Any]:
    return {"boosting": {"rounds": 40}, "forest": {"trees": 30}, "mlp": {"epochs": 5}}.get(word, {})


def _goal(table: Table, target: str) -> Goal:
    word = "regression" if target == "value" else "classification"
    found: Any = Family[Task]("aim.tasks").find(word, "task")
    return Goal.of(word, found().fit(table["bought"]))


def _aim(goal: Goal, target: str) -> Aim:
    metric = goal.task.metrics[0]
    member: Any = Family("aim.metrics").find(metric, "metric")
    return Aim(target, goal.word, metric, member.greater, goal.task.metrics)


def _encoder(learning: Table, goal: Goal, form: Form) -> Encoder:
    signal = Signal(goal.truth(learning), len(goal.task.classes), np.arange(len(learning)) % 5)
    features = [
        f
        for n in learning.inputs
        for f in typed(learning.columns[n]).fit(n, to_array(learning[n]), form, signal).features
    ]
    arrays = Encoder(form, (), DERIVED).derive(Goal.arrays(learning))
    for name, _ in DERIVED:
        features += typed(Column(name, "number")).fit(name, arrays[name], form, signal).features
    return Encoder(form, tuple(features), DERIVED)


def unusual_rows() -> list[dict[str, Any]]:
    """Rows as a client may send them: missing values, categories never seen, numbers far off."""
    row = {"age": 41, "income": 30_000.5, "city": "Durban", "member": True, "note": "late", "joined": "2021-02-28"}
    none = dict.fromkeys(row)
    return [
        row,
        none,
        {**row, "city": "Atlantis", "age": None},
        {**row, "income": -1e12, "note": "日本 payment_on-time"},
        {**row, "city": "JHB", "joined": "1969-12-31T23:59:59", "member": "no"},
        {**none, "age": 1e9, "note": ""},
    ]


def check_format(member: Any, *, models: tuple[str, ...] = ("boosting",), tolerance: float = 1e-5) -> None:
    """Export examples: the same answers as in Python on test rows and unusual rows, the same bytes again."""
    for target in ("classes", "value"):
        for model in models:
            given = example(model, target)
            form, name = member(), f"{member.__name__} ({model}, {target})"
            data = form.write(given.package)
            assert isinstance(data, bytes) and data, f"{name}: write must return the file as bytes"
            assert form.write(given.package) == data, f"{name}: the same Package gave other bytes"
            unusual = given.package.door.rows(unusual_rows())
            for columns in (unusual, given.package.arrays(given.test.table), _first(unusual)):
                _compare(name, form.answers(data, given.package, columns), given.package, columns, tolerance)


def _first(columns: dict[str, Any]) -> dict[str, Any]:
    return {n: x[:1] for n, x in columns.items()}


def _compare(name: str, found: pl.DataFrame, package: Package, columns: dict[str, Any], tolerance: float) -> None:
    wanted = package.task.decode(package.raw(columns), columns)
    assert found.columns == wanted.columns, f"{name}: gave columns {found.columns}, Python {wanted.columns}"
    assert found.height == wanted.height, f"{name}: gave {found.height} rows, Python {wanted.height}"
    for column in wanted.columns:
        a, b = found[column], wanted[column]
        if b.dtype.is_float():
            spread = 1.0 if package.task.classes else max(1.0, float(np.std(b.to_numpy())))
            scale = np.maximum(spread, np.abs(b.to_numpy()))
            off = float(np.max(np.abs(a.to_numpy() - b.to_numpy()) / scale))
            assert off <= tolerance, f"{name}: '{column}' differs from Python by {off:g}"
        else:
            wrong = int((a != b).sum())
            assert not wrong, f"{name}: '{column}' differs from Python in {wrong} of {len(b)} rows"
