"""Loop: the one loop for all that learn by gradient. Guess, loss, slope, step, until the validation rows say stop.

Everything that can be exchanged comes in through ``Plan`` (``parts.py``). Random numbers are drawn anew for each epoch
from (seed, epoch), and a checkpoint inside an epoch says where they are, so a run that was killed goes on from there
to the same final bytes. What may go wrong is in ``guards.py``, what a learner sees in ``seen.py`` and ``glass.py``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from thirtyfold.core.late import np
from thirtyfold.core.step import Context
from thirtyfold.learn.checkpointing import Keeper, State
from thirtyfold.learn.engine import Engine
from thirtyfold.learn.feed import Feed
from thirtyfold.learn.finder import find
from thirtyfold.learn.forecast import forecast, peak_bytes
from thirtyfold.learn.guards import Broken, floor, go_back, idle, likely
from thirtyfold.learn.parts import Heedful, Initializer, Loss, Optimizer, Plan, Regularizer, Rows, Schedule
from thirtyfold.learn.seen import Curves, First, glance, idle_units, moved, slopes, watch

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Curves", "First", "Initializer", "Loss", "Optimizer", "Plan", "Regularizer", "Rows", "Schedule", "learn"]

SAID = 1.0
"""Seconds between two words about progress inside an epoch, at least."""
GLANCED = 128
"""Training rows that are looked at for units that tell nothing."""


class Work(NamedTuple):
    """One training in progress."""

    state: State
    engine: Engine
    feed: Feed
    check: Feed | None
    keeper: Keeper
    context: Context

    @property
    def plan(self) -> Plan:
        return self.state.plan

    @property
    def losses(self) -> list[float]:
        """What says how well it goes: on validation rows if there are any."""
        return self.state.curves.validation if self.check is not None else self.state.curves.train


def learn(network: nn.Module, plan: Plan, rows: Rows, check: Rows | None, context: Context) -> Curves:
    """Train ``network`` in place; goes on from its last checkpoint if there is one, stops when no time is left.

    Raises DataError when the loss stays broken however small the step, or when a single row does not fit in memory.
    """
    work = _begin(network, plan, rows, check, context)
    with work.engine.shared():
        _epochs(work)
    return _end(work)


def _epochs(work: Work) -> None:
    state, plan, curves = work.state, work.plan, work.state.curves
    while state.epoch < plan.epochs and not _stops(work):
        try:
            late = _epoch(work)
            held = _judged(work)
        except Broken:
            go_back(state, work.feed)
            continue
        _close(work, held)
        if idle(curves) and state.epoch == 3:
            work.context.progress(f"after 3 epochs the loss is still {curves.train[-1]:.4g}, as at the start")
        if late:
            break
        if state.epoch < plan.epochs:
            work.keeper.after_epoch(-(-len(work.feed) // plan.batch))


def _begin(network: nn.Module, plan: Plan, rows: Rows, check: Rows | None, context: Context) -> Work:
    """Everything in its place: as it was at the last checkpoint, or at the very start."""
    engine = Engine(plan, network)
    feed = Feed(rows, plan.device, engine.share)
    held = None if check is None else Feed(check, plan.device)
    for regularizer in plan.regularizers:
        regularizer.begin(network, plan.layout)
    stepper = plan.optimizer.over(list(network.parameters()))
    state = State(network, stepper, engine.scaler(), plan, parts=plan.accumulate)
    keeper = Keeper(state, context, writes=engine.first)
    drawn = keeper.resume()
    work = Work(state, engine, feed, held, keeper, context)
    if not keeper.written:
        first = feed.first(1)
        glance(network, plan.loss, first.x, first.y, state.curves.first)
        state.curves.floor = floor(plan, feed) if len(first.y[0]) == np.size(state.curves.first.outputs) else math.inf
        state.curves.forecast = forecast(state, engine, feed, held).told()
        state.rate = _rate(work)
    engine.choose(state, feed)
    if state.batch:
        _draw(drawn)
    return work


def _rate(work: Work) -> float:
    """The learning rate as it was set, or as a short trial finds it."""
    rate = work.plan.optimizer.rate
    if rate != "find":
        return float(rate)
    work.context.progress("finding the learning rate")
    found = find(work.state, work.engine, work.feed, _seed(work.context.seed, -1))
    work.state.curves.found = found._asdict()
    return found.rate


def _stops(work: Work) -> bool:
    losses = work.state.curves.validation
    return work.check is not None and any(r.stop(losses) for r in work.plan.regularizers)


def _draw(drawn: dict[str, Tensor]) -> None:
    """Random numbers go on where a checkpoint inside an epoch left them."""
    import torch

    torch.set_rng_state(drawn["cpu"])
    if "cuda" in drawn:
        torch.cuda.set_rng_state(drawn["cuda"])


def _order(work: Work) -> tuple[Tensor, ...]:
    """The rows of each batch of this epoch: a matter of seed and epoch alone, wherever random numbers are now."""
    import torch

    state, seed = work.state, _seed(work.context.seed, work.state.epoch)
    if not state.batch:
        torch.manual_seed(seed)
        order = work.feed.shuffled(work.plan.batch)
        work.engine.scatter(seed)
        return order
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return work.feed.shuffled(work.plan.batch)


def _epoch(work: Work) -> bool:
    """Once through all rows. Returns whether time is up; raises Broken when the loss is not a finite number."""
    state, plan, engine = work.state, work.plan, work.engine
    order = _order(work)
    if not state.batch:
        state.mark()
    state.network.train()
    heed = plan.schedule.heed(work.losses) if isinstance(plan.schedule, Heedful) else 1.0
    pending: list[Tensor] = []
    told = time.monotonic()
    for at in range(state.batch, len(order)):
        done = (state.epoch * len(order) + at) / (plan.epochs * len(order))
        rate = state.rate * state.slower * plan.schedule(done) * heed
        last = at + 1 == len(order)
        pending.append(_step(work, order[at], rate, last=last))
        if not last and (at + 1) % engine.every:
            continue  # asking a GPU for a number makes it wait, so it is asked for many at once
        state.total += engine.summed(pending)
        state.batch = at + 1
        pending.clear()
        if not math.isfinite(state.total):
            raise Broken
        if last:
            state.curves.rate.append(rate)
        else:
            work.keeper.in_epoch()
            if time.monotonic() - told > SAID:
                told = time.monotonic()
                _say(work, at + 1, len(order))
                if engine.many == 1 and work.context.remaining() == 0:
                    state.curves.rate.append(rate)
                    return True
    return engine.any(flag=work.context.remaining() == 0)


def _say(work: Work, batch: int, batches: int) -> None:
    state = work.state
    text = f"epoch {state.epoch + 1} of {work.plan.epochs}, loss {state.total / batch:.4g}"
    work.context.progress(text, state.epoch + batch / batches, work.plan.epochs)


def _step(work: Work, chosen: Tensor, rate: float, *, last: bool) -> Tensor:
    """Forward, loss, backward, update: steps 16 to 19 on one batch. Returns its loss, still on the device."""
    state, plan, engine, curves = work.state, work.plan, work.engine, work.state.curves
    loss = engine.slope(state, work.feed.take(chosen))
    state.scaler.unscale_(state.stepper)
    first = curves.first if state.epoch == state.batch == 0 and not curves.first.norms else None
    if first is not None:
        first.norms = slopes(state.network)
    length = engine.clip() if plan.clip or last else None
    for group in state.stepper.param_groups:
        group["lr"] = rate
    watched = watch(state.network, first, rate) if first is not None else None
    before = [p.detach().clone() for p in engine.parameters] if last else []
    state.scaler.step(state.stepper)
    state.scaler.update()
    for regularizer in plan.regularizers:
        regularizer.after(state.network, rate)
    if first is not None and watched is not None:
        first.after = float(watched.detach()[tuple(first.place)])
    if last and length is not None:
        curves.gradient.append(float(length))
        curves.update.append(moved(before, engine.parameters))
    return loss


def _judged(work: Work) -> float | None:
    """Mean loss on the rows that are not learned from, with the weights that would be kept; None without such rows."""
    if work.check is None:
        return None
    with _kept(work):
        held = _measure(work)
    if not math.isfinite(held):
        raise Broken
    return held


def _measure(work: Work) -> float:
    import torch

    assert work.check is not None, "no rows to judge by"
    network, loss = work.state.network, work.plan.loss
    network.eval()
    with torch.no_grad():
        losses = [loss(network(b.x), b.y).double().cpu().numpy() for b in work.check.looked()]
    return float(np.average(np.concatenate(losses), weights=work.check.rows.weight))


@contextmanager
def _kept(work: Work) -> Iterator[None]:
    """In here the network has the weights that a regularizer wants kept, where one does (averaged ones)."""
    other = _chosen(work.plan)
    if other is None:
        yield
        return
    network = work.state.network
    own = {n: v.clone() for n, v in network.state_dict().items()}
    network.load_state_dict(other)
    try:
        yield
    finally:
        network.load_state_dict(own)


def _chosen(plan: Plan) -> dict[str, Tensor] | None:
    found = [w for r in plan.regularizers if (w := r.weights()) is not None]
    return dict(found[-1]) if found else None


def _close(work: Work, held: float | None) -> None:
    """An epoch is behind: its losses into the curves, its weights kept if they are the best."""
    state, curves = work.state, work.state.curves
    curves.train.append(state.total / state.batch)
    if held is not None:
        curves.validation.append(held)
    state.epoch += 1
    if not state.best or held is None or held < min(curves.validation[:-1]):
        weights = _chosen(work.plan) or state.network.state_dict()
        curves.best, state.best = state.epoch, {n: v.detach().clone() for n, v in weights.items()}
    state.batch, state.total = 0, 0.0
    against = "" if held is None else f" and {held:.4g} on validation rows"
    text = f"epoch {state.epoch} of {work.plan.epochs}: loss {curves.train[-1]:.4g}{against}"
    work.context.progress(text, state.epoch, work.plan.epochs)


def _end(work: Work) -> Curves:
    """The weights to keep into the network, and a last look at it."""
    state, curves, plan = work.state, work.state.curves, work.plan
    if any(r.restores for r in plan.regularizers) and state.best:
        state.network.load_state_dict(state.best)
    else:
        curves.best = len(curves.train)
        if (averaged := _chosen(plan)) is not None:
            state.network.load_state_dict(averaged)
    x = work.feed.first(GLANCED).x
    curves.units = idle_units(state.network, x)
    curves.causes = likely(curves, x) if idle(curves) else []
    curves.settings |= {"parts": state.parts, **work.engine.settings}
    curves.forecast["held"] = peak_bytes()
    state.network.eval()
    return curves


def _seed(seed: int, epoch: int) -> int:
    """A seed for one epoch; -1 is before the first."""
    return int(np.random.SeedSequence([seed, epoch] if epoch >= 0 else [seed, 0, 1]).generate_state(1)[0])
