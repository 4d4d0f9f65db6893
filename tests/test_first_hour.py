"""What somebody meets in the first hour: the shell they work in, and what commands say of runs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris

import thirtyfold
from thirtyfold.cli import main
from thirtyfold.core.home import Home
from thirtyfold.core.record import Record

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    load_iris(as_frame=True).frame.to_csv(tmp_path / "iris.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_environment_leaves_the_shell_as_it_is(tmp_path: Path) -> None:
    """A copy of the script beside an environment that is made already; the path alone changes."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "src").mkdir()
    script = tmp_path / "scripts" / "environment"
    script.write_text((ROOT / "scripts" / "environment").read_text())
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit ${BROKEN:-0}\n")
    python.chmod(0o755)
    told = f"cd /; . {script}; echo status $?; false; pwd; echo $- ; echo $PATH | cut -d: -f1"
    done = subprocess.run(["bash", "-c", told], capture_output=True, text=True, check=True)
    *_, status, where, flags, first = done.stdout.splitlines()
    assert (status, where, first) == ("status 0", "/", str(tmp_path / ".venv" / "bin"))
    assert "e" not in flags and "u" not in flags
    broken = subprocess.run(
        ["bash", "-c", told], capture_output=True, text=True, check=True, env={**os.environ, "BROKEN": "3"}
    )
    assert "status 3" in broken.stdout
    strict = subprocess.run(["bash", "-ec", told], capture_output=True, check=False, env={**os.environ, "BROKEN": "3"})
    assert strict.returncode == 3, "a script that stops at failures stops here"


def test_an_outcome_is_one_line(folder: Path) -> None:
    outcome = thirtyfold.run({"target": "target", "collect": "iris.csv", "model": "tree"}, until="train")
    assert repr(outcome).startswith("Outcome(stopped") and len(repr(outcome)) < 300


def test_a_run_that_goes_on_is_no_stopped_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "i.yaml").write_text("name: i\ntarget: target\ncollect: iris.csv\nmodel: {mlp: {epochs: 2000}}\n")
    words = [sys.executable, "-m", "thirtyfold", "run", "i.yaml", "--quiet"]
    process = subprocess.Popen(words, env=dict(os.environ))
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            records = list(Home.beside().runs.glob("*/record.jsonl"))
            if records and any(e["event"] == "run_started" for e in Record(records[0])):
                break
            time.sleep(0.1)
        assert main(["runs", "--json"]) == 0
        assert [r["status"] for r in json.loads(capsys.readouterr().out)] == ["running"]
    finally:
        process.kill()
        process.wait()
    assert main(["runs", "--json"]) == 0
    assert [r["status"] for r in json.loads(capsys.readouterr().out)] == ["stopped"]


def test_telephone_numbers_are_no_amounts_and_are_personal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    numbers = [f"+49 30 {n}" for n in rng.choice(rng.integers(100_000, 999_999, 40), 400)]
    x = rng.normal(size=400).round(3)
    frame = pl.DataFrame({"Rufnummer": numbers, "x": x, "kind": np.where(x + rng.normal(size=400) > 0, "a", "b")})
    frame.write_csv("calls.csv")
    assert main(["run", "calls.csv", "--target", "kind", "--set", "model=tree", "--quiet"]) in (0, 3)
    assert main(["show", "7", "--json"]) == 0
    told = capsys.readouterr().out
    assert "Rufnummer" in told and '"number"' not in told[told.index("Rufnummer") : told.index("Rufnummer") + 60]
    gates = json.loads((Home.beside().run(None) / "summary.json").read_text())["gates"]
    assert "found in Rufnummer" in next(g["why"] for g in gates if g["name"] == "safety.personal_data")
