"""Nested: objects in objects to one row each, with a column for each path."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl
from thirtyfold.data.reading import named

__all__ = ["COLUMNS", "DEPTH", "Lists", "flat", "frame_of", "inside", "records_of", "rows_of", "series_of"]

DEPTH = 32
"""Objects further down than this are kept as JSON text."""
COLUMNS = 10_000
"""More columns than this mean that the keys are data."""

Lists = Literal["summary", "text"]
"""A list becomes its count and what it adds up to, or its JSON text."""


def flat(value: Mapping[str, Any], lists: Lists = "summary", above: str = "", depth: int = 0) -> dict[str, Any]:
    """One object as columns named ``outer.inner``; see ``Lists`` for what a list becomes."""
    out: dict[str, Any] = {}
    for key, inner in value.items():
        name = f"{above}{key}"
        if isinstance(inner, dict) and depth < DEPTH:
            out |= flat(inner, lists, f"{name}.", depth + 1)
        elif isinstance(inner, list) and lists == "summary":
            out |= _summary(inner, name)
        else:
            out[name] = _dumped(inner) if isinstance(inner, dict | list) else inner
    return out


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _summary(values: list[Any], name: str) -> dict[str, Any]:
    """How many, and what they add up to: numbers summed, words by the one that comes most often, objects by field."""
    out: dict[str, Any] = {f"{name}.count": len(values)}
    if values and all(isinstance(v, dict) for v in values):
        rows = [flat(v, "text") for v in values]
        for key in dict.fromkeys(k for r in rows for k in r):
            out |= _aggregates([r[key] for r in rows if r.get(key) is not None], f"{name}.{key}")
    else:
        out |= _aggregates([v for v in values if v is not None], name)
    return out


def _aggregates(values: list[Any], name: str) -> dict[str, Any]:
    if not values:
        return {}
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        total = sum(values)
        found = {"sum": total, "mean": total / len(values), "min": min(values), "max": max(values)}
    else:
        words = Counter(v if isinstance(v, str) else _dumped(v) for v in values)
        most = max(words.values())
        found = {"most_frequent": min(w for w, n in words.items() if n == most), "distinct": len(words)}
    return {f"{name}.{k}": v for k, v in found.items()}


def rows_of(
    value: Mapping[str, Any], explode: str | None, where: str, *, one: bool = False
) -> Iterator[Mapping[str, Any]]:
    """The object itself; or, to ``explode`` the list at a path, one object for each of its elements beside the rest.

    With ``one`` what is no list counts as a list of one, for XML does not tell them apart.
    """
    if explode is None:
        yield value
        return
    head, _, rest = explode.partition(".")
    if head not in value:
        yield value
        return
    inner, others = value[head], {k: v for k, v in value.items() if k != head}
    if rest and isinstance(inner, dict):
        for row in rows_of(inner, rest, where, one=one):
            yield {**others, head: row}
    elif one and not rest and not isinstance(inner, list):
        yield value
    elif isinstance(inner, list) and not rest:
        for element in inner or [None]:
            yield {**others, head: element}
    else:
        raise DataError(Fault(where, f"'{explode}' does not lead to a list.", hint="Name the list by its path."))


def inside(document: Any, path: str, where: str) -> Any:
    """What stands at a dotted path."""
    for key in path.split("."):
        if not isinstance(document, dict) or key not in document:
            known = ", ".join(map(str, document)) if isinstance(document, dict) else type(document).__name__
            raise DataError(Fault(where, f"there is no '{key}' on the way to the record '{path}'.", known[:300]))
        document = document[key]
    return document


def records_of(document: Any) -> tuple[str, list[Any]]:
    """The records of a document and the path to them: the list of objects that is longest, else objects under keys
    of their own, else the document itself as the one record.
    """
    best: tuple[str, list[Any]] = ("", [])
    for path, values in _lists(document, "", 0):
        if len(values) > len(best[1]):
            best = path, values
    if best[1]:
        return best
    if isinstance(document, dict):
        if len(document) > 1 and all(isinstance(v, dict) for v in document.values()) and _alike(document.values()):
            return "*", [{"key": k, **v} for k, v in document.items()]
        return "", [document]
    return "", document if isinstance(document, list) else [document]


def _lists(value: Any, path: str, depth: int) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, list):
        if any(isinstance(v, dict) for v in value):
            yield path, value
    elif isinstance(value, dict) and depth < DEPTH:
        for key, inner in value.items():
            yield from _lists(inner, f"{path}.{key}" if path else str(key), depth + 1)


def _alike(values: Any) -> bool:
    """Objects of one kind have most of their keys in common."""
    keys = [set(v) for v in values]
    return bool(keys[0]) and sum(len(k & keys[0]) >= len(keys[0]) / 2 for k in keys) > 0.9 * len(keys)


def frame_of(rows: Sequence[Mapping[str, Any]], where: str) -> pl.DataFrame:
    """Flat rows as a frame: whole numbers, numbers, truth values, and text for the rest."""
    names = list(dict.fromkeys(k for o in rows for k in o))
    if len(names) > COLUMNS:
        what = f"has {len(names):,} different paths; more than {COLUMNS:,} mean that keys are data."
        raise DataError(Fault(where, what, hint="Name the record, or turn the keys into values."))
    columns: dict[str, pl.Series] = {}
    for name, kept in zip(names, named(names, where), strict=True):
        columns[kept] = series_of([o.get(name) for o in rows])
    return pl.DataFrame(columns)


def series_of(values: list[Any], *, text: bool = False) -> pl.Series:
    """Values as a column: whole numbers, numbers, truth values, and text for the rest or where it is asked for."""
    kinds = {type(v) for v in values if v is not None} if not text else {str}
    if kinds == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
        return pl.Series(values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series([None if v is None else _float(v) for v in values], dtype=pl.Float64)
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    return pl.Series([_text(v) for v in values], dtype=pl.String)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    return _dumped(value)
