"""Review: decisions of a person on the ledger, by rule, column, value or row, as the Spec keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from thirtyfold.core.door import read_column
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.mending import Mending
from thirtyfold.core.table import ROW, Column, Table
from thirtyfold.data.draft import Change, Proposal, Stretch
from thirtyfold.data.ledger import FIXED

__all__ = ["Decision", "Review"]

_KEYS = ("rule", "column", "before", "row")


@dataclass(frozen=True)
class Decision:
    """Which lines of the ledger are meant: those that agree with all that is given; a rule also by its first words."""

    rule: str = ""
    column: str = ""
    before: str | None = None
    row: int | None = None

    @classmethod
    def of(cls, said: Any, where: str) -> "Decision":
        """From a rule's name, or from a mapping of rule, column, before, row."""
        if isinstance(said, str):
            return cls(rule=said)
        wrong = [k for k in said if k not in _KEYS]
        if wrong or not said:
            fault = f"there is no key '{wrong[0]}'." if wrong else "it names nothing."
            raise SpecError(Fault(where, fault, ", ".join(_KEYS), nearest(wrong[0], _KEYS) if wrong else ""))
        before = said.get("before")
        row = said.get("row")
        if row is not None and (isinstance(row, bool) or not isinstance(row, int) or row < 0):
            raise SpecError(Fault(f"{where}.row", f"must be the number of a row in the ledger, got {row!r}."))
        return cls(str(said.get("rule", "")), str(said.get("column", "")), None if before is None else str(before), row)

    def of_value(self, change: Change) -> bool:
        """Whether the whole change is meant, in every row."""
        return self.row is None and self._fits(change.rule, change.column, change.before)

    def _fits(self, rule: str, column: str, before: str | None) -> bool:
        named = rule.startswith(self.rule) and self.column in ("", column)
        return named and self.before in (None, before)

    def of_rows(self, aside: Iterable[tuple[int, str]]) -> set[int]:
        """The rows, among those set aside with a rule, that are meant."""
        if self.column or self.before is not None:
            return set()
        return {n for n, rule in aside if rule.startswith(self.rule) and self.row in (None, n)}

    def lines(self) -> pl.Expr:
        """The lines of the ledger that are meant."""
        chosen = pl.col("rule").str.starts_with(self.rule)
        if self.column:
            chosen &= pl.col("column") == self.column
        if self.before is not None:
            chosen &= pl.col("before") == self.before
        return chosen if self.row is None else chosen & (pl.col("row") == self.row)


class Review:
    """What a person undid and accepted: values in the columns, so that it holds at serving; single rows in the table.

    A decision on a row is about that row alone: at serving the value is treated as any other.
    """

    def __init__(self, undo: list[Any], accept: list[Any]) -> None:
        self.undo = [Decision.of(d, f"clean.undo.{i}") for i, d in enumerate(undo)]
        self.accept = [Decision.of(d, f"clean.accept.{i}") for i, d in enumerate(accept)]

    def decide(self, table: Table, said: Proposal, stretch: Stretch) -> Proposal:
        """The proposal with what was undone left out, and what was accepted put in."""
        if not (self.undo or self.accept):
            return said
        columns = {c.name: c for c in said.columns}
        changes: list[Change] = []
        undone: dict[str, set[str]] = {}
        taken: dict[str, dict[str, str | None]] = {}
        for change in said.changes:
            wanted = change.accepted
            if change.accepted and any(d.of_value(change) for d in self.undo):
                wanted = False
                undone.setdefault(change.column, set()).add(change.before)
            elif not change.accepted and change.rows is None and any(d.of_value(change) for d in self.accept):
                wanted = True
                taken.setdefault(change.column, {})[change.before] = change.after
            changes.append(replace(change, accepted=wanted))
        for name, values in undone.items():
            columns[name] = _without(columns.get(name, table.columns[name]), values)
        for name, to in taken.items():
            columns[name] = _with(columns.get(name, table.columns[name]), to, stretch)
        numbers = table.rows
        named = [(int(numbers[at]), rule) for at, rule in said.aside.items()]
        back = {n for d in self.undo for n in d.of_rows(named)}
        aside = {at: rule for at, rule in said.aside.items() if int(numbers[at]) not in back}
        return replace(said, columns=tuple(columns.values()), changes=tuple(changes), aside=aside)

    def rows(self, table: Table, ledger: pl.DataFrame) -> tuple[Table, pl.DataFrame]:
        """Decisions on single rows: the cell as it was written, or as it was proposed; and the ledger that says so."""
        cells: dict[str, dict[int, str | None]] = {}
        fixed = pl.any_horizontal(pl.col("rule").str.starts_with(r) for r in (*FIXED, "duplicate"))
        for decisions, accepted in ((self.undo, False), (self.accept, True)):
            for decision in decisions:
                if decision.row is None and not accepted:
                    continue  # done in the columns
                meant = decision.lines() & (pl.col("accepted") != accepted) & ~fixed
                for row, name, before, after in ledger.filter(meant).select("row", "column", "before", "after").rows():
                    cells.setdefault(name, {})[row] = after if accepted else before
                ledger = ledger.with_columns(pl.when(meant).then(accepted).otherwise("accepted").alias("accepted"))
        for name, values in cells.items():
            table = _set(table, name, values) if name in table.columns else table
        return table, ledger

    def unused(self, ledger: pl.DataFrame) -> list[str]:
        """Sentences on decisions that no line of the ledger answers to: the data may have changed."""
        return [
            f"The decision clean.{where}.{i} fits no change in this data."
            for where, decisions in (("undo", self.undo), ("accept", self.accept))
            for i, decision in enumerate(decisions)
            if not ledger.filter(decision.lines()).height
        ]


def _without(column: Column, values: set[str]) -> Column:
    """The column with these values left as they are written, also at serving."""
    mending = column.mending
    if mending is not None:
        kept = tuple(sorted({*mending.kept, *values}))
        mending = replace(mending, values={k: v for k, v in mending.values.items() if k not in values}, kept=kept)
    gone = {*values, *(f"{v}.0" for v in values), *(v.removesuffix(".0") for v in values)}
    return replace(
        column,
        markers=tuple(m for m in column.markers if m not in gone),
        spellings={k: v for k, v in column.spellings.items() if k not in values},
        mending=mending,
    )


def _with(column: Column, values: dict[str, str | None], stretch: Stretch) -> Column:
    """The column with proposed values taken, also at serving."""
    gone = tuple(v for v, after in values.items() if after is None)
    words = {v: after for v, after in values.items() if after is not None}
    column = replace(column, markers=tuple(dict.fromkeys((*column.markers, *gone))))
    if stretch == "raw" and words:
        mending = column.mending or Mending()
        return replace(column, mending=replace(mending, values={**mending.values, **words}))
    return replace(column, spellings={**column.spellings, **words})


def _set(table: Table, name: str, values: dict[int, str | None]) -> Table:
    """Cells read anew from what is written; rows that have left the table are left out."""
    plain = replace(table.columns[name], markers=(), spellings={}, mending=None)
    written = pl.Series(name, list(values.values()), dtype=pl.String)
    read = pl.DataFrame([pl.Series(ROW, list(values), dtype=pl.Int64), read_column(plain, written)[0].alias("new")])
    joined = table.frame.join(read, on=ROW, how="left", maintain_order="left")
    taken = pl.when(pl.col(ROW).is_in(list(values))).then("new").otherwise(name).alias(name)
    return replace(table, frame=joined.with_columns(taken).drop("new"))
