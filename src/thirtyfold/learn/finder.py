"""Finder: the learning rate by a short trial: it grows from step to step, and the loss tells when it is too high.

Smith (2017), "Cyclical learning rates for training neural networks": the loss over the rate is flat, falls, and rises
again; the rate to take lies where it falls, well before it rises.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from thirtyfold.core.late import np
from thirtyfold.learn.checkpointing import State
from thirtyfold.learn.engine import Engine
from thirtyfold.learn.feed import Feed
from thirtyfold.learn.rates import at_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Found", "find", "pick"]

LOW, HIGH, STEPS = 1e-6, 1.0, 120
MEMORY = 0.9
"""Of the loss before, in the smoothed loss that is looked at: single batches jump."""
RISEN = 3.0
"""Times the least loss at which the trial ends."""


class Found(NamedTuple):
    """What the trial saw: the smoothed loss at each rate, and the rate that is taken."""

    rates: list[float]
    losses: list[float]
    rate: float


def find(state: State, engine: Engine, feed: Feed, seed: int) -> Found:
    """Try rates from small to large on a few batches; the network and the optimizer are as before afterwards."""
    import torch

    held = {n: v.detach().clone() for n, v in state.tensors().items()}
    rates: list[float] = []
    losses: list[float] = []
    smooth, batches = 0.0, -(-len(feed) // state.plan.batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state.network.train()
        for at, rate in enumerate(np.geomspace(LOW, HIGH, STEPS).tolist()):
            if at % batches == 0:
                order = feed.shuffled(state.plan.batch)
            loss = engine.summed([engine.slope(state, feed.take(order[at % batches]))])
            smooth = MEMORY * smooth + (1 - MEMORY) * loss
            told = smooth / (1 - MEMORY ** (at + 1))
            if not math.isfinite(told) or (losses and told > RISEN * min(losses)):
                break
            rates.append(rate)
            losses.append(told)
            _move(state, engine, rate)
    state.put(held)
    for regularizer in state.plan.regularizers:
        regularizer.begin(state.network, state.plan.layout)
    return Found(rates, losses, pick(rates, losses))


def _move(state: State, engine: Engine, rate: float) -> None:
    state.scaler.unscale_(state.stepper)
    if state.plan.clip:
        engine.clip()
    at_rate(state.stepper, rate)
    state.scaler.step(state.stepper)
    state.scaler.update()


def pick(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate in the middle (by its logarithm) of the longest fall: between where it begins and a tenth of the
    rate at which the loss is least.
    """
    if not losses:
        return LOW
    least = int(np.argmin(losses))
    steep = max(range(max(1, least)), key=lambda i: _fall(losses, i), default=0)
    return float(math.sqrt(rates[steep] * max(rates[least] / 10, rates[0])))


def _fall(losses: Sequence[float], at: int, wide: int = 5) -> float:
    """How far the smoothed loss falls around a step."""
    near = losses[max(0, at - wide) : at + wide + 1]
    return sum(a - b for a, b in pairwise(near))
