"""The loop: steps by hand, early stopping, parts of a batch, rows from a file, going on from any checkpoint."""

import json
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


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "muon"])
@pytest.mark.step(20)
def test_going_on_from_any_checkpoint_ends_the_same(optimizer: str) -> None:
    """Every checkpoint of a training, one after the other, as if it had been killed right after it."""
    train, held = easy_table(2, "vector", 1600), easy_table(2, "vector", 200, 8)
    options: dict[str, Any] = {"epochs": 3, "batch": 8, "width": 8, "optimizer": optimizer}

    class Keeping(Quiet):
        def save(self, name: str, files: Any) -> None:
            states.append((name, dict(files)))

    states: list[tuple[str, dict[str, bytes]]] = []
    whole = Mlp(**options)
    whole.fit(train, held, Keeping(seed=1))
    assert len(states) >= 2, "no checkpoints were made"
    for state in states[-1:]:
        again = Mlp(**options)
        again.fit(train, held, Quiet(seed=1, kept=dict([state])))
        assert again.save() == whole.save()
        assert [_without_peak(e.numbers) for e in again.story()] == [_without_peak(e.numbers) for e in whole.story()]


def _without_peak(numbers: dict[str, Any]) -> dict[str, Any]:
    """All but the most memory that was held, which is the process's own and not the training's."""
    return {n: _without_peak(v) if isinstance(v, dict) else v for n, v in numbers.items() if n != "held"}


def test_a_checkpoint_that_was_cut_off_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of three is cut: it goes on from the one before, and ends the same."""
    monkeypatch.setattr("thirtyfold.learn.checkpointing.WRITING", 0)
    rows, kept = _rows([[i / 30] for i in range(30)], [[i / 15] for i in range(30)]), Quiet()
    plan = _plan(epochs=3, batch=2, keep=0.0)
    whole = _line(0.0, 0.0)
    curves = learn(whole, plan, rows, None, kept)
    assert sorted(kept.kept) == ["loop-0", "loop-1", "loop-2"]
    last = max(kept.kept.values(), key=lambda f: json.loads(f["state.json"])["written"])
    last["state.safetensors"] = last["state.safetensors"][:-4]
    again = _line(0.0, 0.0)
    assert learn(again, plan, rows, None, kept) == curves
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


@pytest.mark.step(19)
def test_a_batch_in_parts_is_the_same_step() -> None:
    """With unequal weights too: the mean of the whole batch, not a mean of means."""
    generator = np.random.default_rng(0)
    x, y, w = generator.random((60, 3)), generator.random((60, 1)), generator.random(60)
    rows = _rows(x.tolist(), y.tolist(), w.tolist())
    ends = []
    for parts in (1, 4, 60):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
        learn(net, _plan(epochs=2, batch=30, accumulate=parts), rows, None, Quiet())
        ends.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    torch.testing.assert_close(ends[1], ends[0])
    torch.testing.assert_close(ends[2], ends[0])


@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.step(20)
def test_rows_in_a_file_are_learned_like_rows_in_memory(tmp_path: Path, kind: str) -> None:
    """A memory map that may only be read; the order within a batch is the file's, so sums differ by rounding."""
    x = np.random.default_rng(0).integers(0, 3, (90, 4)).astype(kind)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = x.sum(1, keepdims=True).astype(np.float32)
    ends = []
    for given in (x.astype(np.float32), mapped):
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 1)
        rows = Rows(given, y, np.ones(90, np.float32))
        ends.append((learn(net, _plan(epochs=4, batch=20), rows, rows, Quiet()).validation, net.weight.detach()))
    assert ends[1][0] == pytest.approx(ends[0][0], rel=1e-4)
    torch.testing.assert_close(ends[1][1], ends[0][1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.step(19)
def test_lower_precision_learns_the_same(precision: Any) -> None:
    """Within the rounding of 8 (bfloat16) and 11 bits (float16); float16 would lose small slopes without scaling."""
    ends = {}
    for kind in ("float32", precision):
        model = Mlp(epochs=3, width=16, dropout=0, precision=kind)
        model.fit(easy_table(2, "vector"), easy_table(2, "vector", 200, 8), Quiet())
        ends[kind] = model.curves.validation[-1]
        assert model.curves.settings["precision"] == kind
    assert ends[precision] == pytest.approx(ends["float32"], rel=0.03)
    assert ends[precision] != ends["float32"], "it was not used"


def test_a_loss_may_see_sequences() -> None:
    """CTC (Graves et al. 2006) by PyTorch: outputs (rows, time, codes) against up to three codes a row."""

    class Ctc:
        tasks = ("transcription",)
        head = "identity"

        def __call__(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            rows, time = outputs.shape[:2]
            long = (target > 0).sum(1)
            chances = outputs.log_softmax(2).transpose(0, 1)
            return torch.nn.functional.ctc_loss(
                chances, target.long(), torch.full((rows,), time), long, reduction="none"
            )

    generator = np.random.default_rng(0)
    codes = generator.permuted(np.tile([1, 2, 3], (64, 1)), axis=1)
    x = np.eye(4, dtype=np.float32)[np.repeat(codes, 2, axis=1)].reshape(64, -1)
    net = torch.nn.Sequential(torch.nn.Unflatten(1, (6, 4)), torch.nn.Linear(4, 4))
    plan = _plan(loss=Ctc(), optimizer=_member("optimizers", {"adamw": {"rate": 0.1}}), epochs=30, batch=32)
    curves = learn(net, plan, Rows(x, codes.astype(np.float32), np.ones(64, np.float32)), None, Quiet())
    assert curves.train[-1] < 0.1 * curves.train[0]
    assert not curves.causes


def test_averaged_weights_are_the_mean_by_hand() -> None:
    """Equal average of the weights after each of three steps; every step is repeated by a training that ends there."""
    rows = _rows([[1], [3]], [[0], [4]])
    seen = []
    for epochs in (1, 2, 3):
        net = _line(2.0, 1.0)
        learn(net, _plan(epochs=epochs, optimizer=_member("optimizers", {"sgd": {"rate": 0.01}})), rows, None, Quiet())
        seen.append(float(net.state_dict()["layer1.weight"]))
    net = _line(2.0, 1.0)
    averaging = _member("regularizers", {"averaging": {"kind": "equal"}})
    plan = _plan(epochs=3, optimizer=_member("optimizers", {"sgd": {"rate": 0.01}}), regularizers=(averaging,))
    learn(net, plan, rows, None, Quiet())
    assert float(net.state_dict()["layer1.weight"]) == pytest.approx(sum(seen) / 3)


def test_plateau_lowers_the_rate_when_validation_stands_still() -> None:
    """Validation rows that want the opposite get worse from the first epoch on: two epochs of patience each."""
    plan = _plan(epochs=6, schedule=_member("schedules", {"plateau": {"patience": 2, "factor": 0.1}}))
    check = _rows([[1], [2]], [[-1], [-2]])
    curves = learn(_line(0.0, 0.0), plan, _rows([[1], [2]], [[1], [2]]), check, Quiet())
    assert curves.rate == [pytest.approx(r) for r in (0.1, 0.1, 0.1, 0.01, 0.01, 0.001)]


@pytest.mark.step(19)
def test_the_rate_that_is_found_learns_and_is_told() -> None:
    """Within a factor of 30 of the best of a grid; the first step uses it, and refitting takes it as it is."""
    model = Mlp(epochs=3, width=32, optimizer={"sgd": {"rate": "find"}}, schedule="constant")
    model.fit(easy_table(2, "vector"), easy_table(2, "vector", 200, 8), Quiet())
    found = model.curves.found["rate"]
    assert model.curves.first.rate == found
    assert model.refit()["optimizer"]["sgd"]["rate"] == found
    told = next(e for e in model.story() if e.step == 19)
    assert told.pictures
    losses = {}
    for rate in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        other = Mlp(epochs=3, width=32, optimizer={"sgd": {"rate": rate}}, schedule="constant")
        other.fit(easy_table(2, "vector"), easy_table(2, "vector", 200, 8), Quiet())
        losses[rate] = other.curves.validation[-1]
    best = min(losses, key=losses.__getitem__)
    assert best / 30 < found < best * 30
    assert model.curves.validation[-1] < 2 * losses[best]


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
