"""Labeling: which row is asked next, of whom, and what was said; each answer is on disk before it is confirmed."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thirtyfold.core.annotations import Annotations, Answer
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.table import Table
from thirtyfold.data.exchange import Keyed, keyed, to_label_studio
from thirtyfold.data.useful import Ranked, look_at, media_features, rank

__all__ = ["Asked", "Work", "media_of"]

ENDINGS = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".avif"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".opus"),
    "video": (".mp4", ".webm", ".mov", ".mkv", ".ogv"),
}
POOL = 20_000
"""How many rows are ranked at a time; the others follow when these are done."""
EVERY = 10
"""The ranking is made anew after so many answers."""
LEASE = 600.0
"""For so many seconds a row that was shown to one person is not shown to another."""
LONGEST = 100_000


@dataclass(frozen=True)
class Asked:
    """What is to be labeled, and how."""

    name: str
    target: str
    classes: tuple[str, ...] = ()
    guidelines: str = ""
    guess: bool = True
    overlap: int = 1
    boxes: str | None = None
    amount: bool = False
    id: str | None = None
    first: tuple[int, ...] = ()
    """Rows to be shown first, although they may have a label: those under review."""


def media_of(table: Table, root: Path) -> dict[str, str]:
    """Which columns name files below ``root`` that can be shown or played: image, audio or video."""
    out = {}
    for name in table.columns:
        values = [v for v in table[name].drop_nulls().head(50).to_list() if isinstance(v, str)]
        for kind, endings in ENDINGS.items():
            hits = [v for v in values if v.lower().endswith(endings)]
            if hits and len(hits) > 0.8 * len(values) and any(_file(root, v) for v in hits):
                out[name] = kind
    return out


def _file(root: Path, value: str) -> Path | None:
    """The file that a cell names, if it lies below the root and has an ending that can be shown; else None."""
    if "\0" in value or not value.lower().endswith(tuple(e for ends in ENDINGS.values() for e in ends)):
        return None
    try:
        path = (root / value).resolve()
        return path if path.is_relative_to(root.resolve()) and path.is_file() else None
    except OSError:
        return None


@dataclass
class Work:
    """The rows, what was said of them, and who looks at which; shared by all requests."""

    table: Table
    asked: Asked
    store: Annotations
    root: Path
    keys: Keyed = field(init=False)
    media: dict[str, str] = field(init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ranking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.keys = keyed(self.table, self.asked.target, self.asked.id)
        columns = self.table.without(*([self.asked.target] if self.asked.target in self.table.columns else []))
        self.columns = columns
        self.media = media_of(columns, self.root)
        if self.asked.boxes is not None and self.media.get(self.asked.boxes) != "image":
            known = ", ".join(n for n, k in self.media.items() if k == "image") or "no column"
            raise DataError(Fault("label.by_hand.boxes", f"'{self.asked.boxes}' names no images.", known))
        self.place = {k: i for i, k in reversed(list(enumerate(self.keys.order)))}
        self.given = self._given()
        self.classes = self._classes()
        self.said: dict[str, dict[str, Any]] = {}
        for answer in self.store.answers():
            if answer.key in self.place:
                self.said.setdefault(answer.key, {})[answer.annotator] = answer.value
        self.leases: dict[str, tuple[str, float]] = {}
        self.matrix: Any = None
        self.guesses: dict[int, str] = {}
        self.sureness: dict[int, float] = {}
        self.order = self._first_order()
        self.since = 0

    # --- what there is

    def _given(self) -> dict[str, str]:
        """Labels that came with the data, by key."""
        if self.asked.target not in self.table.columns:
            return {}
        values = self.table[self.asked.target].to_list()
        pairs = ((k, v) for k, v in zip(self.keys.order, values, strict=True) if v is not None and str(v).strip())
        return {k: str(v).strip() for k, v in pairs}

    def _classes(self) -> list[str]:
        found = (
            sorted(set(self.given.values())) if not self.asked.amount and len(set(self.given.values())) <= 60 else []
        )
        base = list(self.asked.classes) or found
        return list(dict.fromkeys([*base, *self.store.classes()]))

    def _todo(self) -> list[int]:
        """Positions that may be asked: the first of each key, without a given label unless under review."""
        review = set(self.asked.first)
        return [at for key, at in self.place.items() if key not in self.given or at in review]

    def _first_order(self) -> list[int]:
        todo = self._todo()
        first = [at for at in self.asked.first if at in set(todo)]
        if self.asked.first:
            return first
        rng = np.random.default_rng(0)
        some = sorted(rng.choice(todo, POOL, replace=False).tolist()) if len(todo) > POOL else sorted(todo)
        self.pool = some
        return some

    def total(self) -> int:
        return len(self.asked.first) if self.asked.first else len(self._todo())

    def progress(self, annotator: str) -> dict[str, Any]:
        """How many rows there are, how many are done, and by whom."""
        with self._lock:
            who: dict[str, int] = {}
            for people in self.said.values():
                for person in people:
                    who[person] = who.get(person, 0) + 1
            done = sum(len(p) >= self.asked.overlap for p in self.said.values())
            skipped = sum(v is None for p in self.said.values() for v in p.values())
            return {
                "rows": self.total(),
                "done": done,
                "mine": who.get(annotator, 0),
                "skipped": skipped,
                "people": who,
            }

    def state(self, annotator: str) -> dict[str, Any]:
        """Everything that the page needs to begin."""
        kind = "boxes" if self.asked.boxes else "amount" if self.asked.amount else "class"
        return {
            "name": self.asked.name,
            "target": self.asked.target,
            "kind": kind,
            "classes": self.classes,
            "guidelines": self.asked.guidelines,
            "guess": self.asked.guess,
            "boxes": self.asked.boxes,
            "ranked": kind == "class" and not self.asked.first,
            "columns": [{"name": n, "kind": self.media.get(n, "text")} for n in self.columns.columns],
            "progress": self.progress(annotator),
        }

    # --- what is asked next

    def next(self, annotator: str, now: float, leave: str | None = None) -> dict[str, Any] | None:
        """The most useful row that this person has not answered and nobody else looks at; None when all is done."""
        with self._lock:
            for at in self.order:
                key = self.keys.order[at]
                people = self.said.get(key, {})
                holder, until = self.leases.get(key, ("", 0.0))
                free = holder in ("", annotator) or until < now
                if annotator not in people and len(people) < self.asked.overlap and free and key != leave:
                    self.leases[key] = (annotator, now + LEASE)
                    return self.item(at)
            return None

    def item(self, at: int) -> dict[str, Any]:
        """A row as the page shows it, with the guess if guesses are shown."""
        row = self.keys.rows[self.keys.order[at]]
        cells = []
        for place, name in enumerate(self.columns.columns):
            value, kind = row[name], self.media.get(name, "text")
            shown = None if value is None else str(value)[:LONGEST]
            address = f"media/{at}/{place}" if kind != "text" and value is not None else None
            cells.append({"name": name, "kind": kind, "value": shown, "address": address})
        said = {"key": self.keys.order[at], "row": int(self.table.rows[at]), "cells": cells}
        given = self.given.get(self.keys.order[at])
        if self.asked.guess and at in self.guesses:
            said |= {"guess": self.guesses[at], "sure": round(self.sureness[at], 3)}
        return said | ({"given": given} if given is not None else {})

    def file(self, at: int, place: int) -> Path | None:
        """The file that this cell names; None where it names none that may be served."""
        names = list(self.columns.columns)
        if not (0 <= at < len(self.keys.order) and 0 <= place < len(names)) or names[place] not in self.media:
            return None
        value = self.keys.rows[self.keys.order[at]][names[place]]
        return _file(self.root, value) if isinstance(value, str) else None

    # --- what is said

    def answer(self, annotator: str, key: str, value: Any, seconds: float | None, now: float) -> None:
        """Keep an answer (None skips). Raises DataError for a row or a value that cannot be."""
        if key not in self.place:
            raise DataError(Fault("key", f"there is no row {key!r}."))
        value = self._checked(value)
        guess = self.guesses.get(self.place[key]) if self.asked.guess else None
        kept = Answer(key, annotator, value, now, guess, seconds, self.keys.rows[key])
        with self._lock:
            self.store.put([kept])
            self.said.setdefault(key, {})[annotator] = value
            self.leases.pop(key, None)
            self.since += 1

    def _checked(self, value: Any) -> Any:
        if value is None:
            return None
        if self.asked.boxes is not None:
            return self._boxes(value)
        if self.asked.amount:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(Fault("value", f"{value!r} is not a number."))
            return value
        if value not in self.classes:
            raise DataError(Fault("value", f"{value!r} is not a class.", ", ".join(self.classes)))
        return value

    def _boxes(self, value: Any) -> list[dict[str, Any]]:
        out = []
        for box in value if isinstance(value, list) and len(value) <= 1000 else [None]:
            if not isinstance(box, dict) or box.get("label") not in self.classes:
                raise DataError(
                    Fault("value", "boxes are a list of label, x, y, width, height.", ", ".join(self.classes))
                )
            sides: list[Any] = [box.get(n) for n in ("x", "y", "width", "height")]
            if any(isinstance(s, bool) or not isinstance(s, int | float) or not -0.01 <= s <= 100.01 for s in sides):
                raise DataError(Fault("value", "x, y, width and height are percentages of the image."))
            names = ("x", "y", "width", "height")
            out.append({"label": box["label"], **{n: round(float(s), 3) for n, s in zip(names, sides, strict=True)}})
        return out

    def undo(self, annotator: str) -> dict[str, Any] | None:
        """Take back the person's last answer; the row with what was said, or None where nothing is left to undo."""
        with self._lock:
            back = self.store.undo(annotator)
            if back is None or back.key not in self.place:
                return None
            held = [a for a in self.store.answers() if a.key == back.key and a.annotator == annotator]
            self.said.get(back.key, {}).pop(annotator, None)
            if held:
                self.said[back.key][annotator] = held[-1].value
            self.leases[back.key] = (annotator, time.time() + LEASE)
            return {**self.item(self.place[back.key]), "said": back.value}

    def add_class(self, name: str) -> None:
        """A class that was not thought of before."""
        if not name.strip() or len(name) > 200:
            raise DataError(Fault("name", "a class has a name of 1 to 200 characters."))
        with self._lock:
            if name.strip() not in self.classes:
                self.store.add_class(name.strip())
                self.classes.append(name.strip())

    def exported(self) -> list[dict[str, Any]]:
        """All answers as Label Studio's tasks."""
        shown = self.media or dict.fromkeys(self.columns.columns, "text")
        return to_label_studio([a for a in self.store.answers() if a.key in self.place], shown)

    # --- which rows are most useful

    def due(self) -> bool:
        """Whether the ranking should be made anew."""
        return self.matrix is None or self.since >= EVERY

    def rank(self) -> None:
        """Rank the open rows by what is known by now; one at a time, beside the requests."""
        if (
            self.asked.boxes is not None
            or self.asked.amount
            or self.asked.first
            or not self._ranking.acquire(blocking=False)
        ):
            return
        try:
            if self.matrix is None:
                makers = {n: media_features(k, partial(_file, self.root)) for n, k in self.media.items()}
                self.matrix = look_at(self.columns.take(self.pool), makers)
            with self._lock:
                self.since = 0
                labels = dict(self.given)
                labels |= {k: v for k, p in self.said.items() for v in p.values() if isinstance(v, str)}
                open_ = [
                    i
                    for i, at in enumerate(self.pool)
                    if len(self.said.get(self.keys.order[at], {})) < self.asked.overlap
                ]
                classes = list(self.classes)
            code = {c: i for i, c in enumerate(classes)}
            pairs = [
                (i, code[labels[k]])
                for i, at in enumerate(self.pool)
                if (k := self.keys.order[at]) in labels and labels[k] in code
            ]
            labeled = np.array([i for i, _ in pairs], dtype=np.int64)
            codes = np.array([c for _, c in pairs], dtype=np.int64)
            self._take(rank(self.matrix, labeled, codes, len(classes), np.array(open_, dtype=np.int64)), classes)
        finally:
            self._ranking.release()

    def _take(self, found: Ranked, classes: Sequence[str]) -> None:
        with self._lock:
            ranked = [self.pool[i] for i in found.order.tolist()]
            more = [at for at in self._todo() if at not in set(self.pool)] if len(self.pool) < self.total() else []
            self.order = [*ranked, *more]
            if found.chances is not None:
                best, sure = found.chances.argmax(axis=1), found.chances.max(axis=1)
                self.guesses = {at: classes[int(k)] for at, k in zip(self.pool, best, strict=True)}
                self.sureness = {at: float(s) for at, s in zip(self.pool, sure, strict=True)}
