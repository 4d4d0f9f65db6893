"""Arrivals: what was read of a file is kept, so that of one that has grown only what came since is read.

A file counts as grown when it is longer and its beginning has the sha256 that the whole of it had before. Its old rows
are then taken as they were kept; reading goes on at the beginning of the record that was the last one, for that may
have been cut. Any other change means that all of it is read again, and why is told.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from thirtyfold import __version__
from thirtyfold.core.evidence import counted
from thirtyfold.core.late import pl
from thirtyfold.data.margins import Fault3
from thirtyfold.data.reading import kept_at, sha256_of

__all__ = ["Arrived", "Book", "Kept", "Mark", "Shelf", "arrived", "gathered"]

T = TypeVar("T")

_PIECE = 1 << 20


class Arrived(NamedTuple):
    """How much of what was read had been read before; ``why`` is why nothing of it could be kept. Rows of a database
    are no bytes of a file: of these there are none.
    """

    known_rows: int
    new_rows: int
    known_bytes: int
    new_bytes: int
    why: str = ""

    def says(self) -> str:
        """In a sentence or two; nothing where all of it is read for the first time."""
        old, new = counted(self.known_rows, "row"), counted(self.new_rows, "row")
        verb, total = "was" if self.new_rows == 1 else "were", self.known_bytes + self.new_bytes
        same, of = "their bytes have the same sha256", f" ({self.new_bytes:,} of {total:,} bytes)"
        if not total:
            same, of = "the database still has as many, and those that were looked at again are unchanged", ""
        told = f"{old} had been read before and were kept, for {same}; {new} {verb} read anew{of}."
        return " ".join([told] * bool(self.known_rows) + [f"Read again as a whole: {self.why}."] * bool(self.why))


def gathered(several: Iterable[Arrived | None]) -> Arrived | None:
    """What arrived in several sources together."""
    told = [a for a in several if a is not None]
    if not told:
        return None
    return Arrived(
        sum(a.known_rows for a in told),
        sum(a.new_rows for a in told),
        sum(a.known_bytes for a in told),
        sum(a.new_bytes for a in told),
        "; ".join(dict.fromkeys(a.why for a in told if a.why)),
    )


class Mark(NamedTuple):
    """A place in a file where a record begins: its byte, and how many rows and lines are before it."""

    start: int
    rows: int
    lines: int


@dataclass(frozen=True)
class Kept:
    """What was read of a file of ``size`` bytes with this ``sha256``.

    The first ``rows`` rows of ``frame`` come from the bytes before ``start``, which hold ``lines`` lines; ``faults``
    are the bad ones among these; ``state`` is what the source must know to go on there.
    """

    size: int
    sha256: str
    start: int
    rows: int
    lines: int
    frame: pl.DataFrame
    faults: list[list[Any]]
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, mark: Mark, frame: pl.DataFrame, faults: Sequence[Fault3], state: dict[str, Any]) -> Kept:
        """All that was read of a file as it is now, to go on from a mark."""
        before = [list(f) for f in faults if f[0] <= mark.lines]
        return cls(path.stat().st_size, sha256_of(path), *mark, frame, before, state)

    @property
    def mark(self) -> Mark:
        """Where reading goes on."""
        return Mark(self.start, self.rows, self.lines)

    @property
    def before(self) -> pl.DataFrame:
        """The rows that need not be read again."""
        return self.frame.head(self.rows)

    def told(self) -> list[Fault3]:
        """The bad lines before the mark."""
        return [(int(n), str(why), str(raw)) for n, why, raw in self.faults]


def arrived(kept: Kept | None, why: str, path: Path, frame: pl.DataFrame) -> Arrived:
    """What came to a file since it was kept; ``why`` it could not be gone on with."""
    size = path.stat().st_size
    if kept is None:
        return Arrived(0, frame.height, 0, size, why)
    return Arrived(kept.rows, frame.height - kept.rows, kept.start, size - kept.start)


class Shelf:
    """A place for what is kept of one thing that is read in one way; none where no home is told, as for a file that is
    only asked to be predicted.
    """

    def __init__(self, how: Mapping[str, Any]) -> None:
        self.is_there = "THIRTYFOLD_HOME" in os.environ
        told = json.dumps([__version__, dict(how)], sort_keys=True)
        self._place = kept_at("arrivals", hashlib.sha256(told.encode()).hexdigest()[:32])

    def keep(self, value: Any) -> None:
        """Replace what was kept, whole or not at all."""
        if not self.is_there:
            return
        from thirtyfold.core.codec import pack_large  # here as below, because a check needs none of it
        from thirtyfold.core.store import write_folder

        with suppress(OSError):  # another process keeps the same, or the disk is full: the next reading is a whole one
            write_folder(self._place, pack_large(value, kept_at("store", "laying")))

    def open(self, kind: type[T]) -> T | None:
        """What was kept; None where there is nothing, or another process replaces it at this moment."""
        if not self.is_there:
            return None
        from thirtyfold.core.codec import unpack
        from thirtyfold.core.laid import Laid

        try:
            # Frames are mapped, not loaded: of a large one only what is looked at comes into memory.
            files: dict[str, bytes | Laid] = {
                p.name: Laid(p, "") if p.suffix == ".arrow" else p.read_bytes() for p in self._place.iterdir()
            }
            kept: T = unpack(files, kind)
        except (OSError, KeyError):
            return None
        return kept


class Book:
    """What is kept of one file as it is read with these options."""

    def __init__(self, path: Path, how: Mapping[str, Any]) -> None:
        self.path, self._seen = path, _stamp(path)
        self._shelf = Shelf({"path": str(path.absolute()), **how})

    def known(self) -> tuple[Kept | None, str]:
        """What was kept, if it still holds; else why not, which is nothing for a file that was never read."""
        kept = self._shelf.open(Kept)
        if kept is None:
            return None, ""
        size = self.path.stat().st_size
        if size < kept.size:
            return None, f"the file is shorter than before ({size:,} bytes, {kept.size:,} then)"
        if _sha256_of_first(self.path, kept.size) != kept.sha256:
            return None, f"its first {kept.size:,} bytes are no longer those that were read before"
        return kept, ""

    def keep(self, kept: Kept) -> None:
        """Replace what was kept, whole or not at all; nothing of a file that was written to meanwhile."""
        if _stamp(self.path) == self._seen:
            self._shelf.keep(kept)


def _stamp(path: Path) -> tuple[int, int, int]:
    now = path.stat()
    return now.st_size, now.st_mtime_ns, now.st_ino


def _sha256_of_first(path: Path, size: int) -> str:
    if size == path.stat().st_size:
        return sha256_of(path)
    found = hashlib.sha256()
    with path.open("rb") as file:
        while size and (piece := file.read(min(size, _PIECE))):
            found.update(piece)
            size -= len(piece)
    return found.hexdigest()
