"""Monitors and triggers through their conformance suites; false alarms and power; the stage; the live API."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.traffic import Answered, Failed, Feedback, Traffic
from thirtyfold.testing.formats import example, raw_frame
from thirtyfold.testing.monitors import check_monitor, scored
from thirtyfold.testing.triggers import check_trigger
from thirtyfold.watch.live import Live, wilson
from thirtyfold.watch.monitor import Monitor, check
from thirtyfold.watch.monitors.drift import Drift

MONITORS, TRIGGERS = Family("watch.monitors"), Family("watch.triggers")
SPEC = Spec.of({"target": "bought", "collect": "x.csv"})


@pytest.mark.parametrize("word", MONITORS.words())
def test_monitor(word: str) -> None:
    check_monitor(word)


@pytest.mark.parametrize("word", TRIGGERS.words())
def test_trigger(word: str) -> None:
    check_trigger(TRIGGERS.find(word))


def fresh(rows: int, seed: int) -> dict[str, Any]:
    """New rows from the very source that the example was learned from."""
    package = example("boosting", rows=3000).package
    table, faults = package.door.table(raw_frame(rows, seed).drop("bought"))
    assert not faults
    return package.arrays(table)


def live_of(columns: dict[str, Any]) -> Live:
    rows = len(columns["age"])
    answers = pl.DataFrame({"id": [f"{i}-0" for i in range(rows)], "time": np.zeros(rows), "latency_ms": np.ones(rows)})
    return Live(answers, pl.DataFrame(), pl.DataFrame(), rows, 0.0, columns)


def alarms(monitor: Drift, columns: list[dict[str, Any]]) -> int:
    package = example("boosting", rows=3000).package
    state = monitor.calibrate(package)
    return sum(not monitor.look(package, state, live_of(c))[0].passed for c in columns)


@pytest.mark.parametrize(("rows", "rate"), [(500, 0.01), (200, 0.04)])
@pytest.mark.step(30)
def test_noise_raises_no_more_alarms_than_were_allowed(rows: int, rate: float) -> None:
    """200 windows of fresh rows of the same source; at most 5 % may alarm."""
    pool = fresh(rows * 200, seed=99)
    windows = [{n: x[i * rows : (i + 1) * rows] for n, x in pool.items()} for i in range(200)]
    count = alarms(Drift(rows=rows, false_alarms=rate), windows)
    assert count <= 10
    assert binomtest(count, 200, rate, alternative="greater").pvalue > 0.01, (
        f"{count} alarms where {rate:.0%} were allowed"
    )


@pytest.mark.parametrize("column", ["age", "income", "city", "member", "note", "joined"])
@pytest.mark.step(30)
def test_a_real_change_of_any_column_is_noticed(column: str) -> None:
    """Half a standard deviation, or a fifth of the texts replaced by a value that was there before or was not."""
    found = []
    for seed in range(10):
        columns = fresh(500, seed=1000 + seed)
        moved = columns[column].copy()
        if moved.dtype == object:
            moved[:100] = (
                "Atlantis" if seed % 2 else ("Durban" if column == "city" else "a much longer note than any before")
            )
        elif column == "member":
            moved[:180] = 1.0
        else:
            moved = moved + 0.5 * np.nanstd(moved)
        found.append({**columns, column: moved})
    assert alarms(Drift(), found) >= 9


@pytest.mark.step(30)
def test_values_that_go_missing_are_noticed() -> None:
    columns = fresh(500, seed=7)
    columns["income"] = np.where(np.arange(500) % 4 == 0, np.nan, columns["income"])
    package = example("boosting", rows=3000).package
    verdict = Drift().look(package, Drift().calibrate(package), live_of(columns))[0]
    assert verdict.evidence["moved"] == ["income"]


def test_a_window_is_looked_at_whole_and_does_not_move() -> None:
    columns = fresh(700, seed=8)
    live = live_of(columns)
    assert live.window(500) == slice(0, 500)
    assert live_of({n: x[:499] for n, x in columns.items()}).window(500) is None


def test_wilson() -> None:
    """Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.step(30)
def test_the_stage_leaves_numbers_and_pictures() -> None:
    given = example("boosting", rows=3000)
    done = Monitor(SPEC).run(
        scored(given), given.profile, given.learning, given.validation, given.test, given.aim, Quiet()
    )
    evidence = done.evidence[0]
    assert evidence.step == 30
    assert set(done.watching["false_alarms"]) == {"drift", "accuracy", "latency", "failures"}
    assert all(n["alarm"] for n in done.watching["noticed"].values())
    assert evidence.numbers["power"]["1.0"] == 1.0
    assert len(evidence.pictures) == 2
    assert json.loads(json.dumps(done.watching)) == done.watching
    again = Monitor(SPEC).run(
        scored(given), given.profile, given.learning, given.validation, given.test, given.aim, Quiet()
    )
    assert again == done


@pytest.mark.parametrize("target", ["classes", "value"])
def test_the_stage_works_for_every_task(target: str) -> None:
    given = example("boosting", target)
    done = Monitor(SPEC).run(
        scored(given), given.profile, given.learning, given.validation, given.test, given.aim, Quiet()
    )
    assert done.watching["noticed"]["drift"]["alarm"]


def served(folder: Path, rows: list[dict[str, Any]], truths: list[Any], *, latency: float = 2.0) -> Traffic:
    package = scored(example("boosting", rows=3000))
    traffic = Traffic(folder / "traffic.sqlite").prepare()
    answers = package.predict_rows(rows)
    traffic.write([Answered(f"r{i}", 1000.0 + i, package.hash, [r], [a], latency) for i, (r, a) in
                   enumerate(zip(rows, answers, strict=True))])  # fmt: skip
    with traffic.connect() as db:
        for i, truth in enumerate(truths):
            traffic.put_feedback(db, Feedback(f"r{i}-0", 5000.0, truth))
    return traffic


@pytest.mark.step(30)
def test_live_traffic_of_the_same_kind_is_quiet(tmp_path: Path) -> None:
    frame = raw_frame(600, seed=31)
    traffic = served(tmp_path, frame.drop("bought").to_dicts(), frame["bought"].to_list())
    said = {v.name: v for v in check(scored(example("boosting", rows=3000)), traffic, SPEC, 1e9)}
    assert set(said) == {"drift", "accuracy", "latency", "failures.failed", "failures.refused"}
    assert all(v.passed for v in said.values()), [v.why for v in said.values() if not v.passed]
    assert said["accuracy"].evidence["labels"] == 600
    assert said["latency"].value == 2.0


@pytest.mark.step(30)
def test_live_traffic_that_changed_raises_alarms(tmp_path: Path) -> None:
    frame = raw_frame(600, seed=31).with_columns(city=pl.lit("Durban"))
    wrong = ["no" if b == "yes" else "yes" for b in frame["bought"].to_list()]
    traffic = served(tmp_path, frame.drop("bought").to_dicts(), wrong, latency=500.0)
    package = scored(example("boosting", rows=3000))
    traffic.write(failed=[Failed(1200.0, package.hash, 500, "broken") for _ in range(100)])
    said = {v.name: v for v in check(package, traffic, SPEC, 1700.0)}
    assert {n for n, v in said.items() if not v.passed} == {"drift", "latency", "failures.failed"}
    said = {v.name: v for v in check(package, traffic, SPEC, 1e9)}
    assert not said["accuracy"].passed
    assert "city" in said["drift"].evidence["moved"]
