"""sqlite: a table, or the answer to a query, of a SQLite database file; opened for reading only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.databases import BATCH, Batches, ForeignKey, Gone, answered, rows_of
from thirtyfold.data.reading import Read, existing, quarantined, trace, whole

__all__ = ["Sqlite"]


class Sqlite:
    """A ``table`` of a SQLite file, or what a ``query`` answers (one SELECT); with one table, that one.

    ``growing`` names a column that only grows (a serial number, a moment): rows beyond the last one that was read are
    asked for, and the others kept, once the database has told that these are still there (see ``data.growing``).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".sqlite", ".sqlite3", ".db", ".db3")

    def __init__(
        self, path: str, table: str | None = None, query: str | None = None, growing: str | None = None
    ) -> None:
        self.path, self.table, self.query, self.growing = path, table, query, growing
        self.where = path

    def read(self, context: Context) -> Read:
        """All rows in the types that the database holds."""
        path = existing(self.path)
        sql, frame, came = rows_of(self, self.table, self.query, self.growing, context)
        return Read(frame, quarantined(), trace(path, frame, format="sqlite", query=sql), arrived=came)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return whole(answered(self, self.table, self.query, rows)[1], self.where)

    @contextmanager
    def open(self) -> Iterator[_Session]:
        """A session in which the file can only be read."""
        path = existing(self.path)
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                database.text_factory = lambda data: data.decode("utf-8", "replace")
                database.execute("BEGIN")
                yield _Session(database, self.where)
        except sqlite3.Error as error:
            raise Gone(f"{error} (is it a SQLite file?)") from None


class _Session:
    def __init__(self, database: sqlite3.Connection, where: str) -> None:
        self.database, self.where = database, where

    def tables(self) -> list[str]:
        listed = (
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        )
        return [r[0] for r in self.database.execute(listed)]

    def keys(self) -> list[ForeignKey]:
        found = []
        for table in self.tables():
            parts: dict[int, list[tuple[str, str, str]]] = {}
            asked = "SELECT id, seq, `table`, `from`, `to` FROM pragma_foreign_key_list(?) ORDER BY id, seq"
            for number, _, other, column, target in self.database.execute(asked, (table,)):
                parts.setdefault(number, []).append((other, column, target))
            for rows in parts.values():
                other, columns = rows[0][0], tuple(r[1] for r in rows)
                targets = tuple(r[2] for r in rows) if rows[0][2] else self.primary(other)
                found.append(ForeignKey(table, columns, other, targets))
        return found

    def primary(self, table: str) -> tuple[str, ...]:
        asked = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
        return tuple(r[0] for r in self.database.execute(asked, (table,)))

    def quoted(self, table: str) -> str:
        return '"' + table.replace('"', '""') + '"'

    def column(self, name: str) -> str:
        return self.quoted(name)

    def ask(self, sql: str, rows: int | None) -> tuple[list[str], Batches]:
        cursor = self.database.execute(sql)
        if cursor.description is None:
            raise DataError(Fault(self.where, "the query gives no rows.", "one SELECT"))
        names = [d[0] for d in cursor.description]
        return names, iter([cursor.fetchmany(rows)]) if rows else iter(lambda: cursor.fetchmany(BATCH), [])
