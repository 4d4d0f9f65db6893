"""A forecast from one Spec to a model in service: run, predict, serve, watch, and the mistakes that people make."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import thirtyfold
from thirtyfold.cli import main
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec
from thirtyfold.cycle import go_round

QUICK = {"model": "linear", "safety": [], "compress": None}


@pytest.fixture(scope="module")
def air(mirror, tmp_path_factory):
    """Air passengers, 1949 to 1960, a year ahead."""
    path = mirror / "timeseries_classics" / "airline-passengers.csv"
    spec = {"name": "air", "target": "Passengers", "collect": str(path), **QUICK}
    spec["task"] = {"forecasting": {"horizon": 12}}
    return path, thirtyfold.run(spec, home=tmp_path_factory.mktemp("air"))


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """Two shops that sell half as much again where the price, known ahead, is low; how warm it is, is not known."""
    rng = np.random.default_rng(0)
    parts = []
    for name, level in (("north", 40.0), ("south", 400.0)):
        day, price = np.arange(300), rng.choice([1.0, 2.0], 300)
        sales = level * (1 + 0.4 * np.sin(2 * np.pi * day / 7)) * np.where(price < 1.5, 1.5, 1.0)
        moments = pl.Series("day", day * 86_400_000_000).cast(pl.Datetime("us")).dt.date().cast(pl.String)
        noisy = sales * rng.lognormal(0, 0.05, 300)
        columns = {"day": moments, "shop": [name] * 300, "price": price, "warmth": rng.normal(15, 5, 300)}
        parts.append(pl.DataFrame(columns).with_columns(pl.Series("sales", noisy)))
    frame = pl.concat(parts)
    task = {"forecasting": {"horizon": 5, "known": ["price"]}}
    roles = {"time": "day", "group": "shop"}
    fields = {"price": "number"}
    spec = {"name": "shops", "target": "sales", "task": task, "roles": roles, "fields": fields, **QUICK}
    return frame, thirtyfold.run({**spec, "monitor": ["accuracy"]}, frame, home=tmp_path_factory.mktemp("shops"))


@pytest.mark.step(10, 21, 25, 29)
def test_a_run_beats_the_naive_forecast_and_says_so(air):
    _, outcome = air
    gates = {g["name"]: g for g in outcome.summary["gates"]}
    assert outcome.summary["status"] == "done", gates
    assert gates["better_than_naive"]["passed"] and "on the same windows" in gates["better_than_naive"]["why"]
    assert gates["export"]["passed"] and "http (132 rows)" in gates["export"]["why"]
    assert [s["number"] for s in outcome.summary["steps"]] == list(range(1, 31))
    evidence = json.loads((outcome.folder / "evidence.json").read_text())
    split, test = evidence["split"][0]["numbers"], evidence["test"][0]
    assert (split["frequency"], split["season"], split["cuts"][1]) == ("month", 12, "1959-03-01 00:00:00")
    assert len(test["numbers"]["forecasts"]["mae_by_step"]["model"]) == 12
    assert 0.5 < test["numbers"]["forecasts"]["coverage"] <= 1
    assert any("as foretold at" in p["title"] for p in test["pictures"])


@pytest.mark.step(29)
def test_predict_and_serve_give_the_same_next_year(air, served, capsys):
    import httpx

    path, outcome = air
    assert main(["predict", str(outcome.folder / "package"), str(path)]) == 0
    told = pl.read_csv(capsys.readouterr().out.encode())
    assert told["Month"][0].startswith("1961-01-01") and told["step"].to_list() == list(range(1, 13))
    assert (told["low"] < told["prediction"]).all() and (told["prediction"] < told["high"]).all()
    address = served(outcome.package)
    rows = pl.read_csv(path).to_dicts()
    reply = httpx.post(f"{address}/predict", json={"rows": rows}).json()
    assert [p["prediction"] for p in reply["predictions"]] == pytest.approx(told["prediction"].to_list())
    assert httpx.post(f"{address}/feedback", json={"id": f"{reply['id']}-3", "truth": 460}).status_code == 201
    for wrong, said in (
        (rows[:5], "history of 5 known values of 'Passengers'; 12 are needed"),
        ([*rows, rows[-1]], "1960-12-01 is given twice"),
        ([{**rows[0], "Month": None}, *rows], "is missing"),
        ([{**rows[0], "Passengers": "many"}, *rows[1:]], "many"),
        ([{"Month": "1949-01"}, *rows], "this field is missing"),
    ):
        refused = httpx.post(f"{address}/predict", json={"rows": wrong})
        assert refused.status_code == 422 and said in refused.text, refused.text


@pytest.mark.step(29)
def test_a_person_pastes_a_history_into_the_playground(air, served, browser):
    path, outcome = air
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(served(outcome.package))
    page.wait_for_selector("#history")
    page.fill("#history", path.read_text().replace("\r", ""))
    page.click("form button:has-text('Predict')")
    page.wait_for_selector("#answer table")
    assert page.locator("#answer tr").count() == 13 and "1961-01-01" in page.inner_text("#answer table")
    assert page.locator("#answer svg polygon").count() == 2
    page.click("#example")
    page.click("form button:has-text('Predict')")
    page.wait_for_selector("#answer table")
    page.fill("#history", "Month,Passengers\n1949-01,112")
    page.click("form button:has-text('Predict')")
    page.wait_for_selector("#answer .why")
    assert "12 are needed" in page.inner_text("#answer")
    assert not problems
    page.close()


@pytest.mark.step(12, 25)
def test_what_is_known_in_advance_is_used_for_each_series(shops):
    frame, outcome = shops
    assert outcome.summary["status"] == "done", outcome.summary["gates"]
    days = [f"1970-10-{d}" for d in (28, 29, 30, 31)] + ["1970-11-01"]
    dear, cheap = (
        pl.DataFrame({"day": days * 2, "shop": ["north"] * 5 + ["south"] * 5, "price": [price] * 10})
        for price in (2.0, 1.0)
    )
    answers = [
        outcome.package.predict(pl.concat([frame, future], how="diagonal")).group_by("shop").agg(pl.mean("prediction"))
        for future in (dear, cheap)
    ]
    low, high = (a.sort("shop")["prediction"].to_numpy() for a in answers)
    assert high / low == pytest.approx([1.5, 1.5], rel=0.12)
    usual = 1 + 0.4 * np.sin(2 * np.pi * np.arange(300, 305) / 7).mean()
    assert low == pytest.approx([40 * usual, 400 * usual], rel=0.15)
    with pytest.raises(DataError, match=r"'south': price must be told for the 5 times after 1970-10-27"):
        outcome.package.predict(pl.concat([frame, dear.head(5)], how="diagonal"))


@pytest.mark.step(29)
def test_one_series_that_cannot_be_answered_leaves_the_others_their_answer(shops, tmp_path, capsys):
    frame, outcome = shops
    days = [f"1970-10-{d}" for d in (28, 29, 30, 31)] + ["1970-11-01"]
    future = pl.DataFrame({"day": days, "shop": ["north"] * 5, "price": [1.0] * 5})
    pl.concat([frame, future], how="diagonal").write_csv(tmp_path / "history.csv")
    assert main(["predict", str(outcome.folder / "package"), str(tmp_path / "history.csv")]) == 2
    said = capsys.readouterr()
    assert pl.read_csv(said.out.encode())["shop"].to_list() == ["north"] * 5
    assert "'south': price must be told" in said.err


@pytest.mark.slow
@pytest.mark.step(30)
def test_new_days_are_learned_and_compared_on_the_same_windows(tmp_path):
    day = np.arange(600)
    moments = pl.Series("day", day * 86_400_000_000).cast(pl.Datetime("us")).dt.date().cast(pl.String)
    noise = np.random.default_rng(0).normal(0, 4, 600)
    whole = pl.DataFrame([moments, pl.Series("load", 50 + 20 * np.sin(2 * np.pi * day / 7) + noise)])
    source, home = tmp_path / "days.csv", Home(tmp_path / "home")
    whole.head(400).write_csv(source)
    spec = {"name": "days", "target": "load", "collect": str(source), "task": {"forecasting": {"horizon": 3}}}
    spec |= {**QUICK, "retrain": {"when": [{"arrivals": 100}]}, "monitor": ["accuracy"]}
    assert go_round(Spec.of(spec), home, lambda: 1.0).action == "promoted"
    whole.write_csv(source)
    looked = go_round(Spec.of(spec), home, lambda: 2.0)
    assert looked.action in ("promoted", "not_better") and "on the same" in looked.why, looked.why


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": {"forecasting": {"horizon": 0}}}, "horizon"),
        ({"task": {"forecasting": {"horizn": 12}}}, "Did you mean 'horizon'"),
        ({"task": {"forecasting": {"known": ["price"]}}}, "the data has no column 'price'"),
        ({"task": {"forecast": {"horizon": 12}}}, "Did you mean 'forecasting'"),
        ({"metric": "accuracy"}, "'accuracy' is for classification"),
        ({"split": {"how": "random"}}, "a forecast is tested on what comes later"),
        ({"task": {"forecasting": {"horizon": 100}}}, "the data has 144"),
        ({"roles": {"time": "Passengers"}, "target": "Month"}, "is a time, and forecasting needs numbers"),
        ({"roles": {"time": "Moth"}}, "the data has no column 'Moth'"),
        ({"fields": {"Month": "category"}}, "no column holds times"),
    ],
)
@pytest.mark.step(1, 3)
def test_mistakes_get_one_clear_message(mirror, tmp_path, changed, said):
    path = Path(mirror) / "timeseries_classics" / "airline-passengers.csv"
    spec = {"target": "Passengers", "collect": str(path), "task": {"forecasting": {"horizon": 12}}, **QUICK}
    with pytest.raises((SpecError, DataError), match=said):
        thirtyfold.run({**spec, **changed}, home=tmp_path, until="split")
