"""The forecast of memory: counted by hand, without a trace, and beside what a process really takes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thirtyfold.core.errors import DataError
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn import forecast as ahead
from thirtyfold.learn.loop import Plan, Rows, learn

ROOT = Path(__file__).resolve().parents[2]
WATCHED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL).returncode
assert code in (0, 3), code
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command and prints the most memory that it had, in KiB."""


def _plan(**changed: Any) -> Plan:
    def member(family: str, choice: Any) -> Any:
        return Family[Any](f"learn.{family}").build(choice, family)

    optimizer = member("optimizers", {"adamw": {"rate": 1e-3}})
    plan = Plan(member("losses", "mean_squared"), optimizer, member("schedules", "constant"), (), 2, 64)
    return plan._replace(**changed)


def _rows(many: int = 512, wide: int = 100) -> Rows:
    x = np.random.default_rng(0).normal(size=(many, wide)).astype(np.float32)
    return Rows(x, x[:, :1].copy(), np.ones(many, np.float32))


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(100, 50), torch.nn.ReLU(), torch.nn.Linear(50, 1))


@pytest.mark.step(14)
def test_what_a_row_takes_is_what_backward_needs() -> None:
    """100 inputs and 50 hidden answers of 4 bytes, kept once each; the loss keeps a few numbers more."""
    told = learn(_network(), _plan(), _rows(), None, Quiet()).forecast
    assert told["parameters"] == 100 * 50 + 50 + 50 + 1
    assert told["state"] == 8 * 4 * told["parameters"]
    kept, largest, itself = 4 * 150, 4 * 100, 4 * 100
    assert told["batch"] == pytest.approx(64 * (kept + 2 * largest + 2 * itself), rel=0.02)
    assert told["held"] <= told["peak"]


def test_looking_ahead_leaves_no_trace() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(100, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))
    seen = []
    plain = ahead.forecast

    def watched(state: Any, *rest: Any) -> Any:
        before = {n: v.clone() for n, v in state.network.state_dict().items()}, torch.get_rng_state()
        found = plain(state, *rest)
        seen.append(all(torch.equal(v, before[0][n]) for n, v in state.network.state_dict().items()))
        seen.append(torch.equal(torch.get_rng_state(), before[1]))
        seen.append(all(p.grad is None for p in state.network.parameters()))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("thirtyfold.learn.loop.forecast", watched)
        learn(network, _plan(), _rows(), None, Quiet())
    assert seen == [True, True, True]


def test_a_batch_that_does_not_fit_is_computed_in_parts() -> None:
    weights, batch = 8 * 4 * 5101, 64 * 2208
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "_free", lambda: (weights + batch / 3) / ahead.SPARE)
        curves = learn(_network(), _plan(), _rows(), None, Quiet())
        assert curves.settings["parts"] == 4 and "computed in 4 parts" in curves.events[0]
        assert len(curves.train) == 2
        patch.setattr(ahead, "_free", lambda: 1000.0)
        with pytest.raises(DataError, match="with a single row"):
            learn(_network(), _plan(), _rows(), None, Quiet())


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_the_whole_run_takes_what_was_forecast(model: str, tmp_path: Path) -> None:
    """Within a quarter of the most that the operating system saw."""
    env = {**os.environ, "THIRTYFOLD_HOME": str(tmp_path)}
    spec = str(ROOT / "recipes" / "digits.yaml")
    words = ["-m", "thirtyfold", "run", spec, "--quiet", "--set", f"model={{{model}: {{epochs: 4}}}}"]
    done = subprocess.run([sys.executable, "-c", WATCHED, *words], env=env, capture_output=True, text=True, check=True)
    (run,) = (tmp_path / "runs").iterdir()
    told = json.loads((run / "evidence.json").read_text())["train"]
    forecast = next(e["numbers"][model]["forecast"] for e in told if "forecast" in e["numbers"].get(model, {}))
    assert forecast["peak"] == pytest.approx(1024 * int(done.stdout), rel=0.25)
