"""Time to go round again; challenger against champion; does the champion hold in service?"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thirtyfold.core.package import Package
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table
from thirtyfold.core.traffic import Answered, Failed, Feedback, Traffic
from thirtyfold.core.verdict import Verdict
from thirtyfold.testing.formats import example, raw_frame
from thirtyfold.watch.retrain import Retrain, compare, decide, live_check

SPEC = Spec.of(
    {"target": "bought", "collect": "x.csv", "retrain": {"when": ["drift", "accuracy_drop", {"new_rows": 40}]}}
)
GIVEN = example("boosting", rows=3000)
GOOD = GIVEN.package
WEAK = example("boosting", rows=300).package
"""Learned from a tenth of the rows."""


@cache
def rows(count: int, seed: int) -> Table:
    """New rows with their truth, from the very source of the example."""
    frame = raw_frame(count, seed)
    table, _ = GOOD.door.table(frame.drop("bought"))
    return table.with_column(frame["bought"], GIVEN.table.columns["bought"])


@pytest.mark.step(30)
def test_what_is_better_beyond_noise_is_promoted() -> None:
    verdict = compare(WEAK, GOOD, rows(2000, 50), GIVEN.aim)
    assert verdict.passed, verdict.why
    assert verdict.package == GOOD.hash
    assert not compare(GOOD, WEAK, rows(2000, 50), GIVEN.aim).passed


def test_the_same_model_is_never_better_than_itself() -> None:
    assert not compare(GOOD, GOOD, rows(500, 51), GIVEN.aim).passed
    assert not compare(WEAK, GOOD, rows(20, 51), GIVEN.aim).passed


def test_rows_of_one_class_cannot_decide() -> None:
    some = rows(500, 51)
    label = str(some[str(some.target)][0])
    alike = some.where((some[str(some.target)] == label).to_numpy())
    verdict = compare(WEAK, GOOD, alike, replace(GIVEN.aim, metric="roc_auc"))
    assert not verdict.passed and "nan" not in verdict.why
    assert (
        f"These {len(alike)} rows cannot decide" in verdict.why
        and f"all of them have the answer '{label}'" in verdict.why
    )
    assert verdict.why.endswith("The challenger is not promoted.")
    json.dumps(verdict.evidence, allow_nan=False)


@pytest.mark.step(30)
def test_noise_is_seldom_taken_for_better() -> None:
    """Two models whose answers differ by noise alone: at 95 % about one in twenty comparisons may pass."""
    rng = np.random.default_rng(0)

    class Shaken:
        def __init__(self, package: Package) -> None:
            self.package, self.task, self.hash = package, package.task, "shaken"

        def arrays(self, table: Table) -> Any:
            return self.package.arrays(table)

        def raw(self, columns: Any) -> Any:
            odds = np.log(self.package.raw(columns)[:, 1] / self.package.raw(columns)[:, 0])
            share = 1 / (1 + np.exp(-(odds + rng.normal(0, 0.3, len(odds)))))
            return np.stack([1 - share, share], axis=1)

    passed, aim = 0, replace(GIVEN.aim, metric="log_loss")
    for seed in range(40):
        first, second = Shaken(GOOD), Shaken(GOOD)
        passed += compare(first, second, rows(300, 100 + seed), aim).passed  # type: ignore[arg-type]
    assert passed <= 6  # P(more than 6 of 40 at 5 %) is 0.3 %


def served(folder: Path, package: Package, count: int = 600, *, seed: int = 60, at: float = 1000.0) -> Traffic:
    frame = raw_frame(count, seed)
    traffic = Traffic(folder / "traffic.sqlite").prepare()
    asked = frame.drop("bought").to_dicts()
    answers = package.predict_rows(asked)
    traffic.write([Answered(f"{package.hash[:6]}{i}", at + i, package.hash, [r], [a], 1.0)
                   for i, (r, a) in enumerate(zip(asked, answers, strict=True))])  # fmt: skip
    with traffic.connect() as db:
        for i, truth in enumerate(frame["bought"].to_list()):
            traffic.put_feedback(db, Feedback(f"{package.hash[:6]}{i}-0", at + 5000, truth))
    return traffic


@pytest.mark.step(30)
def test_a_worse_champion_is_found_out_in_service(tmp_path: Path) -> None:
    traffic = served(tmp_path, WEAK, 1500)
    verdict = live_check(WEAK, GOOD, traffic, GIVEN.aim, since=1000.0, now=1e6)
    assert not verdict.passed
    assert "previous champion is better" in verdict.why


def test_a_good_champion_holds(tmp_path: Path) -> None:
    traffic = served(tmp_path, GOOD)
    assert live_check(GOOD, WEAK, traffic, GIVEN.aim, since=1000.0, now=1e6).passed
    few = live_check(GOOD, WEAK, traffic, GIVEN.aim, since=1580.0, now=1e6)
    assert few.passed
    assert "needed to judge" in few.why


def test_a_champion_that_fails_is_found_out(tmp_path: Path) -> None:
    traffic = served(tmp_path, WEAK)
    traffic.write(failed=[Failed(7000.0 + i, GOOD.hash, 500, "broken") for i in range(60)])
    verdict = live_check(GOOD, WEAK, traffic, GIVEN.aim, since=6500.0, now=1e6)
    assert not verdict.passed
    assert verdict.why.startswith("60 of 60 requests failed")


@pytest.mark.step(30)
def test_triggers_decide_from_verdicts_and_labels(tmp_path: Path) -> None:
    quiet = [Verdict("drift", True, "as before"), Verdict("accuracy", True, "as before")]
    nothing = Traffic(tmp_path / "none.sqlite")
    assert not decide(quiet, SPEC, nothing, {}).go
    alarm = [Verdict("accuracy", False, "fell to 0.6")]
    decision = decide(alarm, SPEC, nothing, {})
    assert decision.go
    assert "fell to 0.6" in decision.why
    drift = [Verdict("drift", False, "age moved")]
    decision = decide(drift, SPEC, nothing, {})
    assert not decision.go
    assert "only 0 new true answers" in decision.why
    traffic = served(tmp_path, GOOD)
    assert decide(drift, SPEC, traffic, {}).go
    assert decide(quiet, SPEC, traffic, {}).why.startswith("600 new rows")
    assert not decide(quiet, SPEC, traffic, {}, since=1e5).go


def test_the_stage_tries_every_trigger() -> None:
    done = Retrain(SPEC).run({"package": "abc"}, {})
    assert set(done.triggers["triggers"]) == {"drift", "accuracy_drop", "new_rows"}
    assert "keeps still on a quiet day and fires on alarm" in done.evidence[0].why
    assert json.loads(json.dumps(done.triggers)) == done.triggers


@pytest.mark.parametrize("count", [0, 3])
def test_the_stage_without_triggers(count: int) -> None:
    spec = Spec.of({"target": "y", "collect": "x.csv", "retrain": {"when": ["drift"] * (count > 0)}})
    assert Retrain(spec).run({}, {}).evidence[0].step == 30
