"""duckdb: a table, or the answer to a query, of a DuckDB database file; opened for reading only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.databases import BATCH, Batches, ForeignKey, Gone, answered, rows_of
from thirtyfold.data.reading import Read, existing, library, quarantined, trace, whole

__all__ = ["Duckdb"]


class Duckdb:
    """A ``table`` of a DuckDB file (``schema.table`` outside ``main``), or what a ``query`` answers (one SELECT).

    The query sees only the database: files, other databases and the network are closed to it.

    ``growing`` names a column that only grows (a serial number, a moment): rows beyond the last one that was read are
    asked for, and the others kept, once the database has told that these are still there (see ``data.growing``).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".duckdb", ".ddb")

    def __init__(
        self, path: str, table: str | None = None, query: str | None = None, growing: str | None = None
    ) -> None:
        self.path, self.table, self.query, self.growing = path, table, query, growing
        self.where = path

    def read(self, context: Context) -> Read:
        """All rows in the types that the database holds."""
        path = existing(self.path)
        sql, frame, came = rows_of(self, self.table, self.query, self.growing, context)
        return Read(frame, quarantined(), trace(path, frame, format="duckdb", query=sql), arrived=came)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return whole(answered(self, self.table, self.query, rows)[1], self.where)

    @contextmanager
    def open(self) -> Iterator[_Session]:
        """A session in which nothing can be written and nothing outside be read."""
        duckdb = library("duckdb", "databases")
        path = existing(self.path)
        try:
            with duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"}) as database:
                database.execute("SET TimeZone = 'UTC'")
                yield _Session(database)
        except duckdb.Error as error:
            raise Gone(str(error)) from None


class _Session:
    def __init__(self, database: Any) -> None:
        self.database = database

    def tables(self) -> list[str]:
        asked = (
            "SELECT CASE table_schema WHEN 'main' THEN table_name ELSE table_schema || '.' || table_name END "
            "FROM information_schema.tables WHERE table_catalog = current_database() ORDER BY 1"
        )
        return [r[0] for r in self.database.execute(asked).fetchall()]

    def keys(self) -> list[ForeignKey]:
        asked = (
            "SELECT table_name, constraint_column_names, referenced_table, referenced_column_names "
            "FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' ORDER BY 1, 2"
        )
        return [ForeignKey(t, tuple(c), o, tuple(oc)) for t, c, o, oc in self.database.execute(asked).fetchall()]

    def primary(self, table: str) -> tuple[str, ...]:
        asked = (
            "SELECT constraint_column_names FROM duckdb_constraints() "
            "WHERE constraint_type = 'PRIMARY KEY' AND table_name = ?"
        )
        found = self.database.execute(asked, [table]).fetchall()
        return tuple(found[0][0]) if found else ()

    def quoted(self, table: str) -> str:
        asked = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_name = ?"
        whole = self.database.execute(asked, [table]).fetchall()
        names = [table] if whole else table.split(".", 1)
        return ".".join('"' + n.replace('"', '""') + '"' for n in names)

    def column(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def ask(self, sql: str, rows: int | None) -> tuple[list[str], Batches]:
        found = self.database.sql(sql)
        if found is None:
            raise Gone("the query gives no rows")
        return list(found.columns), _batches((found.limit(rows) if rows else found).to_arrow_reader(BATCH))


def _batches(reader: Any) -> Batches:
    """Rows in the types that the database has."""
    for batch in reader:
        yield pl.DataFrame(batch)
