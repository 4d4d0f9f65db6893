"""relations: tables of a database joined along their foreign keys into one row for each row of one table."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import counted
from thirtyfold.core.family import Choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.aggregates import ALL, Kind, aggregates, same_types
from thirtyfold.data.databases import Database, ForeignKey, Gone, Session, asked, lineage_of, listed
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read, outside_of, quarantined, whole

__all__ = ["Relations"]


class Relations:
    """A row for each row of ``table``: what it points to beside it, what points to it counted and summed up.

    ``Invoice`` points to its ``Customer``: columns ``Customer.City`` ... (and on, up to ``depth`` keys away). Lines
    point to it: columns ``InvoiceLine.count``, ``InvoiceLine.Quantity.sum``, ``InvoiceLine.Track.Genre.Name.most_frequent``
    .... Ways that go up to a row and down again to others of its kind are not taken: they would lead back to the row
    itself. ``leave_out`` names columns by pattern (``InvoiceLine.UnitPrice.*``): those that hold the answer, for a sum
    over the many side often is the target.
    """  # noqa: E501 - a name of a column

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        database: Choice,
        table: str,
        depth: Annotated[int, Field(ge=0, le=5)] = 2,
        aggregates: list[Kind] | None = None,
        leave_out: list[str] | None = None,
    ) -> None:
        self.opened: Any = source_of(database, "collect.relations.database")
        if not hasattr(self.opened, "behind"):
            _refuse_other(self.opened)
        self.table, self.depth = table, depth
        self.aggregates, self.leave_out = tuple(aggregates or ALL), tuple(leave_out or ())

    def read(self, context: Context) -> Read:
        """Every row of the table with what belongs to it."""
        frame, used, unmatched = self._frame(None, context)
        missing = [p for p in self.leave_out if p not in used["left out by"]]
        notes = [
            f"{counted(n, 'row')} of {way} {'points' if n == 1 else 'point'} to no row."
            for way, n in sorted(unmatched.items())
        ]
        more = {
            "format": "relations",
            "tables": used["tables"],
            "unmatched": unmatched,
            "notes": notes,
            "left_out": used["left out"],
        }
        if missing:
            raise DataError(
                [
                    Fault("collect.relations.leave_out", f"no column is named '{p}'.", ", ".join(frame.columns))
                    for p in missing
                ]
            )
        where = getattr(self.opened, "address", self.database.where) if self.opened is not self.database else None
        return Read(frame, quarantined(), lineage_of(frame, where or self.database.where, **more))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows; the tables are read whole, for a count of a part would be wrong."""
        return self._frame(rows, None)[0]

    @cached_property
    def database(self) -> Database:
        """The database; behind an address it is fetched now."""
        opened = self.opened.behind() if hasattr(self.opened, "behind") else self.opened
        _refuse_other(opened)
        return cast(Database, opened)

    def outside(self) -> list[str]:
        """What the database says."""
        return outside_of(self.opened)

    def _frame(self, rows: int | None, context: Context | None) -> tuple[pl.DataFrame, dict[str, Any], dict[str, int]]:
        try:
            with self.database.open() as session:
                listed(session, self.database.where, self.table)
                walk = _Walk(session, self.database.where, session.keys(), self.aggregates, context)
                frame = walk.around(self.table, self.depth)
        except Gone as error:
            raise DataError(Fault(self.database.where, f"the database says: {str(error).strip()[:300]}.")) from None
        out = {c: p for c in frame.columns for p in self.leave_out if fnmatchcase(c, p)}
        by = sorted({p for p in self.leave_out if any(fnmatchcase(c, p) for c in frame.columns)})
        used = {"tables": sorted(walk.seen), "left out": sorted(out), "left out by": by}
        frame = whole(frame.drop(list(out)), f"{self.database.where} {self.table}")
        return frame.head(rows) if rows else frame, used, walk.unmatched


def _refuse_other(opened: Any) -> None:
    if not hasattr(opened, "open") or not hasattr(opened, "where"):
        known = "sqlite, duckdb, postgres, mysql, or a url of one"
        what = f"a source of the kind '{type(opened).__name__}' is not a database."
        raise DataError(Fault("collect.relations.database", what, known))


class _Walk:
    """The way along the keys; each table is asked for once."""

    def __init__(
        self,
        session: Session,
        where: str,
        keys: Sequence[ForeignKey],
        aggregates: Sequence[Kind],
        context: Context | None,
    ) -> None:
        self.session, self.where, self.keys, self.context = session, where, keys, context
        self.aggregates = aggregates
        self.seen: dict[str, pl.DataFrame] = {}
        self.unmatched: dict[str, int] = {}

    def around(self, table: str, depth: int) -> pl.DataFrame:
        """A table with what it points to, and the aggregates of what points to it."""
        frame = self.up(table, depth, ())
        if depth:
            for key in self.keys:
                if key.other == table:
                    frame = self._down(frame, key, depth - 1)
        return frame

    def up(self, table: str, depth: int, taken: tuple[ForeignKey, ...]) -> pl.DataFrame:
        """A table with the columns of what it points to, named by the way to them."""
        frame = self._rows(table)
        if not depth:
            return frame
        for key in self.keys:
            if key.table != table or key in taken:
                continue
            name = self._named(key, [k for k in self.keys if k.table == table and k.other == key.other], key.other)
            other = self.up(key.other, depth - 1, (*taken, key))
            frame = self._join(frame, other, key, name)
        return frame

    def _join(self, frame: pl.DataFrame, other: pl.DataFrame, key: ForeignKey, name: str) -> pl.DataFrame:
        other = other.rename({c: f"{name}.{c}" for c in other.columns}).unique(
            [f"{name}.{c}" for c in key.other_columns], keep="first", maintain_order=True
        )
        right = [f"{name}.{c}" for c in key.other_columns]
        left, other = same_types(frame, list(key.columns), other, right)
        odd = left.join(other, left_on=list(key.columns), right_on=right, how="anti")
        pointing = odd.drop_nulls(list(key.columns)).height
        if pointing:
            self.unmatched[f"{key.table} -> {key.other}"] = pointing
        return left.join(other, left_on=list(key.columns), right_on=right, how="left", maintain_order="left")

    def _down(self, frame: pl.DataFrame, key: ForeignKey, depth: int) -> pl.DataFrame:
        beside = [k for k in self.keys if k.table == key.table and k.other == key.other]
        name = self._named(key, beside, key.table)
        many = self.up(key.table, depth, (key,))
        sides = {c for k in self.keys if k.table == key.table for c in k.columns} | set(self.session.primary(key.table))
        rows = many.group_by(list(key.columns), maintain_order=True).agg(self._summed(many, sides, name))
        left, rows = same_types(frame, list(key.other_columns), rows, list(key.columns))
        lost = rows.drop_nulls(list(key.columns)).join(
            left, left_on=list(key.columns), right_on=list(key.other_columns), how="anti"
        )
        if lost.height:
            self.unmatched[f"{key.table} -> {key.other}"] = lost.height
        joined = left.join(
            rows, left_on=list(key.other_columns), right_on=list(key.columns), how="left", maintain_order="left"
        )
        count = f"{name}.count"
        return joined.with_columns(pl.col(count).fill_null(0)) if count in joined.columns else joined

    def _summed(self, many: pl.DataFrame, keys: set[str], name: str) -> list[pl.Expr]:
        """The aggregates of the many side; keys say nothing and are left out."""
        ids = {c for k in self.keys for c in (*k.columns, *k.other_columns)}
        leave = keys | {c for c in many.columns if c.rsplit(".", 1)[-1] in ids}
        return aggregates(many, leave, name, self.aggregates)

    def _named(self, key: ForeignKey, rivals: list[ForeignKey], table: str) -> str:
        """The name of what a key leads to; with the columns where two keys lead there."""
        return table if len(rivals) == 1 else f"{table}({','.join(key.columns)})"

    def _rows(self, table: str) -> pl.DataFrame:
        if table not in self.seen:
            sql = f"SELECT * FROM {self.session.quoted(table)}"  # noqa: S608 - a listed name, quoted
            self.seen[table] = asked(self.session, self.where, sql, None, self.context, [0])
        return self.seen[table]
