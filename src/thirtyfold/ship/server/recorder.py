"""Recorder: writes traffic to disk in batches behind the requests; feedback is on disk before it is answered."""

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future

import numpy as np

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.traffic import Answered, Failed, Feedback, Traffic

__all__ = ["Recorder"]

log = logging.getLogger("thirtyfold.server")

_Arrays = Mapping[str, Array]


def _together(parts: list[_Arrays]) -> list[_Arrays]:
    """Columns of many requests as those of one, for each set of names (a swap may change them)."""
    like: dict[tuple[str, ...], list[_Arrays]] = {}
    for part in parts:
        like.setdefault(tuple(part), []).append(part)
    return [{n: np.concatenate([p[n] for p in same]) for n in names} for names, same in like.items()]


class Recorder:
    """One thread that owns all writing. ``seen`` is called there with the typed columns of answered rows.

    Predictions are on disk within ``wait`` seconds and at ``close``. While the disk refuses, up to ``hold`` requests
    are kept in memory and tried again; ``dropped`` counts what was lost after that.
    """

    def __init__(
        self, traffic: Traffic, seen: Callable[[_Arrays], None], wait: float = 0.5, hold: int = 100_000
    ) -> None:
        self.traffic, self.seen, self.wait, self.hold = traffic.prepare(), seen, wait, hold
        self.dropped = 0
        self._answered: deque[tuple[Answered, _Arrays]] = deque()
        self._failed: deque[Failed] = deque()
        self._feedback: deque[tuple[Feedback, Future[bool]]] = deque()
        self._wake, self._closing = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Requests not on disk yet."""
        return len(self._answered) + len(self._failed)

    def answered(self, answered: Answered, columns: _Arrays) -> None:
        """Keep an answered request; returns at once."""
        self._answered.append((answered, columns))

    def failed(self, failed: Failed) -> None:
        """Keep a request that was refused or failed; returns at once."""
        self._failed.append(failed)

    def feedback(self, feedback: Feedback) -> "Future[bool]":
        """Keep a feedback; the result is True once it is on disk, False when there is no such prediction."""
        done: Future[bool] = Future()
        self._feedback.append((feedback, done))
        self._wake.set()
        return done

    def close(self) -> None:
        """Write what is left and stop."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self.wait)
            self._wake.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        answered = [self._answered.popleft() for _ in range(len(self._answered))]
        failed = [self._failed.popleft() for _ in range(len(self._failed))]
        feedback = [self._feedback.popleft() for _ in range(len(self._feedback))]
        if not (answered or failed or feedback):
            return
        try:
            with self.traffic.connect() as db:
                self.traffic.put(db, [a for a, _ in answered], failed)
                found = [self.traffic.put_feedback(db, f) for f, _ in feedback]
        except sqlite3.Error as error:
            log.error("Traffic could not be written to %s: %s", self.traffic.path, error)
            self._keep(answered, failed)
            for _, done in feedback:
                done.set_exception(error)
            return
        for (_, done), is_known in zip(feedback, found, strict=True):
            done.set_result(is_known)
        for columns in _together([c for _, c in answered]):
            self.seen(columns)

    def _keep(self, answered: list[tuple[Answered, _Arrays]], failed: list[Failed]) -> None:
        room = max(0, self.hold - len(self))
        self.dropped += max(0, len(answered) - room)
        self._answered.extendleft(reversed(answered[len(answered) - min(room, len(answered)) :]))
        self._failed.extendleft(reversed(failed[: self.hold]))
