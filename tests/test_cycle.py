"""The loop closes on one machine: serve, drift, late labels, retrain, promote, swap, roll back."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from thirtyfold.core.home import Home
from thirtyfold.core.registry import Registry
from thirtyfold.core.spec import Spec
from thirtyfold.cycle import go_round


def table(rows: int, seed: int, sign: float) -> list[dict[str, Any]]:
    """Rows whose answer follows x with a sign that the world may change."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=rows), rng.choice(["red", "blue"], rows)
    y = np.where(sign * x + 0.3 * rng.normal(size=rows) > 0, "up", "down")
    return [{"x": round(float(a), 4), "z": str(b), "y": str(c)} for a, b, c in zip(x, z, y, strict=True)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("THIRTYFOLD_HOME", str(home))
    lines = [f"{r['x']},{r['z']},{r['y']}" for r in table(120, 0, 1.0)]
    (tmp_path / "d.csv").write_text("x,z,y\n" + "\n".join(lines))
    (tmp_path / "loop.yaml").write_text(
        "name: loop\ntarget: y\ncollect: d.csv\nmodel: boosting\nmetric: roc_auc\nsafety: []\ncompress: null\n"
        "retrain: {when: [accuracy_drop, new_rows: 400]}\n"
    )
    return tmp_path


@pytest.fixture
def serving(world: Path) -> Iterator[str]:
    watch(world)
    command = [sys.executable, "-m", "thirtyfold", "serve", "loop@champion", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=world, env=dict(os.environ))
    try:
        line = process.stdout.readline()
        yield line.split(" at ")[1].split(" ")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def watch(world: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "thirtyfold", "watch", str(world / "loop.yaml"), "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=world, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def live(address: str, rows: list[dict[str, Any]]) -> str:
    """Ask and tell the truth of each row; returns the hash that answered last."""
    with httpx.Client(base_url=address, timeout=30) as client:
        for start in range(0, len(rows), 100):
            part = rows[start : start + 100]
            asked = [{"x": r["x"], "z": r["z"]} for r in part]
            answer = client.post("/predict", json={"rows": asked}).raise_for_status().json()
            for at, row in enumerate(part):
                told = {"id": f"{answer['id']}-{at}", "truth": row["y"]}
                for _ in range(50):  # a prediction may be told about once it is kept, which takes up to a second
                    reply = client.post("/feedback", json=told)
                    if reply.status_code != 404:
                        break
                    time.sleep(0.05)
                assert reply.status_code == 201, reply.text
        return str(answer["model"])


@pytest.mark.slow
@pytest.mark.step(30)
def test_the_world_turns_and_the_loop_follows(world, serving):
    first = Registry(Home.beside().root, "loop").champion().hash
    quiet = watch(world)
    assert quiet["action"] == "kept" and quiet["champion"] == first

    assert live(serving, table(100, 8, 1.0)) == first
    still = watch(world)
    assert still["action"] == "kept", [v for v in still["verdicts"] if not v["passed"]]

    assert live(serving, table(700, 2, -1.0)) == first
    turned = watch(world)
    assert turned["action"] == "promoted", turned
    assert turned["champion"] != first
    alarms = [v["name"] for v in turned["verdicts"] if not v["passed"]]
    assert any(name.startswith("accuracy") for name in alarms), turned

    until = time.monotonic() + 20
    while (answered := live(serving, table(1, 3, -1.0))) == first and time.monotonic() < until:
        time.sleep(0.3)
    assert answered == turned["champion"], "the running server follows"

    live(serving, table(400, 4, 1.0))  # the world turns back: the champion before would have been right
    back = watch(world)
    assert back["action"] == "rolled_back", back
    assert back["champion"] == first

    events = [json.loads(line)["event"] for line in (world / "home" / "watch" / "loop.jsonl").read_text().splitlines()]
    assert events == ["promoted", "kept", "kept", "promoted", "rolled_back"]


@pytest.mark.step(30)
def test_a_challenger_that_is_not_better_is_not_promoted(world):
    first = watch(world)
    assert first["action"] == "promoted"
    from thirtyfold.core.traffic import Answered, Feedback, Traffic

    traffic = Traffic(world / "home" / "traffic" / "loop.sqlite").prepare()
    rows = table(450, 5, 1.0)
    now = time.time()
    asked = [{"x": r["x"], "z": r["z"]} for r in rows]
    answers = [{"prediction": r["y"], "confidence": 0.9, "probability_down": 0.1, "probability_up": 0.9} for r in rows]
    traffic.write([Answered("a", now, first["champion"], asked, answers, 1.0)])
    for at, row in enumerate(rows):
        traffic.feed(Feedback(f"a-{at}", now, row["y"]))
    second = watch(world)
    assert second["action"] == "not_better", second
    assert second["champion"] == first["champion"]


@pytest.mark.step(4, 30)
def test_rows_that_come_to_the_source_are_learned_from(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows: the trigger counts what came, the challenger learned from it, and it is not counted twice."""
    loop = world / "loop.yaml"
    loop.write_text(loop.read_text("utf-8").replace("accuracy_drop, new_rows: 400", "arrivals: 1000"), "utf-8")
    home = Home.beside()
    spec = Spec.read(loop)
    monkeypatch.chdir(world)
    assert go_round(spec, home, time.time).action == "promoted"
    lines = [f"{r['x']},{r['z']},{r['y']}" for r in table(1500, 1, 1.0)]
    with (world / "d.csv").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(lines[:900]))
    still = go_round(spec, home, time.time)
    assert still.action == "kept" and "900 rows came to the source, 1,000 are asked for" in still.why
    with (world / "d.csv").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(lines[900:]))
    looked = go_round(spec, home, time.time)
    assert looked.action in ("promoted", "not_better") and "1,500 rows came to the source" in looked.why
    assert looked.collected == 1620
    told = json.loads((home.run() / "evidence.json").read_text("utf-8"))["collect"][0]["why"]
    assert "1,619 rows had been read before" in told
    assert go_round(spec, home, time.time).action == "kept"
