"""Collect: any source to one Table, with where it came from and what could not be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import Evidence, TableView, counted
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.late import pl
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Table
from thirtyfold.data.naming import choice_of, source_of
from thirtyfold.data.reading import Read, Source, no_rows, outside_of, sha256_of

__all__ = ["Collect", "Collected", "choice_of", "source_of"]

SOURCES: Family[Source] = Family("data.sources")


def _contents(choice: Any) -> list[str]:
    """The hash of every file that a choice names, wherever it stands in it."""
    if isinstance(choice, dict):
        return [h for value in choice.values() for h in _contents(value)]
    if isinstance(choice, list):
        return [h for value in choice for h in _contents(value)]
    if isinstance(choice, str) and len(choice) < 4096 and Path(choice).is_file():
        return [sha256_of(Path(choice))]
    return []


class Collected(NamedTuple):
    """The gifts of this stage."""

    collected: Table
    lineage: dict[str, Any]
    quarantine: pl.DataFrame
    evidence: list[Evidence]


class Collect:
    """Steps 4 and 5: read every row, keep it as it is written, and say where it came from."""

    steps: ClassVar[tuple[int, ...]] = (4, 5)

    def __init__(self, spec: Spec) -> None:
        self.choice: Choice = spec.collect

    def outside(self) -> list[str]:
        """What decides the result besides the Spec: the content of the files that are read, not their names."""
        if self.choice == "frame":
            return []
        return [*_contents(self.choice), *outside_of(source_of(self.choice))]

    def run(self, frame: pl.DataFrame | None, context: Context) -> Collected:
        """Read the source, or take the frame given from Python."""
        if frame is not None:
            read = SOURCES.build("frame", "collect", frame=frame).read(context)
        else:
            read = source_of(self.choice).read(context)
        rows = read.frame
        if not rows.height:
            raise no_rows(str(read.lineage.get("address", "collect")), rows.columns)
        if ROW in rows.columns:
            raise DataError(Fault(ROW, "this column name is used by Thirtyfold itself.", hint="Rename the column."))
        table = Table.of(rows if read.numbered is None else read.numbered)
        return Collected(table, read.lineage, read.quarantine, _evidence(read))


def _evidence(read: Read) -> list[Evidence]:
    rows, lineage = read.frame, read.lineage
    bad = read.quarantine.height
    said = "".join(f" {note}" for note in lineage.get("notes", ())[:20])
    came = read.arrived.says() if read.arrived is not None else ""
    said = f" {came}{said}" if came else said
    lost = f" {counted(bad, 'line')} could not be read, kept in quarantine with the reason." if bad else ""
    numbers = {k: v for k, v in lineage.items() if k != "parts"} | {"quarantined": bad}
    numbers |= {"arrived": read.arrived._asdict()} if read.arrived is not None else {}
    head = TableView(
        "The first rows, as they came",
        tuple(rows.columns),
        tuple(tuple(_cell(v) for v in r) for r in rows.head(5).iter_rows()),
    )
    tables = [head]
    if bad:
        worst = read.quarantine.head(20)
        tables.append(
            TableView(
                "Quarantine",
                ("line", "reason", "text"),
                tuple((r, why, raw[:120]) for r, why, raw in worst.iter_rows()),
                f"{bad:,} in all",
            )
        )
    verb = "was read" if rows.height == 1 else "were read"
    collect = Evidence(
        4,
        f"{counted(rows.height, 'row')} of {counted(rows.width, 'column')} {verb} from {lineage['address']}."
        f"{lost}{said}",
        numbers,
        tuple(tables),
    )
    store = Evidence(
        5,
        f"The data is named by its content: {lineage['bytes']:,} bytes with the sha256 "
        f"{str(lineage['sha256'])[:16]}...; the rows are kept as "
        "they came, under a key made from this stage's choices.",
        {"sha256": lineage["sha256"], "bytes": lineage["bytes"], "memory": int(rows.estimated_size())},
        tuple(_parts(read)),
    )
    return [collect, store]


def _parts(read: Read) -> list[TableView]:
    """Where the rows came from, with what of them had been read before."""
    columns: tuple[str, ...] = ("address", "rows", "columns", "bytes", "sha256")
    rows = [tuple(p.get(c) for c in columns) for p in read.lineage.get("parts") or [read.lineage]]
    came = read.arrived
    if came is not None and len(rows) == 1:
        columns, rows = (*columns, "kept", "read anew"), [(*rows[0], came.known_rows, came.new_rows)]
    return [TableView("Lineage", columns, tuple(rows))]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
