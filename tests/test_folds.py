"""Nested cross-validation: each row is tested on once, by a model that never saw it."""

import json
from pathlib import Path

import numpy as np
import pytest

from thirtyfold.cli import main
from thirtyfold.core.errors import SpecError
from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec
from thirtyfold.folds import cross_validate


def spec(**more: object) -> Spec:
    return Spec.of({"target": "target", "collect": {"sklearn": "iris"}, "model": "linear", **more})


@pytest.mark.step(10, 25)
def test_every_row_is_tested_on_once(tmp_path: Path) -> None:
    import polars as pl

    folded = cross_validate(spec(metric="accuracy"), Home(tmp_path), 5)
    parts = [pl.read_parquet(tmp_path / "runs" / f["run"] / "splits.parquet") for f in folded.folds]
    tested = [r for p in parts for r in p.filter(pl.col("part") == "test")["row"].to_list()]
    assert sorted(tested) == sorted(set(tested)) and len(tested) == 150
    values = [f["scores"]["accuracy"] for f in folded.folds]
    assert folded.mean == pytest.approx(np.mean(values)) and folded.deviation == pytest.approx(np.std(values, ddof=1))
    # t with 4 degrees of freedom is 2.776 at 97.5 %; Nadeau and Bengio's variance is (1/5 + 1/4) s^2
    assert folded.interval[0] == pytest.approx(folded.mean - 2.776 * np.sqrt(0.45) * folded.deviation, abs=1e-4)
    assert folded.interval[1] <= 1.0
    assert folded.mean > 0.9 and not list((tmp_path / "registry").glob("*"))


def test_a_gate_looks_at_the_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    path = tmp_path / "iris.yaml"
    path.write_text("target: target\ncollect: {sklearn: iris}\nmodel: linear\nsuccess: {accuracy: 0.999}\n", "utf-8")
    assert main(["run", str(path), "--folds", "3", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert len(told["folds"]) == 3 and told["failed"][0].startswith("success.accuracy")


@pytest.mark.parametrize(
    ("more", "count", "said"),
    [
        ({}, 2, "3 to 100"),
        ({"split": {"how": "random"}}, 5, "Leave 'split.how' out"),
        ({"roles": {"time": "petal width (cm)"}}, 5, "by lot"),
    ],
)
def test_what_cannot_be_folded_is_said(more: dict, count: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=said):
        cross_validate(spec(**more), Home(tmp_path), count)
