"""Annotations: what people said of rows, in one SQLite file, an answer at a time, never overwritten.

A row is known by its key: its own id where there is one, else a hash of what stands in it, so that labels stay with
their rows when rows are added, moved or dropped. Rows that are the same in every cell share a label.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import DataError, Fault

__all__ = ["Annotations", "Answer", "key_of"]

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
  at INTEGER PRIMARY KEY, key TEXT NOT NULL, annotator TEXT NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL,
  value TEXT, guess TEXT, seconds REAL, row TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answers_key ON answers (key, annotator);
CREATE TABLE IF NOT EXISTS classes (place INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
"""


@dataclass(frozen=True)
class Answer:
    """One answer: ``value`` is a class, an amount, a list of boxes, or None where the row was skipped."""

    key: str
    annotator: str
    value: Any
    time: float = 0.0
    guess: Any = None
    seconds: float | None = None
    row: Mapping[str, Any] | None = None
    at: int = 0


def key_of(row: Mapping[str, Any], id_column: str | None = None) -> str:
    """The name of a row: the value of its id column, or a hash of all its cells in order of their names."""
    if id_column is not None:
        return f"id:{row[id_column]}"
    told = json.dumps({k: row[k] for k in sorted(row)}, ensure_ascii=False, default=str, separators=(",", ":"))
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Annotations:
    """The store. Every method opens its own connection, so that one may be shared by threads."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def prepare(self) -> "Annotations":
        """Make the file and its tables if they are not there; raises DataError where that cannot be."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._connect() as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(_TABLES)
        except (sqlite3.DatabaseError, OSError) as error:
            raise DataError(Fault(str(self.path), f"cannot hold labels: {error}.")) from None
        return self

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection whose transaction is on disk when the block ends, or undone if it raises."""
        db = sqlite3.connect(self.path, timeout=30.0)
        try:
            db.execute("PRAGMA synchronous = FULL")
            with db:
                yield db
        finally:
            db.close()

    def put(self, answers: Iterable[Answer]) -> None:
        """Keep answers, all of them or none; they are on disk when this returns."""
        with self._connect() as db:
            db.executemany(
                "INSERT INTO answers (key, annotator, time, kind, value, guess, seconds, row) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (a.key, a.annotator, a.time, "skip" if a.value is None else "label", _json(a.value), _json(a.guess),
                     a.seconds, json.dumps(dict(a.row or {}), ensure_ascii=False, default=str))
                    for a in answers
                ],
            )  # fmt: skip

    def undo(self, annotator: str) -> Answer | None:
        """Take back this annotator's last answer: it stays in the file, marked; None where there is none left."""
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            found = db.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE annotator = ? AND kind IN ('label', 'skip') "  # noqa: S608
                "ORDER BY at DESC LIMIT 1",
                (annotator,),
            ).fetchone()
            if found is None:
                return None
            db.execute("UPDATE answers SET kind = 'undone ' || kind WHERE at = ?", (found[0],))
        return _answer(found)

    def answers(self) -> list[Answer]:
        """The answer that holds of each row and annotator (the last that was not undone), oldest first."""
        if not self.path.is_file():
            return []
        try:
            with self._connect() as db:
                rows = db.execute(
                    f"SELECT {_COLUMNS} FROM answers WHERE at IN "  # noqa: S608 - the columns are ours
                    "(SELECT MAX(at) FROM answers WHERE kind IN ('label', 'skip') GROUP BY key, annotator) ORDER BY at"
                ).fetchall()
        except sqlite3.DatabaseError as error:
            raise DataError(Fault(str(self.path), f"is not a store of labels: {error}.")) from None
        return [_answer(r) for r in rows]

    def add_class(self, name: str) -> None:
        with self._connect() as db:
            db.execute("INSERT OR IGNORE INTO classes (name) VALUES (?)", (name,))

    def classes(self) -> list[str]:
        """Classes that were added while labeling, in order."""
        with self._connect() as db:
            return [str(n) for (n,) in db.execute("SELECT name FROM classes ORDER BY place")]

    def digest(self) -> str:
        """Names what was answered: the same for the same answers, wherever and whenever they were written down."""
        told = sorted(json.dumps([a.key, a.annotator, a.value], sort_keys=True) for a in self.answers())
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


_COLUMNS = "at, key, annotator, time, value, guess, seconds, row"


def _answer(row: tuple[Any, ...]) -> Answer:
    at, key, annotator, time, value, guess, seconds, told = row
    return Answer(key, annotator, _read(value), time, _read(guess), seconds, json.loads(told), at)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
