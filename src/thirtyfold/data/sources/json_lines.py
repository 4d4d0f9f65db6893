"""json_lines: a JSON object a line, or one JSON array of objects."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.nested import Lists, flat, frame_of, rows_of
from thirtyfold.data.opening import content
from thirtyfold.data.reading import Read, existing, quarantined, trace, whole

__all__ = ["JsonLines"]


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
        """All objects as rows."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        frame, bad = self._rows(None)
        return Read(frame, quarantined(bad), trace(path, frame, format="json_lines", quarantined=len(bad)))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return self._rows(rows)[0]

    def _rows(self, most: int | None) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
        path = existing(self.path)
        try:
            text = content(path).decode(self.encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise DataError(Fault(self.path, f"is not {self.encoding} text: {error}.")) from None
        objects: list[dict[str, Any]] = []
        bad: list[tuple[int, str, str]] = []
        for line, value, raw in _values(text):
            if isinstance(value, dict):
                objects += (flat(r, self.lists) for r in rows_of(value, self.explode, self.path))
            else:
                bad.append((line, "not a JSON object", raw))
            if most and len(objects) >= most:
                break
        if not objects:
            first = bad[0][2][:80] if bad else text[:80]
            raise DataError(
                Fault(
                    self.path,
                    f"there is no JSON object in it; it begins with {first!r}.",
                    hint="Is it CSV, or cut off?",
                )
            )
        return whole(frame_of(objects, self.path), self.path), bad


def _values(text: str) -> list[tuple[int, Any, str]]:
    if text.lstrip().startswith("["):
        try:
            return [(i, v, str(v)[:200]) for i, v in enumerate(json.loads(text), 1)]
        except (json.JSONDecodeError, RecursionError):
            pass
    found: list[tuple[int, Any, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append((number, json.loads(line), line))
            except (json.JSONDecodeError, RecursionError):
                found.append((number, None, line))
    return found
