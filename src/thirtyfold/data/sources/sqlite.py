"""sqlite: a table, or the answer to a query, of a SQLite database file; opened for reading only."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, existing, named, quarantined, trace, whole

__all__ = ["Sqlite"]


class Sqlite:
    """A ``table`` of a SQLite file, or what a ``query`` answers (one SELECT); with one table, that one."""

    suffixes: ClassVar[tuple[str, ...]] = (".sqlite", ".sqlite3", ".db", ".db3")

    def __init__(self, path: str, table: str | None = None, query: str | None = None) -> None:
        self.path, self.table, self.query = path, table, query

    def read(self, context: Context) -> Read:
        """All rows in the types that the database holds."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        sql, frame = self._ask(path, None)
        return Read(frame, quarantined(), trace(path, frame, format="sqlite", query=sql))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return self._ask(existing(self.path), rows)[1]

    def _ask(self, path: Path, rows: int | None) -> tuple[str, pl.DataFrame]:
        if self.table and self.query:
            raise DataError(Fault(self.path, "give 'table' or 'query', not both."))
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                sql = self._sql(database)
                cursor = database.execute(sql)
                if cursor.description is None:
                    raise DataError(Fault(self.path, "the query gives no rows.", "one SELECT"))
                found = cursor.fetchmany(rows) if rows else cursor.fetchall()
                names = named([d[0] for d in cursor.description], self.path)
        except sqlite3.Error as error:
            raise DataError(
                Fault(self.path, f"SQLite says: {error}.", hint="Is it a SQLite file, and the query one SELECT?")
            ) from None
        columns = zip(*found, strict=True) if found else [()] * len(names)
        frame = pl.DataFrame([_series(n, list(c)) for n, c in zip(names, columns, strict=True)])
        return sql, whole(frame, self.path)

    def _sql(self, database: sqlite3.Connection) -> str:
        if self.query:
            return self.query
        tables = [
            r[0]
            for r in database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table','view') "
                "AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )
        ]
        table = self.table or (tables[0] if len(tables) == 1 else None)
        if table is None:
            raise DataError(
                Fault(
                    self.path,
                    f"has {len(tables)} tables; say which.",
                    ", ".join(tables),
                    "collect: {sqlite: {table: ...}}",
                )
            )
        if table not in tables:
            raise DataError(
                Fault(self.path, f"there is no table '{table}'.", ", ".join(tables), nearest(table, tables))
            )
        quoted = table.replace('"', '""')
        return f'SELECT * FROM "{quoted}"'  # noqa: S608 - a name that the database itself listed, quoted


def _series(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v if v is None else str(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String)
