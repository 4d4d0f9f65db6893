"""Guards: what may go wrong while learning, noticed at once, mended where it can be, and said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import np
from thirtyfold.learn.checkpointing import State
from thirtyfold.learn.feed import Feed
from thirtyfold.learn.seen import Curves

if TYPE_CHECKING:
    from torch import Tensor

    from thirtyfold.learn.parts import Plan

__all__ = ["Broken", "floor", "go_back", "idle", "likely", "no_memory", "split_further"]

BACKS = 6
"""Times that a training may go back before it is given up: the rate is a 64th then."""
SMALL = 0.005
"""A training that does better than the same answer for all by less than this share learned nothing."""


class Broken(ArithmeticError):
    """The loss of a batch or of the validation rows is not a finite number."""


def go_back(state: State, feed: Feed) -> None:
    """Back to the start of the epoch with half the step. Raises DataError when that has been done too often."""
    left = state.slower / 2
    where = f"epoch {state.epoch + 1}, batch {state.batch + 1}"
    if left < 0.5**BACKS:
        raise DataError(
            Fault(
                "model",
                f"the loss was not a finite number in {where}, though the step was halved {BACKS} times.",
                hint=_hint(feed),
            )
        )
    events = [*state.curves.events, f"In {where} the loss was not a finite number: back to the start of the epoch, "]
    events[-1] += f"with {left:.3g} of the rate from there on."
    state.put(state.start)
    curves = state.curves
    for series in (curves.rate, curves.gradient, curves.update):
        del series[state.epoch :]
    state.slower, curves.events = left, events
    state.mark()


def _hint(feed: Feed) -> str:
    """Where numbers that are not finite, or far too large, come from."""
    for start in range(0, len(feed), 8192):
        x, y = (np.asarray(a[start : start + 8192], dtype=np.float64) for a in (feed.rows.x, feed.rows.y))
        for name, values in (("inputs", x), ("target", y)):
            if not np.isfinite(values).all():
                row = start + int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(1)))
                return f"The {name} of training row {row} hold a number that is not finite."
            if np.abs(values).max(initial=0) > 1e6:
                return f"The {name} hold numbers up to {np.abs(values).max():.3g}: scale them."
    return "A lower learning rate, a smaller 'clip' or another initializer may help."


def no_memory(error: RuntimeError) -> bool:
    """Whether the device, or the machine, had no memory left."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def split_further(state: State, rows: int) -> None:
    """Compute a batch in twice as many parts from now on. Raises DataError when parts are single rows already."""
    import torch

    if state.parts >= rows:
        raise DataError(Fault("model", "there is no memory for a single row.", hint="Take a smaller network."))
    state.parts *= 2
    state.stepper.zero_grad(set_to_none=True)
    if state.plan.device.startswith("cuda"):
        torch.cuda.empty_cache()
    state.curves.events.append(
        f"Memory ran out in epoch {state.epoch + 1}, batch {state.batch + 1}: from there on a batch is computed in "
        f"{state.parts} parts of about {-(-rows // state.parts)} rows before its one step."
    )


def floor(plan: Plan, feed: Feed) -> float:
    """The loss of always giving the shares of the classes, or the mean: what takes no input to reach."""
    import torch

    y, weight = feed.truth(10_000)
    mean = (y * weight[:, None]).sum(0) / weight.sum().clamp_min(1e-12)
    same = mean.clamp_min(1e-9).log() if plan.loss.head == "softmax" else mean
    with torch.no_grad():
        losses = plan.loss(same.expand(len(y), -1), y)
    return float((losses * weight).sum() / weight.sum().clamp_min(1e-12))


def idle(curves: Curves, epochs: int = 3) -> bool:
    """Whether nothing was learned in ``epochs`` epochs or more: no loss is better than the same answer for all."""
    if len(curves.train) < epochs:
        return False
    return min(curves.train + curves.validation) > curves.floor * (1 - SMALL)


def likely(curves: Curves, x: Tensor) -> list[str]:
    """Likely causes of a training that learned nothing, the surest first."""
    causes = []
    still = [n for n, v in curves.first.norms.items() if v < 1e-9]
    if still:
        causes.append(f"The first gradient of {', '.join(still)} is zero: weights that start equal stay equal.")
    dead = [f"{n} ({d} of {m})" for n, (d, m) in curves.units.items() if d > m / 2]
    if dead:
        causes.append(f"Most units give the same for every row in {', '.join(dead)}: a lower rate keeps them alive.")
    if any("not a finite" in e for e in curves.events) or max(curves.train) > 3 * curves.floor:
        causes.append(f"The loss jumped (to {max(curves.train):.4g}): the learning rate is too high.")
    elif max(curves.update, default=1.0) < 1e-5:
        causes.append(f"A step moves the weights by {max(curves.update):.1e} of their size: the rate is too low.")
    same = float((x.amax(0) == x.amin(0)).float().mean())
    if same > 0.5:
        causes.append(f"{same:.0%} of the inputs are the same in every row looked at.")
    return causes or ["The inputs may tell nothing of the target, or rows and targets may not belong together."]
