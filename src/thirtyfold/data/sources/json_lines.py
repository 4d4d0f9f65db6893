"""json_lines: a JSON object a line, or one JSON array of objects."""

import json
from typing import Any, ClassVar

import polars as pl

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, existing, named, quarantined, trace, whole

__all__ = ["JsonLines"]


class JsonLines:
    """JSON objects, one a line (or one array of them); nested objects become columns named ``outer.inner``.

    A line that is not a JSON object is quarantined. Numbers stay numbers where a column has nothing else.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")

    def __init__(self, path: str, encoding: str = "utf-8-sig") -> None:
        self.path, self.encoding = path, encoding

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
            text = path.read_text(encoding=self.encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise DataError(Fault(self.path, f"is not {self.encoding} text: {error}.")) from None
        objects: list[dict[str, Any]] = []
        bad: list[tuple[int, str, str]] = []
        for line, value, raw in _values(text):
            if isinstance(value, dict):
                objects.append(_flat(value))
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
        return whole(_frame(objects, self.path), self.path), bad


def _values(text: str) -> list[tuple[int, Any, str]]:
    if text.lstrip().startswith("["):
        try:
            return [(i, v, str(v)[:200]) for i, v in enumerate(json.loads(text), 1)]
        except json.JSONDecodeError:
            pass
    found: list[tuple[int, Any, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append((number, json.loads(line), line))
            except json.JSONDecodeError:
                found.append((number, None, line))
    return found


def _flat(value: dict[str, Any], above: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            out |= _flat(inner, f"{above}{key}.")
        else:
            out[f"{above}{key}"] = json.dumps(inner) if isinstance(inner, list) else inner
    return out


def _frame(objects: list[dict[str, Any]], where: str) -> pl.DataFrame:
    names = list(dict.fromkeys(k for o in objects for k in o))
    columns: dict[str, pl.Series] = {}
    for name, kept in zip(names, named(names, where), strict=True):
        values = [o.get(name) for o in objects]
        kinds = {type(v) for v in values if v is not None}
        if kinds <= {int, float}:
            columns[kept] = pl.Series([None if v is None else float(v) for v in values], dtype=pl.Float64)
            if kinds == {int}:
                columns[kept] = columns[kept].cast(pl.Int64, strict=False)
        elif kinds == {bool}:
            columns[kept] = pl.Series(values, dtype=pl.Boolean)
        else:
            columns[kept] = pl.Series([_text(v) for v in values], dtype=pl.String)
    return pl.DataFrame(columns)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    return json.dumps(value)
