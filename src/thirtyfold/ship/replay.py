"""Replay: the same rows through every way in which a Package can be asked; do all of them answer the same?"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.content import embedded
from thirtyfold.core.door import Door, typed
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.ship.server.schema import example_rows

__all__ = [
    "TOLERANCE",
    "Outcome",
    "as_written",
    "compare",
    "in_batches",
    "json_rows",
    "over_http",
    "requests_of",
    "sent",
]

TOLERANCE = 1e-5
"""By how much numbers may differ, times the size of the number where that is above 1, and for values at least times
their standard deviation: graphs compute in float32, and the sum of many trees loses digits of its largest part."""


@dataclass(frozen=True)
class Outcome:
    """How one way compares with Python: ``wrong`` are the positions of rows that differ, ``edge`` how many rows lie so
    close to the border of two answers that both are right.
    """

    way: str
    rows: int
    largest: float = 0.0
    wrong: tuple[int, ...] = ()
    edge: int = 0
    why: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.wrong and not self.why


def compare(way: str, package: Package, raw: Array, columns: Mapping[str, Array], found: pl.DataFrame) -> Outcome:
    """Answers that came by another way with the Package's own on the same rows."""
    wanted = package.task.decode(raw, columns)
    if found.columns != wanted.columns or found.height != wanted.height:
        shape = f"{found.height} rows of {', '.join(found.columns)}"
        return Outcome(
            way, wanted.height, why=f"gave {shape}; Python {wanted.height} rows of {', '.join(wanted.columns)}"
        )
    wrong = np.zeros(wanted.height, dtype=bool)
    border = _border(package, raw, columns, found)
    largest = 0.0
    for name in wanted.columns:
        a, b = found[name], wanted[name]
        if not b.dtype.is_float():
            wrong |= (a != b).to_numpy() & ~border
            continue
        given, own = a.cast(pl.Float64).to_numpy(), b.to_numpy()
        spread = 1.0 if package.task.classes or not len(own) else max(1.0, float(np.std(own)))
        off = np.abs(given - own) / np.maximum(spread, np.abs(own))
        off = np.where(np.isnan(given) & np.isnan(own), 0.0, np.nan_to_num(off, nan=np.inf))
        if name == "confidence":
            off = np.where(border, 0.0, off)
        largest = max(largest, float(off.max(initial=0.0)))
        wrong |= off > TOLERANCE
    return Outcome(way, wanted.height, largest, tuple(np.flatnonzero(wrong).tolist()), int(border.sum()))


def _border(package: Package, raw: Array, columns: Mapping[str, Array], found: pl.DataFrame) -> Array:
    """Rows whose other label is also right, because the raw answer is within the tolerance of the border."""
    classes = package.task.classes
    if not classes:
        return np.zeros(len(raw), dtype=bool)
    place = {label: code for code, label in enumerate(classes)}
    codes = np.array([place.get(v, -1) for v in found["prediction"].to_list()], dtype=np.int64)
    own = package.task.decide(raw, columns)
    other = np.flatnonzero((codes != own) & (codes >= 0))
    border = np.zeros(len(raw), dtype=bool)
    if len(other):
        moved = raw[other].copy()
        moved[np.arange(len(other)), own[other]] -= TOLERANCE
        moved[np.arange(len(other)), codes[other]] += TOLERANCE
        border[other] = package.task.decide(moved, {n: x[other] for n, x in columns.items()}) == codes[other]
    return border


def as_written(package: Package, frame: pl.DataFrame, columns: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    """Typed columns with text as it was written, so that a graph must apply markers and spellings itself.

    Also returns in how many cells the door knew a spelling that no table holds (by case, accents, punctuation); there
    the door's own reading is taken, because a graph cannot do that. Rows that are made of histories were read already.
    """
    if package.windows is not None:
        return dict(columns), 0
    texts = [c for c in package.columns if typed(c).dtype == "text" and not hasattr(typed(c), "content")]
    plain = tuple(replace(c, spellings={}, markers=()) for c in texts)
    out, rescued = dict(columns), 0
    if not plain:
        return out, 0
    table, _ = Door(plain).table(frame)
    for column in package.columns:
        if column.name not in table.columns:
            continue
        written = table[column.name].to_numpy().astype(object)
        known = columns[column.name]
        read = [None if v in column.markers else column.spellings.get(v, v) for v in written]
        differs = np.array([a != b for a, b in zip(read, known, strict=True)], dtype=bool)
        rescued += int(differs.sum())
        out[column.name] = np.where(differs, known, written)
    return out, rescued


def sent(package: Package, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of the Package's columns as a client would send them: a file goes with the row, not its name."""
    names = [c.name for c in package.columns if hasattr(typed(c), "content")]
    rows = json_rows(frame.select(c.name for c in package.columns))
    return [{**row, **{n: embedded(row[n]) for n in names}} for row in rows] if names else rows


def requests_of(package: Package, frame: pl.DataFrame) -> list[list[dict[str, Any]]]:
    """What may be asked at once: each row of the frame, or a history where these come in."""
    if package.windows is not None:
        return [example_rows(package)]
    return [[row] for row in sent(package, frame)]


def json_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client would send them: dates as ISO text, what JSON cannot say as null."""
    return [{name: _plain(value) for name, value in row.items()} for row in frame.to_dicts()]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else str(value)


def in_batches(rows: Sequence[Mapping[str, Any]], batch: int = 250) -> list[Sequence[Mapping[str, Any]]]:
    """The first row alone, the rest in batches."""
    return [rows[:1], *(rows[at : at + batch] for at in range(1, len(rows), batch))]


def over_http(package: Package, requests: Sequence[Sequence[Mapping[str, Any]]]) -> pl.DataFrame:
    """Start the real server on a loopback port and ask it; the answers of all requests, one below the other."""
    from http.client import HTTPConnection

    answers: list[dict[str, Any]] = []
    with _running(package) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for part in requests:
            body = part[0] if len(part) == 1 else {"rows": part}
            connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            told = json.loads(response.read())
            if response.status != 200:
                connection.close()
                return pl.DataFrame({"status": [response.status], "detail": [json.dumps(told)[:500]]})
            answers += told["predictions"]
        connection.close()
    schema = dict.fromkeys(answers[0]) if answers else {}
    return pl.DataFrame({name: [a[name] for a in answers] for name in schema})


@contextmanager
def _running(package: Package) -> Iterator[int]:
    """The server in a thread, on a free port, with its traffic in a folder that is thrown away."""
    import tempfile
    import threading
    from queue import SimpleQueue

    from thirtyfold.core.traffic import Traffic
    from thirtyfold.ship.server.app import create_app
    from thirtyfold.ship.server.serve import server_of

    with tempfile.TemporaryDirectory(prefix="thirtyfold-") as folder:
        told: SimpleQueue[str] = SimpleQueue()
        server = server_of(create_app(package, Traffic(f"{folder}/traffic.sqlite")), "127.0.0.1", 0, told.put)
        thread = threading.Thread(target=server.run, name="replay", daemon=True)
        thread.start()
        try:
            yield int(told.get(timeout=60).rsplit(":", 1)[1])
        finally:
            server.should_exit = True
            thread.join(timeout=60)
