"""Guards: broken losses, no memory, learning that does not learn: each made to happen, noticed, mended or said."""

from typing import Any

import numpy as np
import pytest
import torch

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.loop import Plan, Rows, learn
from thirtyfold.learn.models.mlp import Mlp
from thirtyfold.testing.models import easy_table


def _member(family: str, choice: Any) -> Any:
    return Family[Any](f"learn.{family}").build(choice, family)


def _plan(rate: float = 0.1, **changed: Any) -> Plan:
    optimizer = _member("optimizers", {"sgd": {"rate": rate, "momentum": 0.0}})
    plan = Plan(_member("losses", "mean_squared"), optimizer, _member("schedules", "constant"), (), 8, 50, 0.0)
    return plan._replace(**changed)


def _rows(many: int = 200) -> Rows:
    x = np.random.default_rng(0).normal(size=(many, 4)).astype(np.float32)
    return Rows(x, x[:, :1] - x[:, 1:2], np.ones(many, np.float32))


@pytest.mark.step(19, 20)
def test_a_broken_loss_goes_back_with_half_the_step() -> None:
    """Steps of 3 on a square of slope 2 overshoot ever farther until float32 ends; a step below 1 arrives."""
    net = torch.nn.Linear(4, 1)
    curves = learn(net, _plan(3.0, epochs=40, batch=5), _rows(), None, Quiet())
    assert len(curves.events) >= 1
    assert "half" not in curves.events[0]
    assert "back to the start of the epoch, with 0.5 of the rate" in curves.events[0]
    assert curves.rate[-1] == 3.0 * 0.5 ** len(curves.events)
    assert curves.train[-1] < 1e-3
    assert len(curves.train) == len(curves.rate) == len(curves.gradient) == len(curves.update) == 40


def test_going_back_is_given_up_with_a_reason() -> None:
    rows = _rows()
    rows.x[7, 2] = np.nan
    with pytest.raises(DataError, match="row 7 hold a number that is not finite"):
        learn(torch.nn.Linear(4, 1), _plan(), rows, None, Quiet())


def test_going_back_does_not_depend_on_checkpoints() -> None:
    """One that writes checkpoints all the time ends as one that never does, and as one that goes on from them."""
    ends, kept = [], Quiet()
    for keep, context in ((0.0, kept), (1e9, Quiet()), (1e9, kept)):
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 1)
        learn(net, _plan(3.0, epochs=20, batch=5, keep=keep), _rows(), None, context)
        ends.append(net.weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


class Hungry(torch.nn.Linear):
    """Asks for a thousand terabytes whenever it sees more than eight rows: PyTorch's own error says no."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) > 8:
            torch.empty(2**50, dtype=torch.uint8)
        return super().forward(x)


def test_no_memory_computes_the_batch_in_parts() -> None:
    """50 rows, then parts of 25, 13 and 7: the same step as a network that is not hungry."""
    ends = []
    for kind in (Hungry, torch.nn.Linear):
        torch.manual_seed(0)
        net = kind(4, 1)
        curves = learn(net, _plan(), _rows(), None, Quiet())
        ends.append(net.weight.detach())
        assert curves.settings["parts"] == (8 if kind is Hungry else 1)
        assert len(curves.events) == (3 if kind is Hungry else 0)
    torch.testing.assert_close(ends[0], ends[1])


def test_no_memory_for_a_single_row_is_said() -> None:
    class Starving(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                torch.empty(2**50, dtype=torch.uint8)
            return super().forward(x)

    with pytest.raises(DataError, match="no memory for a single row"):
        learn(Starving(4, 1), _plan(), _rows(), None, Quiet())


def test_other_errors_of_the_network_are_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        learn(torch.nn.Sequential(Hungry(4, 4), torch.nn.Linear(3, 1)), _plan(), _rows(), None, Quiet())


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"initializer": "zeros"}, "is zero: weights that start equal stay equal"),
        ({"optimizer": {"sgd": {"rate": 1e-9}}}, "the rate is too low"),
    ],
)
@pytest.mark.step(20)
def test_learning_that_does_not_learn_is_called_out(options: dict[str, Any], cause: str) -> None:
    model = Mlp(epochs=4, width=16, **options)
    model.fit(easy_table(2, "vector"), None, Quiet())
    told = next(e for e in model.story() if e.step == 20)
    assert "Nothing was learned" in told.why
    assert cause in told.why


def test_noise_is_called_out_and_learning_is_not() -> None:
    table = easy_table(2, "vector")
    model = Mlp(epochs=4, width=16)
    model.fit(table, easy_table(2, "vector", 200, 8), Quiet())
    assert not model.curves.causes
    assert model.curves.floor == pytest.approx(np.log(2), abs=0.1)
    shuffled = np.random.default_rng(1).permutation(np.asarray(table.target))
    noise = type(table)(table.matrix, table.names, table.categories, shuffled, None, 2)
    lost = Mlp(epochs=4, width=4, layers=1, optimizer={"sgd": {"rate": 0.001}})
    lost.fit(noise, None, Quiet())
    assert "rows and targets may not belong together" in " ".join(lost.curves.causes)


@pytest.mark.step(18, 20)
def test_dead_units_are_counted() -> None:
    """ReLU behind an offset of -1000 never opens; the other half of the units does."""
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1))
    with torch.no_grad():
        net[0].bias[:3] = -1000
    curves = learn(net, _plan(0.01), _rows(), None, Quiet())
    assert curves.units == {"1": [3, 6]}


def test_a_gpu_that_is_not_there_is_one_clear_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SpecError, match="there is no GPU here"):
        Mlp(framework={"pytorch": {"device": "cuda"}}).fit(easy_table(2, "vector"), None, Quiet())
