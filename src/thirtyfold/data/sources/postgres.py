"""postgres: a table, or the answer to a query, of a PostgreSQL server; streamed, in one read-only snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.databases import BATCH, Batches, ForeignKey, Gone, address_of, anew, answered, read
from thirtyfold.data.reading import Read, library, whole

__all__ = ["Postgres"]


class Postgres:
    """A ``table`` (``schema.table`` outside the search path) or a ``query`` of ``postgresql://user@host:5432/database``.

    ``address`` may be ``$NAME``, an environment variable with the whole address; a password comes from there, from
    PGPASSWORD or from ~/.pgpass. Exact decimals stay exact, moments with a zone become the same instant in UTC.

    ``growing`` names a column that only grows (a serial number, a moment): rows beyond the last one that was read are
    asked for, and the others kept, once the database has told that these are still there (see ``data.growing``).
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    schemes: ClassVar[tuple[str, ...]] = ("postgresql", "postgres")

    def __init__(
        self,
        address: str,
        table: str | None = None,
        query: str | None = None,
        timeout: Annotated[int, Field(ge=1)] = 10,
        growing: str | None = None,
    ) -> None:
        self.address, self.table, self.query, self.timeout = address, table, query, timeout
        self.growing = growing
        self.where = address_of(address, self.schemes).shown

    def read(self, context: Context) -> Read:
        """All rows, fetched in batches by a cursor on the server."""
        return read(self, self.table, self.query, self.growing, context, "postgres")

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return whole(answered(self, self.table, self.query, rows)[1], self.where)

    def outside(self) -> list[str]:
        """Asked anew in every run."""
        return anew()

    @contextmanager
    def open(self) -> Iterator[_Session]:
        """A session that sees one moment of the database and can change nothing."""
        psycopg = library("psycopg", "databases")
        at = address_of(self.address, self.schemes)
        given: dict[str, Any] = {"host": at.host or None, "port": at.port, "user": at.user, "dbname": at.database}
        given |= {"connect_timeout": self.timeout, "application_name": "thirtyfold", **at.options}
        try:
            with psycopg.connect(**{k: v for k, v in given.items() if v is not None}) as connection:
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.execute("SET TIME ZONE 'UTC'")
                yield _Session(connection)
        except psycopg.Error as error:
            raise Gone(str(error)) from None


class _Session:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def tables(self) -> list[str]:
        return list(self._places())

    def _places(self) -> dict[str, tuple[str, str]]:
        """Every table's schema and name, by the name that a user would write."""
        asked = (
            "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 1, 2"
        )
        rows = self.connection.execute(asked).fetchall()
        return {name if seen else f"{schema}.{name}": (schema, name) for schema, name, seen in rows}

    def _written(self) -> dict[tuple[str, str], str]:
        return {place: name for name, place in self._places().items()}

    def keys(self) -> list[ForeignKey]:
        asked = (
            "SELECT tn.nspname, t.relname, array(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o) "
            "JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.o), "
            "fn.nspname, f.relname, array(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o) "
            "JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.o) "
            "FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid "
            "JOIN pg_namespace tn ON tn.oid = t.relnamespace "
            "JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace "
            "WHERE k.contype = 'f' ORDER BY 1, 2, k.conname"
        )
        names = self._written()
        return [
            ForeignKey(names[ts, t], tuple(c), names[fs, f], tuple(fc))
            for ts, t, c, fs, f, fc in self.connection.execute(asked).fetchall()
        ]

    def primary(self, table: str) -> tuple[str, ...]:
        schema, name = self._places()[table]
        asked = (
            "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a "
            "ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
            "WHERE i.indisprimary AND n.nspname = %s AND c.relname = %s ORDER BY array_position(i.indkey, a.attnum)"
        )
        return tuple(r[0] for r in self.connection.execute(asked, (schema, name)).fetchall())

    def quoted(self, table: str) -> str:
        return ".".join('"' + n.replace('"', '""') + '"' for n in self._places()[table])

    def column(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def ask(self, sql: str, rows: int | None) -> tuple[list[str], Batches]:
        cursor = self.connection.cursor(name="thirtyfold", binary=True)
        cursor.itersize = BATCH
        with ExitStack() as undo:
            undo.callback(cursor.close)
            cursor.execute(sql)
            undo.pop_all()
        return [c.name for c in cursor.description], _batches(cursor, rows)


def _batches(cursor: Any, rows: int | None) -> Batches:
    with cursor:
        if rows:
            yield cursor.fetchmany(rows)
            return
        while batch := cursor.fetchmany(BATCH):
            yield batch
