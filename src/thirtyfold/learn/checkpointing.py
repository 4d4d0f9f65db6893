"""Checkpointing: everything about a training that changes, kept so that it ends the same after ``kill -9``."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from thirtyfold.core.step import Context
from thirtyfold.learn.parts import Plan
from thirtyfold.learn.seen import Curves, First

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer as Stepper

__all__ = ["Keeper", "State", "under"]

SLOTS = 3
"""Checkpoints that are kept: a new one takes the place of the oldest."""
BETWEEN = 200
"""Batches between two checkpoints at the end of an epoch, about: writing one takes as long as some ten batches."""
WRITING = 20
"""Times as long as a checkpoint took to write, the next one waits at least."""


@dataclass
class State:
    """All that changes while learning. Schedule and the order of rows follow from the position."""

    network: nn.Module
    stepper: Stepper
    scaler: Any
    plan: Plan
    rate: float = 0.0
    """The learning rate at the schedule's 1."""
    curves: Curves = field(default_factory=Curves)
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best epoch so far."""
    start: dict[str, Tensor] = field(default_factory=dict)
    """Everything as it was when this epoch began: what a broken loss goes back to."""
    epoch: int = 0
    """Epochs behind."""
    batch: int = 0
    """Batches behind in this epoch."""
    total: float = 0.0
    """Sum of their losses."""
    slower: float = 1.0
    """A factor for the rate, halved each time the loss broke."""
    parts: int = 1
    """In how many parts a batch is computed."""

    def tensors(self) -> dict[str, Tensor]:
        """Model, optimizer and what regularizers keep, as they are now (not copied)."""
        found = {f"model.{n}": v for n, v in self.learned().items()}
        for number, state in self.stepper.state_dict()["state"].items():
            found |= {f"optimizer.{number}.{n}": v for n, v in state.items() if v is not None}
        for at, regularizer in enumerate(self.plan.regularizers):
            found |= {f"regularizer.{at}.{n}": v for n, v in regularizer.state().items()}
        return found

    def learned(self) -> dict[str, Tensor]:
        """The network's state but for what does not learn: that is the same at every moment."""
        still = {n for n, p in self.network.named_parameters() if not p.requires_grad}
        return {n: v for n, v in self.network.state_dict().items() if n not in still}

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what ``tensors`` gave."""
        self.network.load_state_dict(under("model.", tensors), strict=False)
        state: dict[int, dict[str, Any]] = {}
        for name, value in under("optimizer.", tensors).items():
            number, _, inner = name.partition(".")
            state.setdefault(int(number), {})[inner] = value.clone()
        self.stepper.load_state_dict({"state": state, "param_groups": self.stepper.state_dict()["param_groups"]})
        for at, regularizer in enumerate(self.plan.regularizers):
            regularizer.restore({n: v.clone() for n, v in under(f"regularizer.{at}.", tensors).items()})

    def mark(self) -> None:
        """Note everything as it is at the start of an epoch."""
        self.start = {n: v.detach().clone() for n, v in self.tensors().items()}
        self.batch, self.total = 0, 0.0

    def facts(self) -> dict[str, Any]:
        """What is not a tensor, as JSON knows it."""
        names = ("rate", "epoch", "batch", "total", "slower", "parts")
        return {n: getattr(self, n) for n in names} | {
            "curves": asdict(self.curves),
            "scaler": self.scaler.state_dict(),
        }


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}


class Keeper:
    """Writes a training's state to its checkpoints and reads the latest whole one back."""

    def __init__(self, state: State, context: Context, *, writes: bool = True) -> None:
        """Of several processes that learn together one ``writes`` and all read."""
        self.state, self.context, self.writes = state, context, writes
        self.written = 0
        self.since = 0
        self.wait = state.plan.keep
        self.last = time.monotonic()

    def in_epoch(self) -> None:
        """A few batches more are behind: write by the clock."""
        if self.writes and time.monotonic() - self.last >= self.wait:
            self._write(drawn=True)

    def after_epoch(self, batches: int) -> None:
        """An epoch is behind: write when it was a long one, or the last writing is long ago."""
        self.since += batches
        if self.writes and (self.since >= BETWEEN or time.monotonic() - self.last >= self.wait):
            self._write(drawn=False)

    def _write(self, *, drawn: bool) -> None:
        from safetensors.torch import save

        begun = time.monotonic()
        tensors = self.state.tensors() | {f"best.{n}": v for n, v in self.state.best.items()}
        if drawn:  # inside an epoch: its start, and where the random numbers are
            tensors |= {f"start.{n}": v for n, v in self.state.start.items()} | _random(self.state.plan.device)
        data = save({n: v.detach().cpu().contiguous().clone() for n, v in tensors.items()})
        facts = {**self.state.facts(), "written": self.written + 1, "sha256": hashlib.sha256(data).hexdigest()}
        files = {"state.safetensors": data, "state.json": json.dumps(facts).encode()}
        self.context.checkpoint.save(f"loop-{self.written % SLOTS}", files)
        self.written, self.since, self.last = self.written + 1, 0, time.monotonic()
        self.wait = max(self.state.plan.keep, WRITING * (self.last - begun))

    def resume(self) -> dict[str, Tensor]:
        """Put the latest whole checkpoint back, if there is one; returns its random state, if it lies in an epoch."""
        from safetensors.torch import load

        found = [f for slot in range(SLOTS) if (f := self.context.checkpoint.load(f"loop-{slot}")) and _whole(f)]
        if not found:
            return {}
        files = max(found, key=lambda f: int(json.loads(f["state.json"])["written"]))
        facts, tensors = json.loads(files["state.json"]), load(files["state.safetensors"])
        state = self.state
        state.put(tensors)
        state.best = {n: v.to(state.plan.device) for n, v in under("best.", tensors).items()}
        state.start = {n: v.to(state.plan.device) for n, v in under("start.", tensors).items()}
        curves = facts["curves"]
        state.curves = Curves(**{**curves, "first": First(**curves["first"])})
        for name in ("rate", "epoch", "batch", "total", "slower", "parts"):
            setattr(state, name, facts[name])
        state.scaler.load_state_dict(facts["scaler"])
        self.written = int(facts["written"])
        return under("random.", tensors)


def _whole(files: Mapping[str, bytes]) -> bool:
    """Whether a checkpoint is all there: one that was cut off or altered is left aside."""
    try:
        told = json.loads(files["state.json"])["sha256"]
        return bool(told == hashlib.sha256(files["state.safetensors"]).hexdigest())
    except (KeyError, ValueError):
        return False


def _random(device: str) -> dict[str, Tensor]:
    import torch

    states = {"random.cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states
