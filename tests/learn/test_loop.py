"""The loop: one step by hand, early stopping, and a kill -9 in the middle that changes nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.loop import Plan, Rows, learn
from thirtyfold.learn.models.mlp import Mlp
from thirtyfold.testing.models import easy_table


def _member(family: str, choice: Any) -> Any:
    return Family[Any](f"learn.{family}").build(choice, family)


def _plan(**changed: Any) -> Plan:
    usual = {
        "loss": _member("losses", "mean_squared"),
        "optimizer": _member("optimizers", {"sgd": {"rate": 0.1, "momentum": 0.0}}),
        "schedule": _member("schedules", "constant"),
        "epochs": 1,
        "batch": 100,
        "clip": 0.0,
    }
    return Plan(**{**usual, **changed})


def _rows(x: list[list[float]], y: list[list[float]], weight: list[float] | None = None) -> Rows:
    w = weight or [1.0] * len(x)
    return Rows(np.array(x, np.float32), np.array(y, np.float32), np.array(w, np.float32))


def _line(weight: float, bias: float) -> torch.nn.Module:
    net = torch.nn.Sequential()
    layer = torch.nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(weight)
        layer.bias.fill_(bias)
    net.add_module("layer1", layer)
    return net


@pytest.mark.step(16, 17, 18, 19)
def test_one_step_by_hand() -> None:
    """y = 2x + 1 at x = 1, 3; truth 0, 4: misses 3 and 3, slope of the mean square 2 * mean(miss * x) = 12 and 6."""
    net = _line(2.0, 1.0)
    curves = learn(net, _plan(), _rows([[1], [3]], [[0], [4]]), None, Quiet())
    state = net.state_dict()
    assert float(state["layer1.weight"]) == pytest.approx(2.0 - 0.1 * 12)
    assert float(state["layer1.bias"]) == pytest.approx(1.0 - 0.1 * 6)
    assert curves.train == [pytest.approx(9.0)]
    first = curves.first
    assert first.guess == [pytest.approx(3.0)]
    assert first.loss == pytest.approx(9.0)
    assert first.norms == {"layer1.weight": pytest.approx(12.0), "layer1.bias": pytest.approx(6.0)}
    assert (first.before, first.gradient, first.rate) == (2.0, pytest.approx(12.0), pytest.approx(0.1))
    assert first.after == pytest.approx(first.before - first.rate * first.gradient)


def test_weights_count_and_gradients_are_clipped() -> None:
    """With weights 3 and 1 the slope is 2 * (3*3*1 + 1*3*3) / 4 = 9 and 2 * 3 = 6, of length sqrt(117), then 1."""
    net = _line(2.0, 1.0)
    learn(net, _plan(clip=1.0), _rows([[1], [3]], [[0], [4]], [3, 1]), None, Quiet())
    length = 117**0.5
    assert float(net.state_dict()["layer1.weight"]) == pytest.approx(2.0 - 0.1 * 9 / length, abs=1e-6)
    assert float(net.state_dict()["layer1.bias"]) == pytest.approx(1.0 - 0.1 * 6 / length, abs=1e-6)


@pytest.mark.step(19)
def test_schedule_sets_the_rate_of_each_step() -> None:
    net = _line(0.0, 0.0)
    plan = _plan(schedule=_member("schedules", {"step": {"every": 0.5, "factor": 0.1}}), epochs=4)
    curves = learn(net, plan, _rows([[1], [2]], [[1], [2]]), None, Quiet())
    assert curves.rate == [pytest.approx(r) for r in (0.1, 0.1, 0.01, 0.01)]


@pytest.mark.step(20, 23)
def test_early_stopping_takes_the_best_epoch() -> None:
    """Validation rows that want the opposite: the first epoch is the best, and its weights come back."""
    stop = _member("regularizers", {"early_stopping": {"patience": 3}})
    after_one = _line(0.0, 0.0)
    learn(after_one, _plan(), _rows([[1], [2]], [[1], [2]]), None, Quiet())
    net = _line(0.0, 0.0)
    check = _rows([[1], [2]], [[-1], [-2]])
    curves = learn(net, _plan(epochs=50, regularizers=(stop,)), _rows([[1], [2]], [[1], [2]]), check, Quiet())
    assert curves.best == 1
    assert len(curves.train) == 4
    assert torch.equal(net.state_dict()["layer1.weight"], after_one.state_dict()["layer1.weight"])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.step(20)
def test_going_on_from_any_checkpoint_ends_the_same(optimizer: str) -> None:
    """Every checkpoint of a training, one after the other, as if it had been killed right after it."""
    train, held = easy_table(2, "vector", 1600), easy_table(2, "vector", 200, 8)
    options: dict[str, Any] = {"epochs": 5, "batch": 8, "width": 8, "optimizer": optimizer}

    class Keeping(Quiet):
        def save(self, name: str, files: Any) -> None:
            states.append(dict(files))

    states: list[dict[str, bytes]] = []
    whole = Mlp(**options)
    whole.fit(train, held, Keeping(seed=1))
    assert len(states) >= 4, "no checkpoints were made"
    for state in states[::2]:
        again = Mlp(**options)
        again.fit(train, held, Quiet(seed=1, kept={"loop": state}))
        assert again.save() == whole.save()
        assert [e.numbers for e in again.story()] == [e.numbers for e in whole.story()]


SCRIPT = """
import hashlib, sys
from pathlib import Path
from thirtyfold.core.store import Folder
from thirtyfold.learn.models.mlp import Mlp
from thirtyfold.core.quiet import Quiet
from thirtyfold.testing.models import easy_table

class OnDisk(Quiet):
    @property
    def checkpoint(self):
        return Folder(Path(sys.argv[1]))

    def progress(self, text, done=None, total=None):
        print("epoch", done, flush=True)

model = Mlp(epochs=6, batch=8, width=16, regularizers=[{"label_smoothing": 0.1}, {"early_stopping": 50}])
model.fit(easy_table(3, "vector", 1600), easy_table(3, "vector", 300, 8), OnDisk(seed=4))
print("hash", hashlib.sha256(model.save()["model.safetensors"]).hexdigest(), flush=True)
"""


def _start(folder: Path) -> "subprocess.Popen[str]":
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True, env=env)


def _kill_at(process: "subprocess.Popen[str]", line: int, wait: float) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for at, _ in enumerate(lines, start=1):
            if at == line:
                break
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_killed_with_sigkill_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    undisturbed = _start(tmp_path / "whole").communicate()[0].split()
    disturbed = tmp_path / "killed"
    for line, wait in ((2, 0.0), (1, 0.02)):
        _kill_at(_start(disturbed), line, wait)
    last = _start(disturbed).communicate()[0].split()
    assert last[-1] == undisturbed[-1]
    assert len(last) < len(undisturbed), "it began from the start instead of going on"


@pytest.mark.step(16, 17, 18, 19)
def test_story_explains_the_first_update_of_sgd() -> None:
    """before - rate * (1 + momentum) * gradient = after: the first step of Nesterov's momentum."""
    model = Mlp(epochs=2, optimizer={"sgd": {"rate": 0.1, "momentum": 0.9}}, schedule="constant", clip=0, width=16)
    model.fit(easy_table(2, "vector"), None, Quiet())
    told = next(e for e in model.story() if e.step == 19).numbers
    assert told["after"] == pytest.approx(told["before"] - 0.1 * 1.9 * told["gradient"], abs=1e-6)
    guess = next(e for e in model.story() if e.step == 16).numbers
    loss = next(e for e in model.story() if e.step == 17).numbers["loss"]
    assert sum(guess["guess"]) == pytest.approx(1, abs=1e-5)
    assert loss == pytest.approx(-np.log(guess["guess"][int(guess["truth"])]), abs=1e-4)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "selu", "mish", "tanh"])
def test_numpy_answers_like_torch(activation: Any) -> None:
    table = easy_table(3, "vector", 300)
    model = Mlp(epochs=2, width=16, activation=activation)
    model.fit(table, None, Quiet())
    dense: Any = model._dense
    from thirtyfold.learn.dense import network

    net = network(dense.sizes, activation, _member("initializers", "xavier"), [], 0)
    dense.load_into(net)
    with torch.no_grad():
        wanted = net(torch.from_numpy(table.matrix)).softmax(1).numpy()
    np.testing.assert_allclose(model.predict(table.matrix), wanted, atol=1e-5)


@pytest.mark.step(26)
def test_more_goes_on_from_what_was_learned() -> None:
    old, new = easy_table(2, "vector", seed=1), easy_table(2, "vector", seed=2)
    model = Mlp(epochs=6, width=16)
    model.fit(old, None, Quiet())
    before = Mlp.load(model.save())
    model.more(new, None, Quiet())
    assert model.size() == before.size()

    def loss(m: Mlp) -> float:
        return float(-np.log(m.predict(new.matrix)[np.arange(len(new)), np.asarray(new.target)]).mean())

    assert loss(model) < loss(before)


def test_no_time_left_ends_after_the_epoch() -> None:
    plan = _plan(epochs=50)
    curves = learn(_line(0.0, 0.0), plan, _rows([[1], [2]], [[1], [2]]), None, Quiet(seconds=0.0))
    assert len(curves.train) == 1
    assert len(learn(_line(0.0, 0.0), plan, _rows([[1], [2]], [[1], [2]]), None, Quiet(seconds=9.0)).train) == 50
