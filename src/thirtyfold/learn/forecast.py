"""Forecast: how much memory and time a training will take, from one small look at the network before the first step.

What autograd keeps for the backward pass is counted on a few rows with PyTorch's own hooks for saved tensors, and grows
with the rows of a batch; all else follows from the number of weights and from what this process holds already.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.learn.checkpointing import State
from thirtyfold.learn.feed import LOOKED, Feed
from thirtyfold.learn.graph import at_once
from thirtyfold.learn.guards import no_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from thirtyfold.learn.engine import Engine

__all__ = ["Forecast", "forecast", "peak_bytes"]

FEW = 8
"""Rows that are looked at."""
COPIES = 8
"""Numbers kept for each weight: itself, its slope, two of the optimizer, the best so far, and three to go back to."""
STILL = 3
"""Numbers kept for each weight that does not learn: itself, and twice more when the graph is drawn at the end."""
LATER = 150e6
"""Bytes of the libraries that test, compress and export bring along once training is over."""
SPARE = 0.9
"""Share of the free memory that may be used."""


class Forecast(NamedTuple):
    """Bytes, but for ``seconds``: how long all epochs take at most, judging included."""

    parameters: int
    state: float
    """Weights, slopes, optimizer and copies."""
    batch: float
    """What one batch, or one of its parts, adds while it is learned from."""
    judged: float
    """What the largest number of rows adds that are only answered."""
    peak: float
    """The most that this process will hold in memory."""
    seconds: float

    def told(self) -> dict[str, float]:
        """As evidence keeps it."""
        return {n: round(v, 3) for n, v in self._asdict().items()}


def forecast(state: State, engine: Engine, feed: Feed, check: Feed | None) -> Forecast:
    """Look ahead; splits a batch into more parts where it would not fit into the memory that is free.

    Raises DataError where not even the network itself fits. On a GPU nothing is split here: there the loop does it when
    the memory runs out.
    """
    network, plan = state.network, state.plan
    with _as_it_was(state):
        try:
            kept, largest = _by_row(state, feed)
        except RuntimeError as error:
            if not no_memory(error):
                raise
            hint = "Take a smaller network, or smaller pictures."
            raise DataError(Fault("model", "there is no memory for a single row.", hint=hint)) from None
        seconds = _seconds(state, engine, feed)
    width = 4 * feed.rows.x.shape[1]
    size = sum(p.numel() for p in network.parameters())
    learned = sum(p.numel() for p in engine.parameters)
    held = 4.0 * (COPIES * learned + STILL * (size - learned))
    row = kept + 2 * largest + 2 * width
    rows = min(plan.batch, len(feed))
    looked = max(1, min(8192, LOOKED // max(1, feed.rows.x.shape[1])))
    most = min(looked, len(check)) if check is not None else min(at_once(feed.rows.x.shape[1]), len(feed))
    judged = 2.5 * most * largest
    if not engine.gpu:
        _fit(state, held, row, rows)
    batch = row * -(-rows // state.parts)
    now, before = _rss(), peak_bytes()
    peak = max(before, now + held + max(batch, judged)) + LATER
    steps = plan.epochs * (-(-len(feed) // rows) + (len(check) / rows / 3 if check is not None else 0))
    return Forecast(size, held, batch, judged, peak, steps * seconds)


def _by_row(state: State, feed: Feed) -> tuple[float, float]:
    """Bytes for one row: all that forward keeps for backward, and the largest single thing of it."""
    import torch

    few = feed.first(min(FEW, len(feed), -(-state.plan.batch // state.parts)))
    own = {p.untyped_storage().data_ptr() for p in [*state.network.parameters(), *state.network.buffers()]}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:  # not all of the storage: the rows themselves are a part of all rows
            seen[place] = max(seen.get(place, 0), tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = state.plan.loss(state.network(few.x).float(), few.y).mean()
    del loss
    return sum(seen.values()) / len(few.x), max(seen.values(), default=0) / len(few.x)


def _seconds(state: State, engine: Engine, feed: Feed) -> float:
    """Of one batch, forward and backward."""
    batch = feed.first(state.plan.batch)
    begun = time.perf_counter()
    engine.slope(state, batch)
    state.stepper.zero_grad(set_to_none=True)
    return time.perf_counter() - begun


@contextmanager
def _as_it_was(state: State) -> Iterator[None]:
    """What is tried in here leaves no trace: no mean of a normalizing layer, no random number, no slope."""
    import torch

    held = {n: v.clone() for n, v in state.network.state_dict().items()}
    state.network.train()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        state.stepper.zero_grad(set_to_none=True)
        state.network.load_state_dict(held)


def _fit(state: State, held: float, row: float, rows: int) -> None:
    """As many parts as make a batch fit into what is free."""
    free = SPARE * _free()
    if held + row > free:
        need = f"the network needs {(held + row) / 1e9:.1f} GB with a single row, and {free / 1e9:.1f} GB are free."
        raise DataError(Fault("model", need, hint="Take a smaller network, or smaller pictures."))
    parts = state.parts
    while held + row * -(-rows // parts) > free and parts < rows:
        parts *= 2
    if parts > state.parts:
        state.curves.events.append(
            f"A batch of {rows:,} rows would take {row * rows / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: it is "
            f"computed in {parts} parts before its one step."
        )
        state.parts = parts


def _rss() -> float:
    """Bytes that this process holds now."""
    import psutil

    return float(psutil.Process().memory_info().rss)


def peak_bytes() -> float:
    """The most bytes that this process has held so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)


def _free() -> float:
    """Bytes that may still be taken: on this machine, and of what a container is allowed."""
    import psutil

    free = float(psutil.virtual_memory().available)
    for limit, used in _GROUPS.items():
        try:
            most, taken = Path(limit).read_text().strip(), Path(used).read_text().strip()
        except OSError:
            continue
        if most.isdigit():
            free = min(free, max(0.0, float(most) - float(taken)))
    return free


_GROUPS: Mapping[str, Any] = {
    "/sys/fs/cgroup/memory.max": "/sys/fs/cgroup/memory.current",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "/sys/fs/cgroup/memory/memory.usage_in_bytes",
}
"""Where Linux says what a container may take and has taken, in its second and in its first version."""
