"""Traffic: what a served Package was asked, what it answered, what went wrong, and what was true in the end.

One SQLite file in WAL mode: one process writes, any number read at the same time. What a write method has returned from
is on disk. Times are seconds since 1970.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thirtyfold.core.late import pl

__all__ = ["Answered", "Failed", "Feedback", "Traffic"]

_TABLES = """
CREATE TABLE IF NOT EXISTS predictions (
  id TEXT PRIMARY KEY, time REAL NOT NULL, model TEXT NOT NULL, row TEXT NOT NULL, answer TEXT NOT NULL,
  latency_ms REAL NOT NULL, status INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS predictions_time ON predictions (time);
CREATE TABLE IF NOT EXISTS failures (
  time REAL NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL, why TEXT NOT NULL, latency_ms REAL NOT NULL);
CREATE INDEX IF NOT EXISTS failures_time ON failures (time);
CREATE TABLE IF NOT EXISTS feedback (
  at INTEGER PRIMARY KEY, prediction TEXT NOT NULL, time REAL NOT NULL, truth TEXT, thumb INTEGER,
  comment TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS feedback_time ON feedback (time);
CREATE INDEX IF NOT EXISTS feedback_prediction ON feedback (prediction);
"""

_PREDICTIONS = {
    "id": pl.String,
    "time": pl.Float64,
    "model": pl.String,
    "row": pl.String,
    "answer": pl.String,
    "latency_ms": pl.Float64,
    "status": pl.Int64,
}
_FAILURES = {"time": pl.Float64, "model": pl.String, "status": pl.Int64, "why": pl.String, "latency_ms": pl.Float64}
_FEEDBACK = {
    "id": pl.String,
    "time": pl.Float64,
    "truth": pl.String,
    "thumb": pl.Int64,
    "comment": pl.String,
    "asked": pl.Float64,
    "model": pl.String,
    "row": pl.String,
    "answer": pl.String,
}


@dataclass(frozen=True)
class Answered:
    """One request that was answered. Its row number i is stored as the prediction ``<id>-<i>``."""

    id: str
    time: float
    model: str
    rows: Sequence[Mapping[str, Any]]
    answers: Sequence[Mapping[str, Any]]
    latency_ms: float
    status: int = 200


@dataclass(frozen=True)
class Failed:
    """One request that was not answered, and why."""

    time: float
    model: str
    status: int
    why: str
    latency_ms: float = 0.0


@dataclass(frozen=True)
class Feedback:
    """What a user said of one prediction: the true answer, a thumb (1 up, -1 down), words, or several of these."""

    prediction: str
    time: float
    truth: Any = None
    thumb: int | None = None
    comment: str = ""


class Traffic:
    """The store. Every method opens its own connection, so that one Traffic may be shared by threads."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def prepare(self) -> Traffic:
        """Make the file and its tables if they are not there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.connect() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_TABLES)
        return self

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """A connection whose transaction is on disk when the block ends, or undone if it raises."""
        db = sqlite3.connect(self.path, timeout=30.0)
        try:
            db.execute("PRAGMA synchronous = FULL")
            with db:
                yield db
        finally:
            db.close()

    def write(self, answered: Iterable[Answered] = (), failed: Iterable[Failed] = ()) -> None:
        with self.connect() as db:
            self.put(db, answered, failed)

    @staticmethod
    def put(db: sqlite3.Connection, answered: Iterable[Answered] = (), failed: Iterable[Failed] = ()) -> None:
        """``write`` inside a transaction that the caller ends."""
        db.executemany(
            "INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (f"{a.id}-{i}", a.time, a.model, _json(row), _json(answer), a.latency_ms, a.status)
                for a in answered
                for i, (row, answer) in enumerate(zip(a.rows, a.answers, strict=True))
            ),
        )
        db.executemany(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?)",
            ((f.time, f.model, f.status, f.why, f.latency_ms) for f in failed),
        )

    def feed(self, feedback: Feedback) -> bool:
        """Keep a feedback; False when there is no such prediction."""
        with self.connect() as db:
            return self.put_feedback(db, feedback)

    @staticmethod
    def put_feedback(db: sqlite3.Connection, feedback: Feedback) -> bool:
        """``feed`` inside a transaction that the caller ends."""
        found = db.execute("SELECT 1 FROM predictions WHERE id = ?", (feedback.prediction,)).fetchone()
        if found is None:
            return False
        truth = None if feedback.truth is None else _json(feedback.truth)
        db.execute(
            "INSERT INTO feedback (prediction, time, truth, thumb, comment) VALUES (?, ?, ?, ?, ?)",
            (feedback.prediction, feedback.time, truth, feedback.thumb, feedback.comment),
        )
        return True

    def predictions(
        self, since: float = 0.0, until: float = float("inf"), model: str | None = None, last: int | None = None
    ) -> pl.DataFrame:
        """Answered rows of [since, until), oldest first: id, time, model, row and answer as JSON, latency_ms, status.

        ``last`` keeps only the newest so many; latency is that of the whole request.
        """
        return self._read("predictions", list(_PREDICTIONS), _PREDICTIONS, (since, until, model, last))

    def failures(
        self, since: float = 0.0, until: float = float("inf"), model: str | None = None, last: int | None = None
    ) -> pl.DataFrame:
        """Requests of [since, until) that were not answered, oldest first: time, model, status, why, latency_ms."""
        return self._read("failures", list(_FAILURES), _FAILURES, (since, until, model, last))

    def feedback(
        self, since: float = 0.0, until: float = float("inf"), model: str | None = None, last: int | None = None
    ) -> pl.DataFrame:
        """Feedback given in [since, until), with the prediction it is about (``asked`` is when that was made).

        Where one prediction got several, each is here; the last one with a truth holds.
        """
        table = "feedback AS f JOIN predictions AS p ON p.id = f.prediction"
        names = ["p.id", "f.time", "truth", "thumb", "comment", "p.time", "model", "row", "answer"]
        return self._read(table, names, _FEEDBACK, (since, until, model, last), time="f.time")

    def count(self, model: str | None = None, until: float = float("inf")) -> int:
        """How many rows were answered before a time."""
        if not self.path.is_file():
            return 0
        with self.connect() as db:
            query = "SELECT COUNT(*) FROM predictions WHERE time < ? AND (? IS NULL OR model = ?)"
            return int(db.execute(query, (until, model, model)).fetchone()[0])

    def trim(self, before: float) -> int:
        """Forget predictions, failures and feedback from before a time; returns how many predictions."""
        with self.connect() as db:
            gone = db.execute("DELETE FROM predictions WHERE time < ?", (before,)).rowcount
            db.execute("DELETE FROM failures WHERE time < ?", (before,))
            db.execute("DELETE FROM feedback WHERE prediction NOT IN (SELECT id FROM predictions)")
        return int(gone)

    def _read(
        self, table: str, names: list[str], schema: Mapping[str, Any], window: tuple[Any, ...], time: str = "time"
    ) -> pl.DataFrame:
        since, until, model, last = window
        if not self.path.is_file():
            return pl.DataFrame(schema=dict(schema))
        # Names of tables and columns are ours; every value is a parameter.
        query = f"SELECT {', '.join(names)} FROM {table} WHERE {time} >= ? AND {time} < ?"  # noqa: S608
        values: list[Any] = [since, until]
        if model is not None:
            query, values = f"{query} AND model = ?", [*values, model]
        query += f" ORDER BY {time} DESC" + (" LIMIT ?" if last is not None else "")
        with self.connect() as db:
            rows = db.execute(query, [*values, last] if last is not None else values).fetchall()
        return pl.DataFrame(rows[::-1], schema=dict(schema), orient="row")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
