"""json: one JSON document: the records in it are found, what is nested in them becomes columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.nested import Lists, flat, frame_of, inside, records_of, rows_of
from thirtyfold.data.opening import content
from thirtyfold.data.reading import Read, existing, quarantined, trace, whole

__all__ = ["Json"]


class Json:
    """A JSON document. Its records are the longest list of objects in it, or the list at the path ``record``.

    Objects in a record become columns named ``outer.inner``. A list in a record becomes its count and what it adds up
    to (``lists: summary``) or its text; ``explode`` names one list by its path of which each element becomes a row.
    A file of JSON lines under this ending is read as such.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def __init__(
        self,
        path: str,
        record: str | None = None,
        explode: str | None = None,
        lists: Lists = "summary",
        encoding: str = "utf-8-sig",
    ) -> None:
        self.path, self.record, self.explode, self.lists, self.encoding = path, record, explode, lists, encoding

    def read(self, context: Context) -> Read:
        """All records as rows; an element of the list that is no object is quarantined."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        frame, bad, record = self._rows(path)
        more = {"format": "json", "record": record, "quarantined": len(bad)}
        return Read(frame, quarantined(bad), trace(path, frame, **more))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, with the columns that all records have together."""
        return self._rows(existing(self.path))[0].head(rows)

    def _rows(self, path: Path) -> tuple[pl.DataFrame, list[tuple[int, str, str]], str]:
        document, bad = _document(_text(path, self.encoding), self.path)
        if self.record:
            found = inside(document, self.record, self.path)
            record, values = self.record, found if isinstance(found, list) else [found]
        else:
            record, values = records_of(document)
        rows: list[dict[str, Any]] = []
        for number, value in enumerate(values, 1):
            if isinstance(value, dict):
                rows += (flat(r, self.lists) for r in rows_of(value, self.explode, self.path))
            else:
                bad.append((number, "not a JSON object", json.dumps(value)[:200]))
        if not any(rows):
            first = json.dumps(document)[:80]
            what = f"there is no JSON object in it; it begins with {first!r}."
            raise DataError(Fault(self.path, what, hint="Is it CSV, or cut off?"))
        return whole(frame_of(rows, self.path), self.path), bad, record


def _text(path: Path, encoding: str) -> str:
    try:
        return content(path).decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(Fault(str(path), f"is not {encoding} text: {error}.")) from None


def _document(text: str, where: str) -> tuple[Any, list[tuple[int, str, str]]]:
    """The document; where each line is one, the list of them, with the lines that are none."""
    try:
        return json.loads(text), []
    except json.JSONDecodeError as error:
        lines = _lines(text) if "\n" in text.strip() else None
        if lines is not None:
            return lines
        cut = error.pos >= len(text.rstrip()) - 1
        said = "it is cut off" if cut else f"{error.msg} at line {error.lineno:,}, column {error.colno:,}"
        beginning = text.strip()[:80]
        what = f"there is no JSON object in it ({said}); it begins with {beginning!r}."
        raise DataError(Fault(where, what, hint="Is it CSV, or cut off?")) from None
    except RecursionError:
        raise DataError(Fault(where, "is nested deeper than any table is (more than about 1,000 levels).")) from None


def _lines(text: str) -> tuple[list[Any], list[tuple[int, str, str]]] | None:
    values: list[Any] = []
    bad: list[tuple[int, str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                value = None
            if isinstance(value, dict):
                values.append(value)
            else:
                bad.append((number, "not a JSON object", line[:2000]))
    return (values, bad) if len(values) > len(bad) else None
