"""mysql: a table, or the answer to a query, of a MySQL or MariaDB server; streamed, in one read-only snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.databases import BATCH, Batches, ForeignKey, Gone, address_of, anew, answered, read
from thirtyfold.data.reading import Read, library, whole

__all__ = ["Mysql"]


class Mysql:
    """A ``table`` or a ``query`` of ``mysql://user@host:3306/database``.

    ``address`` may be ``$NAME``, an environment variable with the whole address and its password. Exact decimals stay
    exact; a TIMESTAMP is read as its instant in UTC, a DATETIME as it is written.

    ``growing`` names a column that only grows (a serial number, a moment): rows beyond the last one that was read are
    asked for, and the others kept, once the database has told that these are still there (see ``data.growing``).
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    schemes: ClassVar[tuple[str, ...]] = ("mysql", "mariadb")

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
        """All rows, streamed from the server as they are read."""
        return read(self, self.table, self.query, self.growing, context, "mysql")

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return whole(answered(self, self.table, self.query, rows)[1], self.where)

    def outside(self) -> list[str]:
        """Asked anew in every run."""
        return anew()

    @contextmanager
    def open(self) -> Iterator[_Session]:
        """A session that sees one moment of the database and can change nothing."""
        pymysql, cursors = library("pymysql", "databases"), library("pymysql.cursors", "databases")
        at = address_of(self.address, self.schemes)
        socket = {"unix_socket": at.options["socket"]} if "socket" in at.options else {}
        try:
            with pymysql.connect(
                host=at.host or "localhost",
                port=at.port or 3306,
                user=at.user,
                password=at.options.get("password", ""),
                database=at.database,
                connect_timeout=self.timeout,
                charset="utf8mb4",
                cursorclass=cursors.SSCursor,
                init_command="SET time_zone = '+00:00'",
                local_infile=False,
                **socket,
            ) as connection:
                session = _Session(connection, at.database)
                session.do("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                session.do("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                yield session
        except (pymysql.MySQLError, OSError) as error:
            raise Gone(": ".join(map(str, error.args[:2]))) from None


class _Session:
    def __init__(self, connection: Any, database: str) -> None:
        self.connection, self.database = connection, database

    def do(self, sql: str, *given: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, given or None)
            return list(cursor.fetchall())

    def tables(self) -> list[str]:
        asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
        return [r[0] for r in self.do(asked, self.database)]

    def keys(self) -> list[ForeignKey]:
        asked = (
            "SELECT constraint_name, table_name, column_name, referenced_table_name, referenced_column_name "
            "FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_name IS NOT NULL "
            "ORDER BY table_name, constraint_name, ordinal_position"
        )
        parts: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        for name, table, column, other, target in self.do(asked, self.database):
            parts.setdefault((table, name), []).append((column, other, target))
        return [
            ForeignKey(table, tuple(r[0] for r in rows), rows[0][1], tuple(r[2] for r in rows))
            for (table, _), rows in parts.items()
        ]

    def primary(self, table: str) -> tuple[str, ...]:
        asked = (
            "SELECT column_name FROM information_schema.key_column_usage "
            "WHERE table_schema = %s AND table_name = %s AND constraint_name = 'PRIMARY' ORDER BY ordinal_position"
        )
        return tuple(r[0] for r in self.do(asked, self.database, table))

    def quoted(self, table: str) -> str:
        return "`" + table.replace("`", "``") + "`"

    def column(self, name: str) -> str:
        return self.quoted(name)

    def ask(self, sql: str, rows: int | None) -> tuple[list[str], Batches]:
        if rows:  # an answer that is only begun would have to be read to its end
            sql = f"SELECT * FROM ({sql.strip().rstrip(';')}) AS thirtyfold_head LIMIT {int(rows)}"  # noqa: S608
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return [c[0] for c in cursor.description or ()], _batches(cursor)


def _batches(cursor: Any) -> Batches:
    """Rows as they come."""
    try:
        while batch := cursor.fetchmany(BATCH):
            yield list(batch)
    finally:  # or pymysql, cleaning up, would read the rest from a connection that may be gone
        cursor._result.unbuffered_active = False
        cursor.close()
