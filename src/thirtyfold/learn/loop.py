"""Loop: the one loop for all that learn by gradient. Guess, loss, slope, step, until the validation rows say stop.

Everything that can be exchanged comes in through ``Plan``. Random numbers are drawn from (seed, epoch) alone and
half-done work is kept at the end of an epoch, so a run that was killed goes on from there to the same final bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.step import Context

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer as Stepper

__all__ = ["Curves", "First", "Initializer", "Loss", "Optimizer", "Plan", "Regularizer", "Rows", "Schedule", "learn"]

BETWEEN = 200
"""Batches between two checkpoints, about: writing one takes as long as some ten batches."""


class Loss(Protocol):
    """How wrong outputs are. ``head`` says how outputs become the raw answer."""

    tasks: ClassVar[tuple[str, ...]]
    head: ClassVar[Literal["softmax", "identity"]]

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        """(rows, k) each to a loss a row (rows,). Target: a share for each class, or the value."""
        ...


class Optimizer(Protocol):
    """How weights move; ``rate`` is the learning rate at the schedule's 1."""

    rate: float

    def over(self, parameters: Sequence[Tensor]) -> Stepper: ...


class Initializer(Protocol):
    """Where weights start."""

    def __call__(self, weight: Tensor, generator: Any) -> None:
        """Fill a weight of shape (out, in) in place."""
        ...


class Schedule(Protocol):
    """How the learning rate changes over training."""

    def __call__(self, done: float) -> float:
        """A factor for the rate, when a share ``done`` in [0, 1) of all steps is behind."""
        ...


class Regularizer:
    """What keeps a network from learning its rows by heart. Override what you need; each hook does nothing."""

    restores: ClassVar[bool] = False
    """Whether the best epoch's weights are taken at the end instead of the last one's."""

    def layer(self) -> nn.Module | None:
        """A module to put behind every hidden layer."""
        return None

    def batch(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch as the network shall see it."""
        return x, y

    def after(self, network: nn.Module, rate: float) -> None:
        """Change weights after each step."""

    def stop(self, losses: Sequence[float]) -> bool:
        """Whether to stop, by the validation losses so far."""
        del losses
        return False


class Plan(NamedTuple):
    """How to train: every part of it is a choice of its own."""

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    regularizers: tuple[Regularizer, ...] = ()
    epochs: int = 30
    batch: int = 256
    clip: float = 1.0
    """The longest gradient that a step may follow; 0 is no limit."""
    device: str = "cpu"


class Rows(NamedTuple):
    """What to learn from: float32 (rows, features), float32 (rows, outputs), float32 (rows,)."""

    x: Array
    y: Array
    weight: Array


@dataclass
class First:
    """The glass box: the first row before any training, and one weight through the first step."""

    guess: list[float] = field(default_factory=list)
    loss: float = 0.0
    norms: dict[str, float] = field(default_factory=dict)
    weight: str = ""
    place: list[int] = field(default_factory=list)
    before: float = 0.0
    gradient: float = 0.0
    rate: float = 0.0
    after: float = 0.0


@dataclass
class Curves:
    """Loss on training rows (while learning) and on validation rows, and the rate, after each epoch."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    best: int = 0
    """The epoch whose weights were kept, from 1."""
    first: First = field(default_factory=First)


def learn(network: nn.Module, plan: Plan, rows: Rows, check: Rows | None, context: Context) -> Curves:
    """Train ``network`` in place; goes on from the checkpoint ``loop`` if there is one, stops when no time is left."""
    import torch

    stepper = plan.optimizer.over(list(network.parameters()))
    x, y, w = (torch.from_numpy(a).to(plan.device) for a in rows)
    per_epoch = -(-len(x) // plan.batch)
    curves, best, start = _resume(network, stepper, context)
    if not start:
        _glance(network, plan, x[:1], y[:1], curves.first)
    since = 0
    for epoch in range(start, plan.epochs):
        if check is not None and any(r.stop(curves.validation) for r in plan.regularizers):
            break
        torch.manual_seed(_seed(context.seed, epoch))
        network.train()
        total = 0.0
        for at, chosen in enumerate(_batches(len(x), plan.batch)):
            rate = plan.optimizer.rate * plan.schedule((epoch * per_epoch + at) / (plan.epochs * per_epoch))
            first = curves.first if epoch == at == 0 else None
            total += _step(network, stepper, plan, (x[chosen], y[chosen], w[chosen]), rate, first)
        curves.train.append(total / per_epoch)
        curves.rate.append(rate)
        if check is not None:
            curves.validation.append(_measure(network, plan, check))
        if not best or not curves.validation or curves.validation[-1] < min(curves.validation[:-1]):
            curves.best, best = epoch + 1, {n: v.detach().clone() for n, v in network.state_dict().items()}
        context.progress("epochs", epoch + 1, plan.epochs)
        if context.remaining() == 0:
            break
        since += per_epoch
        if since >= BETWEEN and epoch + 1 < plan.epochs:
            since = 0
            _keep(network, stepper, curves, best, epoch + 1, context)
    if any(r.restores for r in plan.regularizers) and best:
        network.load_state_dict(best)
    else:
        curves.best = len(curves.train)
    network.eval()
    return curves


def _batches(rows: int, size: int) -> Iterator[Tensor]:
    import torch

    order = torch.randperm(rows)
    return iter(torch.split(order, size))


def _step(
    network: nn.Module,
    stepper: Stepper,
    plan: Plan,
    batch: tuple[Tensor, Tensor, Tensor],
    rate: float,
    first: First | None,
) -> float:
    """Forward, loss, backward, update: steps 16 to 19 on one batch. Returns the loss."""
    from torch.nn.utils import clip_grad_norm_

    x, y, weight = batch
    for regularizer in plan.regularizers:
        x, y = regularizer.batch(x, y)
    loss = (plan.loss(network(x), y) * weight).sum() / weight.sum().clamp_min(1e-12)
    stepper.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if first is not None:
        first.norms = {n: float(p.grad.norm()) for n, p in network.named_parameters() if p.grad is not None}
    if plan.clip:
        clip_grad_norm_(network.parameters(), plan.clip)
    for group in stepper.param_groups:
        group["lr"] = rate
    watched = _watch(network, first, rate) if first is not None else None
    stepper.step()
    for regularizer in plan.regularizers:
        regularizer.after(network, rate)
    if first is not None and watched is not None:
        first.after = float(watched.detach()[tuple(first.place)])
    return float(loss.detach())


def _glance(network: nn.Module, plan: Plan, x: Tensor, y: Tensor, first: First) -> None:
    """The network's very first guess for one row, and its loss."""
    import torch

    network.eval()
    with torch.no_grad():
        outputs = network(x)
        first.guess = (outputs.softmax(1) if plan.loss.head == "softmax" else outputs)[0].tolist()
        first.loss = float(plan.loss(outputs, y)[0])


def _watch(network: nn.Module, first: First, rate: float) -> Tensor:
    """Pick the weight of the first layer with the steepest slope and note it before the step."""
    name, weight = next((n, p) for n, p in network.named_parameters() if p.ndim == 2)
    assert weight.grad is not None, "a weight without a gradient"
    place = np.unravel_index(int(weight.grad.abs().argmax()), tuple(weight.shape))
    first.weight, first.place, first.rate = name, [int(i) for i in place], rate
    first.before = float(weight.detach()[tuple(first.place)])
    first.gradient = float(weight.grad[tuple(first.place)])
    return weight


def _measure(network: nn.Module, plan: Plan, rows: Rows) -> float:
    """Mean loss on rows that are not learned from; nothing is dropped out."""
    import torch

    network.eval()
    losses = []
    with torch.no_grad():
        for start in range(0, len(rows.x), 8192):
            x, y = (torch.from_numpy(a[start : start + 8192]).to(plan.device) for a in (rows.x, rows.y))
            losses.append(plan.loss(network(x), y).double().cpu().numpy())
    return float(np.average(np.concatenate(losses), weights=rows.weight))


def _seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _keep(
    network: nn.Module, stepper: Stepper, curves: Curves, best: dict[str, Tensor], epoch: int, context: Context
) -> None:
    """Model, best model, optimizer and position. Schedule and random numbers follow from the position."""
    from safetensors.torch import save

    tensors = {f"model.{n}": v for n, v in network.state_dict().items()}
    tensors |= {f"best.{n}": v for n, v in best.items()}
    for number, state in stepper.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{n}": v for n, v in state.items() if v is not None}
    files = {
        "state.safetensors": save({n: v.detach().cpu().contiguous().clone() for n, v in tensors.items()}),
        "state.json": json.dumps({"epoch": epoch, **asdict(curves)}).encode(),
    }
    context.checkpoint.save("loop", files)


def _resume(network: nn.Module, stepper: Stepper, context: Context) -> tuple[Curves, dict[str, Tensor], int]:
    """Put the last checkpoint back, if there is one; returns curves, best weights and epochs behind."""
    from safetensors.torch import load

    files = context.checkpoint.load("loop")
    if files is None:
        return Curves(), {}, 0
    facts = json.loads(files["state.json"])
    tensors = load(files["state.safetensors"])
    network.load_state_dict(_under("model.", tensors))
    state: dict[int, dict[str, Any]] = {}
    for name, value in _under("optimizer.", tensors).items():
        number, _, inner = name.partition(".")
        state.setdefault(int(number), {})[inner] = value
    stepper.load_state_dict({"state": state, "param_groups": stepper.state_dict()["param_groups"]})
    epoch, first = int(facts.pop("epoch")), First(**facts.pop("first"))
    return Curves(**facts, first=first), _under("best.", tensors), epoch


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
