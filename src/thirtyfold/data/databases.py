"""Databases: what every source of tables does the same: name them safely, stream rows in batches, keep their types."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, named, quarantined, whole

if TYPE_CHECKING:
    from thirtyfold.data.arrivals import Arrived

__all__ = [
    "BATCH",
    "Address",
    "Batches",
    "Database",
    "ForeignKey",
    "Gone",
    "Session",
    "address_of",
    "anew",
    "answered",
    "answers",
    "asked",
    "lineage_of",
    "listed",
    "read",
    "rows_of",
    "statement",
    "under_each_other",
]

BATCH = 50_000
"""Rows that are fetched at a time."""


class ForeignKey(NamedTuple):
    """Columns of one table whose values name a row of another."""

    table: str
    columns: tuple[str, ...]
    other: str
    other_columns: tuple[str, ...]


class Gone(Exception):
    """The database said no, or went away; raised by a session with the database's own words."""


Batches = Iterator["list[Sequence[Any]] | pl.DataFrame"]
"""Rows as Python values, or as a frame where the database's driver has types of its own."""


class Session(Protocol):
    """One look at a database: everything is seen as it was when the session began."""

    def tables(self) -> list[str]:
        """The tables and views that a user would name."""
        ...

    def keys(self) -> list[ForeignKey]:
        """The foreign keys that the database knows of."""
        ...

    def primary(self, table: str) -> tuple[str, ...]:
        """The columns of a table's primary key, or none."""
        ...

    def quoted(self, table: str) -> str:
        """A listed table's name as it stands in a statement."""
        ...

    def column(self, name: str) -> str:
        """A column's name as it stands in a statement."""
        ...

    def ask(self, sql: str, rows: int | None) -> tuple[list[str], Batches]:
        """The column names and the rows in batches."""
        ...


class Database(Protocol):
    """A source that holds tables. ``where`` is its name for people, without a password."""

    where: str

    def open(self) -> AbstractContextManager[Session]:
        """A session for reading; raises Gone."""
        ...


class Address(NamedTuple):
    """Where a database server is, taken from a URL."""

    host: str
    port: int | None
    user: str | None
    database: str
    options: dict[str, str]
    shown: str


def address_of(given: str, schemes: Sequence[str]) -> Address:
    """Take ``scheme://user@host:port/database?option=value`` apart; ``$NAME`` is read from the environment.

    A password that stands in the Spec is refused: the Spec is written into every run.
    """
    address = given
    if given.startswith("$"):
        name = given.strip("${}")
        address = os.environ.get(name, "")
        if not address:
            raise DataError(Fault(given, f"the environment variable {name} is not set."))
    parts = urlsplit(address)
    if parts.scheme.split("+")[0] not in schemes or not parts.path.strip("/"):
        raise DataError(Fault(_hidden(address), "is not an address.", f"{schemes[0]}://user@host:port/database"))
    if parts.password and address is given:
        raise DataError(
            Fault(
                _hidden(address),
                "a password in the Spec would be written into every run.",
                hint="Put the whole address into an environment variable and write 'address: $NAME'.",
            )
        )
    try:
        port = parts.port
    except ValueError:
        raise DataError(Fault(_hidden(address), "the port is not a number from 1 to 65535.")) from None
    options = dict(parse_qsl(parts.query))
    if parts.password:
        options["password"] = unquote(parts.password)
    database, user = unquote(parts.path.strip("/")), unquote(parts.username) if parts.username else None
    return Address(parts.hostname or "", port, user, database, options, _hidden(address))


def _hidden(address: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if _port(parts) else ''}{parts.path}"


def _port(parts: Any) -> bool:
    try:
        return parts.port is not None
    except ValueError:
        return False


def anew() -> list[str]:
    """A word that never comes again: a server's rows may have changed, so they are asked for in every run."""
    return [os.urandom(16).hex()]


def statement(session: Session, where: str, table: str | None, query: str | None) -> str:
    """The one SELECT to ask: the user's own, or all of a table that the database itself lists."""
    if table and query:
        raise DataError(Fault(where, "give 'table' or 'query', not both."))
    if query:
        return query
    tables = session.tables()
    table = table or (tables[0] if len(tables) == 1 else None)
    if table is None:
        raise DataError(Fault(where, f"has {len(tables)} tables; say which.", ", ".join(tables), "Add 'table: NAME'."))
    return f"SELECT * FROM {listed(session, where, table)}"  # noqa: S608 - a name that the database listed, quoted


def listed(session: Session, where: str, table: str) -> str:
    """The quoted name of a table that is there. Whatever is written in ``table`` is only ever a name."""
    tables = session.tables()
    if table not in tables:
        raise DataError(Fault(where, f"there is no table '{table}'.", ", ".join(tables[:40]), nearest(table, tables)))
    return session.quoted(table)


def answered(
    database: Database, table: str | None, query: str | None, rows: int | None, context: Context | None = None
) -> tuple[str, pl.DataFrame]:
    """The statement that was asked, and its rows; one DataError whatever goes wrong on the way."""
    if context is not None:
        context.progress(f"reading {database.where}")
    with answers(database, table, query) as (session, sql, got):
        return sql, asked(session, database.where, sql, rows, context, got)


@contextmanager
def answers(database: Database, table: str | None, query: str | None) -> Iterator[tuple[Session, str, list[int]]]:
    """A session, the statement to ask, and a place to count the rows that have come in; one DataError whatever goes
    wrong on the way.
    """
    got = [0]
    try:
        with database.open() as session:
            yield session, statement(session, database.where, table, query), got
    except Gone as error:
        raise DataError(_gone(database.where, str(error), got[0])) from None


def _gone(where: str, said: str, got: int) -> Fault:
    said = " ".join(said.split())[:300].rstrip(".? ")
    if got:
        hint = "Nothing was kept, so that no half of a table is taken for the whole: run again."
        return Fault(where, f"the database went away after {got:,} rows ({said}).", hint=hint)
    return Fault(where, f"the database says: {said}.", hint="Is the address right, and the query one SELECT?")


def asked(
    session: Session, where: str, sql: str, rows: int | None, context: Context | None, got: list[int]
) -> pl.DataFrame:
    """The rows of one statement as a frame; ``got`` counts those that have come so far."""
    titles, batches = session.ask(sql, rows)
    names = named(titles, where)
    parts = []
    for batch in batches:
        parts.append(_typed(names, batch))
        got[0] += len(batch)
        if context is not None:
            context.progress(f"reading {where}: {got[0]:,} rows")
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return _joined(parts)


def _typed(names: list[str], batch: list[Sequence[Any]] | pl.DataFrame) -> pl.DataFrame:
    if isinstance(batch, pl.DataFrame):
        return batch.rename(dict(zip(batch.columns, names, strict=True)))
    columns = zip(*batch, strict=True) if batch else [()] * len(names)
    return pl.DataFrame([_series(n, list(c)) for n, c in zip(names, columns, strict=True)])


def rows_of(
    database: Database, table: str | None, query: str | None, growing: str | None, context: Context
) -> tuple[str, pl.DataFrame, Arrived | None]:
    """The statement, its rows, and how much of them had been read before, where it is named by what they grow."""
    if growing is not None:
        from thirtyfold.data.growing import grown

        sql, frame, came = grown(database, table, query, growing, context)
        return sql, whole(frame, database.where), came
    sql, frame = answered(database, table, query, None, context)
    return sql, whole(frame, database.where), None


def read(
    database: Database, table: str | None, query: str | None, growing: str | None, context: Context, form: str
) -> Read:
    """What a source of one table or query gives. The hash is of the rows, for a server has no file to hash."""
    sql, frame, came = rows_of(database, table, query, growing, context)
    return Read(frame, quarantined(), lineage_of(frame, database.where, format=form, query=sql), arrived=came)


def lineage_of(frame: pl.DataFrame, where: str, **more: Any) -> dict[str, Any]:
    """Where rows came from that are in no file: the hash is of the rows themselves."""
    digest = hashlib.sha256(json.dumps([frame.columns, [str(t) for t in frame.dtypes]]).encode())
    for part in frame.iter_slices(BATCH):
        digest.update(part.write_csv(include_header=False).encode())
    size = int(frame.estimated_size())
    known = {"address": where, "sha256": digest.hexdigest(), "bytes": size}
    return {**known, "rows": frame.height, "columns": frame.width, **more}


def _series(name: str, values: list[Any]) -> pl.Series:
    """One column of a batch in the type that its values have; what has no plain type is text."""
    kinds = {type(v) for v in values if v is not None}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds <= {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    if kinds <= {Decimal, int}:
        return _exact(name, values)
    if kinds <= {datetime}:
        return _moments(name, values)
    if kinds <= {date}:
        return pl.Series(name, values, dtype=pl.Date)
    if kinds <= {timedelta}:
        return pl.Series(name, [None if v is None else v.total_seconds() for v in values], dtype=pl.Float64)
    return pl.Series(name, [_text(v) for v in values], dtype=pl.String)


def _exact(name: str, values: list[Any]) -> pl.Series:
    """Decimals as they are: 38 digits with as many places as the most exact one has; text beyond that."""
    known = [Decimal(v) for v in values if v is not None and Decimal(v).is_finite()]
    places = max((-int(v.as_tuple().exponent) for v in known), default=0)
    places = max(places, 0)
    digits = max((v.adjusted() + 1 for v in known if v), default=1)
    if max(digits, 1) + places > 38:
        return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
    finite = [None if v is None or not Decimal(v).is_finite() else Decimal(v) for v in values]
    return pl.Series(name, finite, dtype=pl.Decimal(38, places))


def _moments(name: str, values: list[Any]) -> pl.Series:
    """Moments; with time zones, as UTC, so that the instant is kept."""
    zoned = {v.tzinfo is not None for v in values if v is not None}
    if len(zoned) > 1:
        return pl.Series(name, [None if v is None else v.isoformat() for v in values], dtype=pl.String)
    if zoned == {True}:
        return pl.Series(name, values, dtype=pl.Datetime("us", "UTC"))
    return pl.Series(name, values, dtype=pl.Datetime("us"))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.hex()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def under_each_other(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Frames of the same columns as if they had been read at once: a column of gaps alone has no type yet."""
    return _joined([p.with_columns(c.cast(pl.Null) for c in p if c.null_count() == len(c)) for p in parts])


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Batches under each other; where their types differ, the one that holds all of them."""
    columns = []
    for name in parts[0].columns:
        pieces = [p[name] for p in parts]
        kind = _common([p.dtype for p in pieces])
        columns.append(pl.concat([p.cast(kind) for p in pieces]).rename(name))
    return pl.DataFrame(columns)


def _common(kinds: Iterable[Any]) -> Any:
    found = [k for k in dict.fromkeys(kinds) if k != pl.Null]
    if len(found) <= 1:
        return found[0] if found else pl.String
    if all(isinstance(k, pl.Decimal) or k.is_integer() for k in found):
        return pl.Decimal(38, max(k.scale for k in found if isinstance(k, pl.Decimal)))
    if all(k.is_numeric() for k in found):
        return pl.Float64
    return pl.String
