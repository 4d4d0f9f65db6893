"""The face in Python: ``run``, ``check`` and ``load``, as often as they are called."""

import sys
from pathlib import Path

import polars as pl
import pytest

import thirtyfold
from thirtyfold.core.errors import SpecError

FRAME = pl.DataFrame({"a": [float(i % 17) for i in range(60)], "b": ["x", "y", "z"] * 20, "t": ["no", "yes"] * 30})


@pytest.mark.step(4)
def test_run_is_a_function_each_time(tmp_path: Path) -> None:
    """The module of the same name must not take its place once it is imported."""
    import thirtyfold.run

    spec = {"target": "t", "model": "tree", "compress": None}
    for _ in range(2):
        outcome = thirtyfold.run(spec, FRAME, home=tmp_path, until="collect")
        steps = outcome.summary["steps"]
        assert {s["status"] for s in steps[5:]} == {"not_applicable"} and "not reached" in steps[29]["why"]
    assert thirtyfold.run is sys.modules["thirtyfold.face"].run


@pytest.mark.step(4)
@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "arrow", "mapping", "rows"])
def test_any_frame_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    frames = {
        "polars": FRAME,
        "lazy": FRAME.lazy(),
        "pandas": FRAME.to_pandas(),
        "arrow": FRAME.to_arrow(),
        "mapping": FRAME.to_dict(as_series=False),
        "rows": FRAME.to_dicts(),
    }
    outcome = thirtyfold.run({"target": "t"}, frames[kind], home=tmp_path, until="collect")
    told = next(s for s in outcome.summary["steps"] if s["number"] == 4)
    assert "60 rows of 3 columns" in told["why"]


def test_spans_and_periods_of_pandas_are_learned_from_and_predicted_on(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = FRAME.to_pandas()
    frame["span"] = pandas.to_timedelta(frame["a"] + 0.5, unit="D")
    frame["month"] = pandas.period_range("2001-01", periods=len(frame), freq="M")
    frame.loc[3, ["span", "month"]] = None
    spec = {"target": "t", "model": "tree", "compress": None, "safety": [], "export": [], "deploy": []}
    outcome = thirtyfold.run(spec, frame, home=tmp_path)
    package = thirtyfold.load(outcome.summary["package"])
    assert {c.name: c.type for c in package.columns if c.name != "b"} == {
        "a": "number",
        "span": "number",
        "month": "moment",
    }
    assert package.predict(frame).height == len(frame)
    rows = [{"a": 1.0, "b": "x", "span": 3.5 * 86400, "month": "2001-02"}]
    same = frame.head(1).assign(a=1.0, b="x", span=pandas.Timedelta(days=3.5), month=pandas.Period("2001-02"))
    assert package.predict(same).to_dicts() == package.predict_rows(rows)


def test_faults_of_a_spec_are_told_before_anything_runs(tmp_path: Path) -> None:
    """Against the columns of the frame that was given, all at once."""
    spec = {"target": "tt", "roles": {"time": "when"}, "safety": [{"fairness": {"by": ["sex"]}}], "model": "tre"}
    with pytest.raises(SpecError) as caught:
        thirtyfold.run(spec, FRAME, home=tmp_path)
    assert {"target", "roles.time", "safety.0.fairness.by", "model"} <= {f.where for f in caught.value.faults}
    assert not (tmp_path / "runs").exists()
