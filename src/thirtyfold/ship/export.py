"""Step 29, first half: can everybody who asks this Package get the same answer? Exported, replayed, or refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.charts import bars
from thirtyfold.core.errors import SpecError
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Table
from thirtyfold.core.tested import Tested
from thirtyfold.core.verdict import Verdict
from thirtyfold.ship.card import card, metrics_json
from thirtyfold.ship.histories import History, histories
from thirtyfold.ship.measure import latency_ms, limits_of
from thirtyfold.ship.replay import TOLERANCE, Outcome, as_written, compare, in_batches, json_rows, over_http, sent
from thirtyfold.ship.server.schema import example_rows

__all__ = ["Export", "Exported", "Format"]

MOST = 20_000
"""Test rows that are replayed in process; taken evenly where there are more."""
OVER_HTTP = 1_000


class Format(Protocol):
    """A file that answers without us; ``thirtyfold.testing.check_format`` runs a member through it."""

    file: ClassVar[str]
    """Its name in the Package, under ``exports/``."""

    def write(self, package: Package) -> bytes:
        """The whole Package in this format; raises SpecError for what the format cannot say."""
        ...

    def answers(self, data: bytes, package: Package, columns: Mapping[str, Array]) -> pl.DataFrame:
        """Run the file, without the Package's own code, on typed columns; a frame like ``Package.predict`` gives."""
        ...


class Exported(NamedTuple):
    """``proof`` says whether every way gave the same answers; ``limits`` is one Verdict for each limit of the Spec."""

    exported: Package
    proof: Verdict
    limits: list[Verdict]
    evidence: list[Evidence]


class _Rows(NamedTuple):
    """Test rows as collected, and what Python answers; ``places`` are theirs in the test part, -1 for none."""

    frame: pl.DataFrame
    columns: dict[str, Array]
    raw: Array
    unread: int
    places: Array
    histories: tuple[History, ...] = ()
    """Where histories come in: those that the rows were made of, in order, each of as many rows as the horizon."""


class Export:
    """Write the formats, the card and an example; replay test rows in Python, in every format and over HTTP."""

    steps: ClassVar[tuple[int, ...]] = (29,)

    def __init__(self, spec: Spec) -> None:
        self.formats: list[Choice] = list(spec.export)
        self.purpose = {"goal": spec.goal, "users": spec.users}
        self.limits: dict[str, float] = {str(name): limit for name, limit in spec.limits.items()}

    def run(
        self,
        final: Package,
        collected: Table,
        test: Sealed,
        aim: Aim,
        result: Tested,
        lineage: dict[str, Any],
        ledger: pl.DataFrame,
        context: Context,
    ) -> Exported:
        context.progress("replaying test rows")
        rows = (_rows if final.windows is None else _foretold)(final, collected, test)
        outcomes = [_typed(final, test, rows)]
        files: dict[str, bytes] = {}
        for choice in self.formats:
            outcomes.append(_format(choice, final, rows, files))
        outcomes.append(_http(final, rows))
        posted = _requests(final, rows, 200)
        files["example.json"] = _example(final, posted)
        files["metrics.json"] = metrics_json(final, result)
        files["card.md"] = card(
            final.with_added({"example.json": files["example.json"]}),
            purpose=self.purpose,
            aim=aim,
            result=result,
            lineage=lineage,
            ledger=ledger,
            notes=_notes(outcomes),
        )
        exported = final.with_added(files)
        requests = posted or [example_rows(final)]
        limits, speed = limits_of(final, self.limits, requests), latency_ms(final, requests)
        evidence = _evidence(exported, rows, outcomes, limits, speed)
        return Exported(exported, _proof(exported, rows, outcomes), limits, [evidence])


def _rows(package: Package, collected: Table, test: Sealed) -> _Rows:
    """The test rows as collected, but those that the door refuses (in training they were cleaned to missing)."""
    numbers = test.table.rows
    if len(numbers) > MOST:
        numbers = numbers[np.linspace(0, len(numbers) - 1, MOST).astype(np.int64)]
    wanted = pl.DataFrame({ROW: numbers})
    frame = wanted.join(collected.frame, on=ROW, how="left", maintain_order="left")
    frame = frame.select(ROW, *(c.name for c in package.columns))
    table, faults = package.door.table(frame.drop(ROW))
    refused = {int(f.where.split(".")[1]) for f in faults}
    if refused:
        kept = np.array([i for i in range(len(frame)) if i not in refused], dtype=np.int64)
        frame, table = frame[kept], table.take(kept)
    columns = package.arrays(table)
    raw = package.raw(columns) if len(table) else np.zeros((0, package.task.outputs))
    place = {int(n): i for i, n in enumerate(test.table.rows)}
    places = np.array([place[int(n)] for n in frame[ROW].to_list()], dtype=np.int64)
    return _Rows(frame, columns, raw, len(refused), places)


def _foretold(package: Package, collected: Table, test: Sealed) -> _Rows:
    """Windows of the test part, each made anew of its history as collected."""
    found = histories(package, collected, test.table)
    windows = package.windows
    assert windows is not None
    made = [windows.ahead(windows.typed(windows.door.table(h.frame)[0]))[0] for h in found]
    columns = {n: np.concatenate([m[n] for m in made]) for n in made[0]}
    places = np.concatenate([h.places for h in found])
    numbers = np.where(places >= 0, test.table.rows[places], -1)
    frame = windows.heads(columns).with_columns(pl.Series(ROW, numbers, dtype=pl.Int64))
    own = {c.name: columns[c.name] for c in package.columns}
    return _Rows(frame, own, package.raw(own), 0, places, tuple(found))


def _requests(package: Package, rows: _Rows, most: int) -> list[list[dict[str, Any]]]:
    """What a client would send: one row each, or one history."""
    if package.windows is not None:
        return [json_rows(h.frame) for h in rows.histories[:most]]
    return [[row] for row in sent(package, rows.frame.head(most))]


def _example(package: Package, posted: list[list[dict[str, Any]]]) -> bytes:
    """Something to send, and the answer to it."""
    if package.windows is None:
        row = example_rows(package)[0]
        told: dict[str, Any] = {"row": row, "answer": package.predict_rows([row])[0]}
    else:
        history = (posted or [example_rows(package)])[-1]
        told = {"rows": history, "answers": package.predict_rows(history)}
    return json.dumps(told, indent=1, ensure_ascii=False).encode()


def _typed(package: Package, test: Sealed, rows: _Rows) -> Outcome:
    """The rows as training saw them against the same rows through the door of the Package."""
    here = np.flatnonzero(rows.places >= 0)
    if not len(here):
        return Outcome("training", 0)
    columns = {n: x[here] for n, x in rows.columns.items()}
    return compare("training", package, rows.raw[here], columns, package.predict(test.table.take(rows.places[here])))


def _format(choice: Choice, package: Package, rows: _Rows, files: dict[str, bytes]) -> Outcome:
    form: Format = Family[Format]("ship.formats").build(choice, "export")
    way = next(iter(choice)) if isinstance(choice, dict) else choice
    try:
        data = form.write(package)
    except SpecError as error:
        return Outcome(way, 0, why=f"cannot be written: {error}")
    files[form.file] = data
    if not len(rows.raw):
        return Outcome(way, 0)
    written, rescued = as_written(package, rows.frame.drop(ROW), rows.columns)
    outcome = compare(way, package, rows.raw, rows.columns, form.answers(data, package, written))
    numbers = {"bytes": len(data), "spellings_only_the_door_knows": rescued}
    return Outcome(way, outcome.rows, outcome.largest, outcome.wrong, outcome.edge, outcome.why, numbers)


def _http(package: Package, rows: _Rows) -> Outcome:
    """The rows posted to the real server, evenly chosen; or histories."""
    if not len(rows.raw):
        return Outcome("http", 0)
    count = len(rows.raw)
    if package.windows is not None:
        requests: Sequence[Any] = _requests(package, rows, OVER_HTTP // package.windows.horizon + 1)
        which = np.arange(len(requests) * package.windows.horizon)
    else:
        which = np.unique(np.linspace(0, count - 1, min(OVER_HTTP, count)).astype(np.int64))
        requests = in_batches(sent(package, rows.frame[which]))
    columns = {n: x[which] for n, x in rows.columns.items()}
    answers = over_http(package, requests)
    if package.windows is not None and "status" not in answers.columns:
        answers = answers.select(list(package.task.schema()["properties"]))
    found = compare("http", package, rows.raw[which], columns, answers)
    wrong = tuple(int(which[i]) for i in found.wrong)
    why = f"was answered with {answers.row(0)}" if "status" in answers.columns else found.why
    return Outcome("http", found.rows, found.largest, wrong, found.edge, why)


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    notes = []
    for outcome in outcomes:
        rescued = outcome.numbers.get("spellings_only_the_door_knows", 0)
        if rescued:
            notes.append(
                f"In `{outcome.way}` a spelling must be one that cleaning saw: {rescued:,} cells of the test rows were "
                "read by likeness of case, accents or punctuation, which only the Package and its server do."
            )
    return notes


def _proof(package: Package, rows: _Rows, outcomes: Sequence[Outcome]) -> Verdict:
    failed = [o for o in outcomes if not o.passed]
    shown = sorted({at for o in failed for at in o.wrong})[:10]
    evidence = {
        "rows": len(rows.raw),
        "ways": {o.way: {"rows": o.rows, "largest": o.largest, "wrong": len(o.wrong), "why": o.why} for o in outcomes},
        "differing": [
            {
                "row": int(rows.frame[ROW][at]),
                "python": package.task.answers(rows.raw[[at]], _one(rows, at))[0],
                **json_rows(rows.frame.drop(ROW)[[at]])[0],
            }
            for at in shown
        ],
    }
    largest = max((o.largest for o in outcomes), default=0.0)
    if failed:
        told = [f"{o.way} {o.why or f'differs in {len(o.wrong):,} of {o.rows:,} rows'}" for o in failed]
        return Verdict("export", False, "; ".join(told) + ".", largest, TOLERANCE, package.hash, evidence)
    ways = ", ".join(f"{o.way} ({o.rows:,} rows)" for o in outcomes)
    why = f"the same answers as in Python by {ways}; the largest difference is {largest:.1e}."
    return Verdict("export", True, why, largest, TOLERANCE, package.hash, evidence)


def _one(rows: _Rows, at: int) -> dict[str, Array]:
    return {n: x[at : at + 1] for n, x in rows.columns.items()}


def _evidence(
    package: Package, rows: _Rows, outcomes: Sequence[Outcome], limits: Sequence[Verdict], speed: float
) -> Evidence:
    failed = [o for o in outcomes if not o.passed]
    said = "; ".join(f"{o.way}: {o.why or f'{len(o.wrong):,} rows differ'}" for o in failed)
    largest = max((o.largest for o in outcomes), default=0.0)
    ways = ", ".join(f"{o.rows:,} by {o.way}" for o in outcomes)
    same = f"all gave the same answers (largest difference {largest:.1e}, {TOLERANCE:g} allowed)"
    why = f"{len(rows.raw):,} test rows were replayed ({ways}) and " + (f"refused: {said}." if failed else f"{same}.")
    why += f" The Package answers one row in {speed:.2f} ms and takes {package.size / 1e6:.2f} MB."
    if rows.unread:
        why += f" {rows.unread:,} rows hold a value that the door refuses and were left out."
    broken = [v for v in limits if not v.passed]
    why += f" Beyond the limits: {' '.join(v.why for v in broken)}" if broken else ""
    table = tuple(
        (o.way, o.rows, f"{o.largest:.1e}", len(o.wrong), o.edge, o.why or ("the same" if o.passed else "different"))
        for o in outcomes
    )
    view = TableView(
        "The same rows by every way", ("way", "rows", "largest difference", "differ", "on the border", ""), table
    )
    sizes = {n: len(d) for n, d in sorted(package.files.items())}
    picture = bars("Bytes of each file of the Package", list(sizes), list(sizes.values()))
    numbers = {
        "rows": len(rows.raw),
        "left_out": rows.unread,
        "largest_difference": largest,
        "ways": {o.way: {"rows": o.rows, "differ": len(o.wrong), **o.numbers} for o in outcomes},
        "latency_ms": round(speed, 4),
        "size_bytes": package.size,
        "limits": {v.name: {"value": v.value, "limit": v.limit, "passed": v.passed} for v in limits},
    }
    return Evidence(29, why, numbers, (view,), (picture,), "refused" if failed else "done")
