"""The promises of the whole run, on real data with real kills."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec
from thirtyfold.run import Event, execute

ROOT = Path(__file__).resolve().parent.parent
SMALL = """
name: small
target: target
collect: {sklearn: breast_cancer}
model: MODEL
metric: roc_auc
"""


def start(spec: Path, home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "thirtyfold", "run", str(spec), "--json", *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "THIRTYFOLD_HOME": str(home)},
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=900)
    assert process.returncode in (0, 3), err
    return dict(json.loads(out))


def small(tmp_path: Path, model: str = "boosting", more: str = "") -> Path:
    spec = tmp_path / "small.yaml"
    spec.write_text(SMALL.replace("MODEL", model) + more)
    return spec


def kills(spec: Path, folder: Path, times: int, seed: int) -> tuple[str, list[str], list[float]]:
    """The hash of an undisturbed run, and of runs that were killed once and started again."""
    begun = time.monotonic()
    whole = finish(start(spec, folder / "undisturbed"))["package_hash"]
    length = time.monotonic() - begun
    moments = [random.Random(seed * 1000 + i).uniform(0.05, 0.98) * length for i in range(times)]
    found = []
    for at, moment in enumerate(moments):
        home = folder / f"killed-{at}"
        process = start(spec, home)
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        found.append(finish(start(spec, home))["package_hash"])
    return whole, found, moments


@pytest.mark.step(16, 20)
def test_killed_in_the_middle_it_goes_on_to_the_same_package(tmp_path):
    model = "{mlp: {layers: 2, width: 32, epochs: 8}}"
    whole, found, moments = kills(small(tmp_path, model), tmp_path, times=3, seed=1)
    assert found == [whole] * 3, moments


@pytest.mark.slow
@pytest.mark.step(16, 20)
def test_killed_at_twenty_random_moments_on_adult(tmp_path, mirror):
    whole, found, moments = kills(ROOT / "recipes" / "income.yaml", tmp_path, times=20, seed=2)
    assert found == [whole] * 20, moments


def test_two_fresh_runs_give_one_hash(tmp_path):
    spec = small(tmp_path, "auto")
    first, second = (finish(start(spec, tmp_path / name)) for name in ("a", "b"))
    assert first["package_hash"] == second["package_hash"] != ""


def statuses(home: Path) -> dict[str, bool]:
    """Whether each stage of the newest run was reused."""
    record = max(home.glob("runs/*/record.jsonl"), key=lambda p: p.stat().st_mtime)
    events = map(json.loads, record.read_text().splitlines())
    return {e["stage"]: e["reused"] for e in events if e["event"] == "stage_done"}


def test_a_changed_spec_redoes_only_what_depends_on_the_change(tmp_path):
    home = tmp_path / "home"
    finish(start(small(tmp_path, "tree"), home))
    assert not any(statuses(home).values())
    finish(start(small(tmp_path, "tree"), home))
    again = statuses(home)
    assert {stage for stage, reused in again.items() if not reused} <= {"deploy"}, (
        "what was deployed is looked at again"
    )
    finish(start(small(tmp_path, "tree", "safety: [robustness]\n"), home))
    changed = statuses(home)
    redone = {stage for stage, reused in changed.items() if not reused}
    assert "safety" in redone
    assert redone <= {"safety", "prove", "export", "deploy", "monitor", "retrain", "compress"}, redone
    finish(start(small(tmp_path, "{tree: {depth: 3}}"), home))
    redone = {stage for stage, reused in statuses(home).items() if not reused}
    assert {"select", "train", "tune", "test"} <= redone
    assert not redone & {"collect", "clean", "define", "split", "label", "analyze"}, redone


def test_changed_data_under_the_same_name_is_seen(tmp_path):
    data = tmp_path / "d.csv"
    spec = tmp_path / "s.yaml"
    spec.write_text("target: y\ncollect: d.csv\nmodel: tree\n")
    rows = [f"{i},{i % 5},{'a' if i % 10 < 5 else 'b'}" for i in range(300)]
    data.write_text("x,z,y\n" + "\n".join(rows))
    home = tmp_path / "home"
    finish(start(spec, home, "--until", "split"))
    data.write_text("x,z,y\n" + "\n".join(rows[:-20]))
    summary = finish(start(spec, home, "--until", "split"))
    assert summary["steps"][3]["status"] == "done" and "280 rows" in summary["steps"][3]["why"]


@pytest.mark.step(10, 25)
def test_looks_at_the_test_rows_are_counted_over_runs(tmp_path):
    home = tmp_path / "home"
    first = finish(start(small(tmp_path, "tree"), home))["score"]["looks"]
    again = finish(start(small(tmp_path, "tree"), home))["score"]["looks"]
    assert again == first, "a result that is reused is no new look"
    other = finish(start(small(tmp_path, "linear"), home))["score"]["looks"]
    assert other > first, "another model on the same rows is"


@pytest.mark.step(2, 25, 29)
def test_a_gate_that_says_no_is_status_3_and_nothing_is_deployed(tmp_path):
    home = tmp_path / "home"
    process = start(small(tmp_path, "tree", "success: {roc_auc: 0.99999}\n"), home)
    out, _ = process.communicate(timeout=300)
    summary = json.loads(out)
    assert process.returncode == 3 and summary["status"] == "refused"
    gate = next(g for g in summary["gates"] if g["name"] == "success.roc_auc")
    assert not gate["passed"] and gate["limit"] == 0.99999
    assert summary["addresses"] == [] and summary["steps"][28]["status"] == "refused"
    assert Path(summary["report"]).is_file() and len(summary["steps"]) == 30
    assert not list(home.glob("registry/*/champion.json"))


@pytest.mark.parametrize(
    ("kind", "stage", "left"), [("start", "split", "split"), ("done", "split", "label"), ("end", "", "")]
)
def test_stopped_at_the_worst_moments_nothing_is_lost(tmp_path, kind, stage, left):
    """Ctrl-C inside a stage, right after one, and while the end is being written."""

    def stop(event: Event) -> None:
        if event.kind == kind and event.stage == stage:
            os.kill(os.getpid(), signal.SIGINT)

    home = Home(tmp_path / "home")
    outcome = execute(Spec.read(str(small(tmp_path))), home, until="label", listener=stop)
    events = [json.loads(line) for line in (outcome.folder / "record.jsonl").read_text().splitlines()]
    assert [e["stage"] for e in events if e["event"] == "stage_failed"] == ([left] if left else [])
    assert outcome.status == (130 if left else 0)
    assert json.loads((outcome.folder / "summary.json").read_text())["status"] == "stopped"
    again = execute(Spec.read(str(small(tmp_path))), home, until="label")
    assert again.status == 0 and again.error is None


def test_stopped_by_the_user_it_says_so_and_goes_on(tmp_path):
    home = tmp_path / "home"
    spec = small(tmp_path, "auto")
    process = start(spec, home)
    while (
        not list(home.glob("runs/*/record.jsonl")) or "split" not in next(home.glob("runs/*/record.jsonl")).read_text()
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in err
    assert json.loads(out)["status"] == "stopped"
    finish(start(spec, home))
    assert statuses(home)["collect"]
