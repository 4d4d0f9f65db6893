"""stdin: a table that is piped into the command: CSV, JSON, JSON lines or Parquet, told apart by how it begins."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, split_choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read, Source, kept_at, sha256_of

__all__ = ["Stdin"]

_MARKS = {b"PAR1": ".parquet", b"ARROW1": ".arrow", b"PK\x03\x04": ".xlsx", b"<": ".xml", b"[": ".json", b"{": ".json"}
_MOST = 16 * 1024**3


class Stdin:
    """What comes through standard input (``collect: "-"``), kept as a file under the hash of its content.

    ``format`` says what it is (its options without the path) where the beginning does not.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, format: Choice | None = None) -> None:  # noqa: A002 - the word that the Spec uses
        self.format = format

    def read(self, context: Context) -> Read:
        """All rows."""
        read = self._source().read(context)
        return read._replace(lineage={**read.lineage, "address": "-"})

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows; all of the input is taken in first, for it can be had only once."""
        return self._source().peek(rows)

    def outside(self) -> list[str]:
        """The content."""
        return [sha256_of(_spooled())]

    def _source(self) -> Source:
        path, where = _spooled(), "collect.stdin.format"
        if self.format is None:
            return source_of(str(path), "collect.stdin")
        word, options = split_choice(self.format, where)
        return source_of({word: {**options, "path": str(path)}}, where)


def ending_of(head: bytes) -> str:
    """The ending of a file that begins so; CSV where nothing else is recognized."""
    head = head.lstrip()
    return next((e for mark, e in _MARKS.items() if head.startswith(mark)), ".csv")


@cache
def _spooled() -> Path:
    """The input as a file; read once in a process."""
    if sys.stdin is None or sys.stdin.isatty():
        raise DataError(Fault("-", "nothing is piped into standard input.", hint="cat data.csv | thirtyfold run ..."))
    part = kept_at("downloads", "stdin.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as file:
        while block := sys.stdin.buffer.read(1 << 20):
            size += len(block)
            if size > _MOST:
                raise DataError(Fault("-", f"more than {_MOST:,} bytes came through standard input."))
            digest.update(block)
            file.write(block)
    if not size:
        raise DataError(Fault("-", "standard input is empty."))
    with part.open("rb") as file:
        ending = ending_of(file.read(4096))
    return part.replace(part.with_name(f"stdin-{digest.hexdigest()[:16]}{ending}"))
