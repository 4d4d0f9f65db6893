"""Growing: tables whose rows come with ever larger keys. What came since the last reading is asked for.

Before what was kept is taken, the database itself is asked, in the same snapshot, whether it still holds as many rows
up to the last key, with the same least and greatest one, and whether some of them, spread over all and the newest, are
unchanged. If one of that is otherwise, all is read again, and why is told. Not seen is a change of old rows, of which
none is among those looked at, that leaves their number as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.arrivals import Arrived, Shelf
from thirtyfold.data.databases import Database, Session, answers, asked, under_each_other

__all__ = ["grown"]

_SPREAD, _LAST = 200, 50
"""So many rows spread over all, and so many of the newest, are looked at again."""
_PLAIN = re.compile(r"[0-9A-Za-z:+. _-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class _Seen:
    """The rows that were read before, by their key."""

    frame: pl.DataFrame


def grown(
    database: Database, table: str | None, query: str | None, key: str, context: Context
) -> tuple[str, pl.DataFrame, Arrived]:
    """The statement, all rows in the order of the column ``key``, and how many of them had been read before.

    Raises DataError where the column is not there, has missing values, or holds neither whole numbers nor moments.
    """
    context.progress(f"reading {database.where}")
    with answers(database, table, query) as (session, sql, got):
        asking = _Asking(session, database.where, sql.strip().rstrip(";"), key)
        asking.check()
        shelf = Shelf({"growing": [database.where, sql, key]})
        seen: _Seen | None = shelf.open(_Seen)
        why = "" if seen is None else asking.differs(seen.frame)
        if seen is not None and not why:
            last = _literal(seen.frame[key][-1])
            frame = under_each_other([seen.frame, asking.rows(f"{asking.key} > {last}", context, got)])
            known = seen.frame.height
        else:
            frame, known = asking.rows("1 = 1", context, got), 0
        asking.check_key(frame)
    if frame.height > known:
        shelf.keep(_Seen(frame))
    return sql, frame, Arrived(known, frame.height - known, 0, 0, why)


def _places(rows: int) -> list[int]:
    spread = {at * rows // _SPREAD for at in range(_SPREAD)} if rows else set()
    return sorted(spread | set(range(max(0, rows - _LAST), rows)))


@dataclass(frozen=True)
class _Asking:
    """Questions about what one statement answers, by one of its columns."""

    session: Session
    where: str
    sql: str
    name: str

    @property
    def key(self) -> str:
        return self.session.column(self.name)

    def ask(self, what: str, of: str, context: Context | None = None, got: list[int] | None = None) -> pl.DataFrame:
        sql = f"SELECT {what} FROM ({self.sql}) AS thirtyfold_grown WHERE {of}"  # noqa: S608 - names are quoted
        return asked(self.session, self.where, sql, None, context, got if got is not None else [0])

    def rows(self, of: str, context: Context, got: list[int]) -> pl.DataFrame:
        return self.ask("*", f"{of} ORDER BY {self.key}", context, got)

    def check(self) -> None:
        """The column is there and has no missing values."""
        names = self.ask("*", "1 = 0").columns
        if self.name not in names:
            hint = nearest(self.name, names)
            raise DataError(
                Fault(f"{self.where}: growing", f"there is no column '{self.name}'.", ", ".join(names), hint)
            )
        missing = int(self.ask("COUNT(*) AS n", f"{self.key} IS NULL")["n"][0])
        if missing:
            what = f"'{self.name}' is missing in {missing:,} rows: which of them are new cannot be told."
            raise DataError(Fault(f"{self.where}: growing", what, hint="Name a column that every row has."))

    def check_key(self, frame: pl.DataFrame) -> None:
        """Its values can stand in a statement in every database, and mean the same there."""
        values = frame[self.name]
        plain = values.dtype.is_integer() or values.dtype in (pl.Date, pl.Datetime)
        if not plain and not (
            values.dtype == pl.String and all(_PLAIN.fullmatch(v) for v in values.unique().to_list())
        ):
            allowed = "a column of whole numbers or moments that only grow"
            raise DataError(Fault(f"{self.where}: growing", f"'{self.name}' holds {values.dtype}.", allowed))

    def differs(self, old: pl.DataFrame) -> str:
        """Why what was read before does not hold any more; nothing where it does."""
        if self.ask("*", "1 = 0").columns != old.columns:
            return "its columns are others now"
        least, last = _literal(old[self.name][0]), _literal(old[self.name][-1])
        told = self.ask(f"COUNT(*) AS n, MIN({self.key}) AS a, MAX({self.key}) AS b", f"{self.key} <= {last}")
        many = int(told["n"][0])
        if many != old.height:
            return f"up to '{self.name}' {last} there are {many:,} rows, and {old.height:,} had been read"
        if (_literal(told["a"][0]), _literal(told["b"][0])) != (least, last):
            return f"the least or the greatest '{self.name}' of the rows that had been read is another now"
        some = old[_places(old.height)][self.name].unique()
        mine = old.filter(old[self.name].is_in(some.implode()))
        now = self.ask("*", f"{self.key} IN ({', '.join(_literal(v) for v in some.to_list())})")
        changed = _changed(mine, now)
        return f"{changed:,} of {mine.height:,} rows that were looked at again have changed" if changed else ""


def _changed(before: pl.DataFrame, now: pl.DataFrame) -> int:
    """How many rows of the one are not among the other, in the types of the first."""
    now = now.with_columns(pl.col(n).cast(t, strict=False) for n, t in before.schema.items() if t != pl.Null)
    texts = [
        f.select(pl.concat_str(pl.all().cast(pl.String).fill_null("\x00"), separator="\x1f")) for f in (before, now)
    ]
    left, right = (t.to_series().sort() for t in texts)
    return 0 if left.equals(right) else max(1, int((~left.is_in(right.implode())).sum()))


def _literal(value: Any) -> str:
    """A key as it stands in a statement."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value.replace(tzinfo=None).isoformat(' ')}'"
    if isinstance(value, date):
        return f"'{value.isoformat()}'"
    return f"'{value}'"  # letters, figures and signs of moments alone: see ``check_key``
