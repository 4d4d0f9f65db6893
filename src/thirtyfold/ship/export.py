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
from thirtyfold.ship.measure import latency_ms, limits_of
from thirtyfold.ship.replay import TOLERANCE, Outcome, as_written, compare, json_rows, over_http, sent
from thirtyfold.ship.server.schema import example_row

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
    """Test rows as collected, and what Python answers."""

    frame: pl.DataFrame
    columns: dict[str, Array]
    raw: Array
    unread: int


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
        rows = _rows(final, collected, test)
        outcomes = [_typed(final, test, rows)]
        files: dict[str, bytes] = {}
        for choice in self.formats:
            outcomes.append(_format(choice, final, rows, files))
        outcomes.append(_http(final, rows))
        posted = sent(final, rows.frame.head(200))
        example = example_row(final)
        answer = final.predict_rows([example])[0]
        files["example.json"] = json.dumps({"row": example, "answer": answer}, indent=1, ensure_ascii=False).encode()
        files["metrics.json"] = metrics_json(final, result)
        files["card.md"] = card(
            final,
            purpose=self.purpose,
            aim=aim,
            result=result,
            lineage=lineage,
            ledger=ledger,
            example=example,
            notes=_notes(outcomes),
        )
        exported = final.with_added(files)
        limits = limits_of(final, self.limits, posted or [example])
        speed = latency_ms(final, posted or [example])
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
    return _Rows(frame, columns, raw, len(refused))


def _typed(package: Package, test: Sealed, rows: _Rows) -> Outcome:
    """The rows as training saw them against the same rows through the door of the Package."""
    place = {int(n): i for i, n in enumerate(test.table.rows)}
    which = np.array([place[int(n)] for n in rows.frame[ROW].to_list()], dtype=np.int64)
    if not len(which):
        return Outcome("training", 0)
    return compare("training", package, rows.raw, rows.columns, package.predict(test.table.take(which)))


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
    """The rows posted to the real server, evenly chosen."""
    if not len(rows.raw):
        return Outcome("http", 0)
    count = len(rows.raw)
    which = np.unique(np.linspace(0, count - 1, min(OVER_HTTP, count)).astype(np.int64))
    columns = {n: x[which] for n, x in rows.columns.items()}
    answers = over_http(package, sent(package, rows.frame[which]))
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
