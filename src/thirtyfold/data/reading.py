"""Reading: what every source gives, and the questions that every source of files asks first."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from thirtyfold.core.errors import DataError, Fault, MissingExtra
from thirtyfold.core.family import nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context

if TYPE_CHECKING:
    from thirtyfold.data.arrivals import Arrived

__all__ = [
    "QUARANTINE",
    "Read",
    "Source",
    "columns_of",
    "existing",
    "kept_at",
    "library",
    "named",
    "no_rows",
    "outside_of",
    "quarantined",
    "sha256_of",
    "trace",
    "whole",
]

QUARANTINE = ("row", "reason", "raw")
"""The columns of a quarantine: the line or row in the source (from 1), why it was set aside, what stood there."""


class Read(NamedTuple):
    """What a source gave: the rows as they came, those that could not be read, and where they came from.

    ``numbered``: the same rows with the number of each as the last column, where they lie so in a file already.
    ``arrived``: how much of it had been read before. It is no part of the lineage, which is that of the data.
    """

    frame: pl.DataFrame
    quarantine: pl.DataFrame
    lineage: dict[str, Any]
    numbered: pl.DataFrame | None = None
    arrived: Arrived | None = None


class Source(Protocol):
    """The contract; ``thirtyfold.testing.check_source`` runs a member through it.

    ``suffixes`` are the file endings that mean this source when ``collect`` is only a path.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def read(self, context: Context) -> Read:
        """All rows. Raises DataError with what to try."""
        ...

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, quickly; for looking before running."""
        ...


def columns_of(source: Source) -> list[str]:
    """The names of a source's columns: its own ``columns()``, where it can tell them without reading rows."""
    own: Callable[[], list[str]] | None = getattr(source, "columns", None)
    return own() if own else source.peek(100).columns


def kept_at(*names: str) -> Path:
    """A place under the folder where everything that the tool keeps lies."""
    return Path(os.environ.get("THIRTYFOLD_HOME") or ".thirtyfold").joinpath(*names)


def library(name: str, extra: str) -> Any:
    """A library that only some sources need; MissingExtra names the command that brings it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != name.split(".", maxsplit=1)[0]:
            raise
        what = f"this source needs {name}, which is not installed: pip install 'thirtyfold[{extra}]'"
        raise MissingExtra(Fault("collect", what)) from None


def outside_of(source: Source) -> list[str]:
    """What decides a source's rows besides its options and the files that these name, where it can tell.

    A folder's files, a version on a server; a database, whose rows may have changed, gives another word each time.
    """
    own: Callable[[], list[str]] | None = getattr(source, "outside", None)
    return own() if own else []


def existing(path: str | Path) -> Path:
    """The path of a file that is there, can be read and holds something; else a DataError that says what to try."""
    path = Path(path)
    if path.is_dir():
        inside = ", ".join(sorted(p.name for p in path.iterdir())[:8])
        raise DataError(Fault(str(path), "is a folder, not a file.", inside, "Name one of its files."))
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside) or f"Paths are relative to {Path.cwd()}."
        raise DataError(Fault(str(path), "there is no such file.", hint=hint))
    if not path.stat().st_size:
        raise DataError(Fault(str(path), "the file is empty (0 bytes).", hint="Was the download or export complete?"))
    return path


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes; of a file that has not changed since, as it was found."""
    now = path.stat()
    return _sha256(path.absolute(), now.st_size, now.st_mtime_ns, now.st_ino)


@lru_cache(maxsize=1 << 16)
def _sha256(path: Path, size: int, changed: int, inode: int) -> str:
    del size, changed, inode  # they are part of the key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trace(path: Path, frame: pl.DataFrame, **more: Any) -> dict[str, Any]:
    """Where rows came from: address, hash, bytes, rows and columns; no time, so that equal data is equal."""
    return {
        "address": str(path),
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "rows": frame.height,
        "columns": frame.width,
        **more,
    }


def named(names: Sequence[str], where: str) -> list[str]:
    """Column names trimmed, blanks named by position; two columns of one name are a fault for each."""
    done = [re.sub(r"\s+", " ", n.strip()) or f"c{i}" for i, n in enumerate(names)]
    twice = sorted({n for n in done if done.count(n) > 1})
    if twice:
        raise DataError(
            [
                Fault(
                    where,
                    f"{done.count(n)} columns are named '{n}' (numbers "
                    f"{', '.join(str(i + 1) for i, m in enumerate(done) if m == n)}).",
                    hint="Rename them in the file, or give the option 'names' with one name a column.",
                )
                for n in twice
            ]
        )
    return done


def quarantined(rows: Sequence[tuple[int, str, str]] = ()) -> pl.DataFrame:
    """A quarantine of (row, reason, raw); what stood there is kept up to 2,000 characters."""
    return pl.DataFrame(
        [(r, why, raw[:2000]) for r, why, raw in rows],
        schema=dict(zip(QUARANTINE, (pl.Int64, pl.String, pl.String), strict=True)),
        orient="row",
    )


def no_rows(where: str, names: Sequence[str]) -> DataError:
    """A source that has columns and nothing in them."""
    return DataError(Fault(where, f"there are no rows, only the columns {', '.join(names) or '(none)'}."))


def _plain(column: pl.Series) -> pl.Series:
    """A column in one of the few types that cleaning knows: whole numbers, amounts, text, yes or no, moments."""
    if column.dtype.is_integer():
        return column if column.dtype != pl.UInt64 else column.cast(pl.Float64)
    if isinstance(column.dtype, pl.Duration):
        return (column.dt.total_microseconds() / 1e6).alias(column.name)
    return column.cast(pl.String, strict=False)


def whole(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """A frame that has rows, and columns of one plain value a row (durations in seconds); else a DataError."""
    if not frame.width:
        raise DataError(Fault(where, "there are no columns."))
    if not frame.height:
        raise no_rows(where, frame.columns)
    nested = [n for n, t in frame.schema.items() if t.is_nested()]
    if nested:
        raise DataError([Fault(f"{where}.{n}", f"holds {frame.schema[n]}, not one value a row.") for n in nested])
    kept = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Float32, pl.Float64, pl.Decimal)
    return frame.with_columns(_plain(c) for c in frame.get_columns() if not isinstance(c.dtype, kept))
