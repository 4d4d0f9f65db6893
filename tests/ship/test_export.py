"""The stage Export: everything is written, every way answers the same, and a difference is refused."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest

from thirtyfold.core import tested as scores
from thirtyfold.core.errors import SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.ship import export as stage
from thirtyfold.ship.export import Export, Exported
from thirtyfold.ship.formats.onnx import Onnx
from thirtyfold.testing.formats import Example, example

LEDGER = pl.DataFrame(
    {
        "row": [1],
        "column": ["city"],
        "before": ["JHB"],
        "after": ["Johannesburg"],
        "rule": ["spelling"],
        "confidence": [1.0],
    }
).with_columns(accepted=True)


def scored(given: Example) -> scores.Tested:
    metric = given.aim.metric
    return scores.Tested(given.package.hash, metric, 180, 1, {metric: 0.9}, {metric: 0.91}, (0.85, 0.94), 0.5)


def run(given: Example, package: Package | None = None, **spec: Any) -> Exported:
    made = Export(Spec.of({"target": "bought", "collect": "x.csv", "goal": "Find buyers.", "users": "Sales.", **spec}))
    lineage = {"address": "x.csv", "rows": 900, "sha256": "ab" * 32, "bytes": 12345}
    return made.run(
        package or given.package, given.collected, given.test, given.aim, scored(given), lineage, LEDGER, Quiet()
    )


@pytest.mark.parametrize("target", ["classes", "value"])
@pytest.mark.step(29)
def test_every_way_gives_the_same_answers(target: str) -> None:
    given = example("boosting", target)
    done = run(given)
    assert done.proof.passed, done.proof.why
    assert done.proof.package == given.package.hash == done.exported.hash
    ways = done.proof.evidence["ways"]
    assert {w: n["rows"] for w, n in ways.items()} == {"training": 180, "onnx": 180, "http": 180}
    assert done.evidence[0].step == 29
    assert done.evidence[0].status == "done"


def test_what_is_written_can_be_used_alone() -> None:
    done = run(example())
    files = done.exported.files
    told = json.loads(files["example.json"])
    assert done.exported.predict_rows([told["row"]]) == [told["answer"]]
    session = onnxruntime.InferenceSession(files["exports/model.onnx"])
    kinds = {i.name: i.type for i in session.get_inputs()}
    feed = {n: np.array([[""]], dtype=object) if "string" in k else np.array([[np.nan]]) for n, k in kinds.items()}
    assert session.run(["label"], feed)[0][0, 0] in ("yes", "no")
    text = files["card.md"].decode()
    for part in (
        "Find buyers.",
        "Sales.",
        "0.9000",
        "95 % interval 0.85 to 0.94",
        "x.csv",
        "ab" * 32,
        "spelling: 1 cells",
        "curl",
    ):
        assert part in text, part
    assert json.loads(files["metrics.json"])["interval"] == [0.85, 0.94]


def test_the_same_package_is_exported_to_the_same_bytes() -> None:
    assert run(example()).exported.save() == run(example()).exported.save()


@pytest.mark.step(29)
def test_a_format_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Onnx.answers

    def wrong(self: Onnx, *rest: Any) -> pl.DataFrame:
        frame = right(self, *rest)
        return frame.with_columns(probability_yes=frame["probability_yes"].scatter(3, 0.5))

    monkeypatch.setattr(Onnx, "answers", wrong)
    done = run(example())
    assert not done.proof.passed
    assert "onnx differs in 1 of 180 rows" in done.proof.why
    assert done.evidence[0].status == "refused"
    assert done.proof.evidence["differing"][0]["row"] == int(example().test.table.rows[3])


@pytest.mark.step(29)
def test_a_package_that_serves_otherwise_than_it_was_trained_is_refused() -> None:
    """The door reads JHB as Durban: not what the rows were cleaned to."""
    given = example()
    columns = [replace(c, spellings={"JHB": "Durban"}) if c.name == "city" else c for c in given.package.columns]
    other = Package.build(
        "example",
        columns=columns,
        encoder=given.package.encoder,
        model=("boosting", given.package.model),
        task=("classification", given.package.task),
        profile=given.profile,
    )
    done = run(given, other)
    assert not done.proof.passed
    assert done.proof.why.startswith("training differs in")


def test_a_formula_that_onnx_cannot_say_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(self: Onnx, package: Package) -> bytes:
        raise SpecError("'s > t' cannot be computed with text in ONNX.")

    monkeypatch.setattr(Onnx, "write", cannot)
    done = run(example())
    assert not done.proof.passed
    assert "cannot be computed" in done.proof.why


def test_limits_are_measured_and_gate() -> None:
    done = run(example(), limits={"latency_ms": 1000.0, "size_mb": 0.001, "memory_mb": 4000.0})
    found = {v.name: v for v in done.limits}
    assert found["limits.latency_ms"].passed
    assert not found["limits.size_mb"].passed
    assert found["limits.size_mb"].value == pytest.approx(example().package.size / 1e6)
    assert 50 < (found["limits.memory_mb"].value or 0) < 4000
    assert "Beyond the limits" in done.evidence[0].why


def test_rows_that_the_door_refuses_are_left_out() -> None:
    given = example()
    first = int(given.test.table.rows[0])
    frame = given.collected.frame.with_columns(age=given.collected.frame["age"].scatter(first, "old"))
    done = run(replace(given, collected=replace(given.collected, frame=frame)))
    assert done.proof.passed
    assert done.evidence[0].numbers["left_out"] == 1


def test_rows_are_taken_evenly_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "MOST", 50)
    monkeypatch.setattr(stage, "OVER_HTTP", 7)
    done = run(example())
    assert {w: n["rows"] for w, n in done.proof.evidence["ways"].items()} == {"training": 50, "onnx": 50, "http": 7}
