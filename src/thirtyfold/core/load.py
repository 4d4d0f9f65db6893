"""Load: how many threads to use, by what others keep busy.

LightGBM with two threads on a busy machine of two cores was seen to take a hundred times as long.
"""

import os
import threading
import time

__all__ = ["WORKERS", "free_threads"]

_FIRST = 0.05
"""Seconds that the first question takes; later ones look back to the one before."""


def _cores() -> int:
    cores: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return cores


WORKERS = min(8, _cores())
"""Threads for pieces of data: these wait for nothing of each other and, unlike a model's, lose nothing on a busy
machine; with more threads more pieces would be in memory at once.
"""


def free_threads() -> int:
    """The cores that this process may use, less those that others kept busy since the last question; at least one."""
    cores = _cores()
    return max(1, min(cores, int(cores - _WATCH.others() + 0.5)))


class _Watch:
    """Compares what all processes used with what ours did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[float, float, float] | None = None
        self._others = 0.0

    def others(self) -> float:
        """How many cores' worth of time processes other than this one and its children used, on average."""
        with self._lock:
            if self._last is None:
                self._last = _times()
                time.sleep(_FIRST)
            now, (then_wall, then_all, then_own) = _times(), self._last
            if now[0] - then_wall >= _FIRST:  # in less, the counters hardly move
                self._others = max(0.0, (now[1] - then_all) - (now[2] - then_own)) / (now[0] - then_wall)
                self._last = now
            return self._others


def _times() -> tuple[float, float, float]:
    """Seconds on the clock, of all processes together, and of ours with its ended children."""
    import psutil

    used = psutil.cpu_times()
    own = os.times()
    everyone = used.user + used.system + getattr(used, "nice", 0.0) + getattr(used, "irq", 0.0)
    return time.monotonic(), everyone + getattr(used, "softirq", 0.0), sum(own[:4])


_WATCH = _Watch()
