"""json_lines: a JSON object a line, or one JSON array of objects; read piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.arrivals import Book, Kept, Mark, arrived
from thirtyfold.data.margins import Fault3
from thirtyfold.data.nested import Lists, flat, rows_of
from thirtyfold.data.opening import is_packed, opened
from thirtyfold.data.pile import Mixed, Piled, in_batches, piled
from thirtyfold.data.reading import Read, existing, quarantined, trace, whole
from thirtyfold.data.streams import LONGEST, PLAIN, elements, lines_of, place_of, starts_as_array

__all__ = ["JsonLines"]


class _Found(NamedTuple):
    """The rows, the bad lines, and how many rows and lines are before the last one; no mark for an array."""

    rows: Piled
    bad: list[Fault3]
    mark: Mark | None


class JsonLines:
    """JSON objects, one a line (or one array of them); nested objects become columns named ``outer.inner``.

    A line that is not a JSON object is quarantined. Numbers stay numbers where a column has nothing else. A list is
    kept as its text, or becomes its count and what it adds up to (``lists: summary``); ``explode`` names one list by
    its path of which each element becomes a row. The file may be compressed (gz, bz2, xz, zst).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def __init__(
        self, path: str, encoding: str = "utf-8-sig", lists: Lists = "text", explode: str | None = None
    ) -> None:
        self.path, self.encoding, self.lists, self.explode = path, encoding, lists, explode

    def read(self, context: Context) -> Read:
        """All objects as rows; of a file that has grown, those that came since are read."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        book = Book(path, {"json_lines": [self.encoding, self.lists, self.explode]})
        kept, why = book.known()
        try:
            found = self._found(path, kept)
        except Mixed as mixed:
            kept, why = None, f"'{mixed.names[0]}' holds words now, and held numbers"
            found = self._found(path, None)
        rows, bad = found.rows, found.bad
        if found.mark is not None and found.mark.rows:
            book.keep(Kept.of(path, found.mark, rows.frame if rows.numbered is None else rows.numbered, bad, {}))
        frame = whole(rows.frame, self.path)
        told = trace(path, frame, format="json_lines", quarantined=len(bad))
        return Read(frame, quarantined(bad), told, rows.numbered, arrived(kept, why, path, frame))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        path = existing(self.path)
        return whole(self._found(path, None, rows).rows.frame, self.path).head(rows)

    def _found(self, path: Path, kept: Kept | None, most: int | None = None) -> _Found:
        if kept is None and starts_as_array(path, self.encoding):
            try:
                return self._gathered(path, None, most, array=True)
            except json.JSONDecodeError:  # the lines may be arrays
                pass
        return self._gathered(path, kept, most, array=False)

    def _gathered(self, path: Path, kept: Kept | None, most: int | None, *, array: bool) -> _Found:
        """All rows, batch by batch; the first ``most`` where that is said."""
        bad: list[Fault3] = []
        last = Mark(0, 0, 0)

        def rows() -> Iterator[dict[str, Any]]:
            nonlocal last
            bad[:] = kept.told() if kept else []
            count = kept.rows if kept else 0
            for number, value, raw in self._values(path, kept, array=array):
                last = Mark(0, count, number - 1)
                if isinstance(value, dict):
                    for row in rows_of(value, self.explode, self.path):
                        count += 1
                        yield flat(row, self.lists)
                else:
                    bad.append((number, "not a JSON object", raw))
                if most and count >= most:
                    return

        found = piled(lambda: in_batches(rows()), self.path, kept.before if kept else None)
        if not found.frame.height:
            first = bad[0][2][:80] if bad else _beginning(path, self.encoding)
            what = f"there is no JSON object in it; it begins with {first!r}."
            raise DataError(Fault(self.path, what, hint="Is it CSV, or cut off?"))
        plain = not array and not most and self.encoding in PLAIN and not is_packed(path)
        return _Found(found, bad, last._replace(start=place_of(path, last.lines)) if plain else None)

    def _values(self, path: Path, kept: Kept | None, *, array: bool) -> Iterator[tuple[int, Any, str]]:
        """Each value with its number, and how it begins."""
        with opened(path) as file:
            if array:
                for number, value in enumerate(elements(file, self.encoding, self.path), 1):
                    yield number, value, str(value)[:200]
                return
            if kept is not None:
                file.seek(kept.start)
            for number, line in lines_of(file, self.encoding, self.path, kept.lines if kept else 0):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line) if len(line) < LONGEST else None
                except (json.JSONDecodeError, RecursionError):
                    value = None
                yield number, value, line[:2000]


def _beginning(path: Path, encoding: str) -> str:
    with opened(path) as file:
        return bytes(file.read(320)).decode(encoding, "replace")[:80]
