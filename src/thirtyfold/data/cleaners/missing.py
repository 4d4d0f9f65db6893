"""missing: spellings that mean "missing", and numbers that stand for it."""

import re
from dataclasses import replace
from typing import ClassVar

import numpy as np
import polars as pl

from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Missing"]

_WORDS = {
    "?", "??", "-", "--", "---", ".", "..", "*", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "null", "none", "nil",
    "nan", "nat", "missing", "(missing)", "<na>", "<null>", "not available", "not applicable", "\\n",
    "#value!", "#ref!", "#div/0!", "#name?", "#null!", "#num!",
}  # fmt: skip
_WORDS_IN_NUMBERS = {"unknown", "empty", "not known", "undefined", "tbd", "unk"}
_ALSO_WORDS = {"none", "nil", "not applicable"}
"""Words for "there is none", which is an answer, where the column writes its gaps in another way."""
_NINES = re.compile(r"-?9{2,}(?:\.0*)?|-?9{3,}\.9+")


class Missing:
    """Finds what means "missing" in each column: ``?``, ``NA``, ``-``, and numbers such as -999 that stand alone.

    ``missing`` lists the spellings to use instead of finding them (numbers as they are written).
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, missing: list[str] | None = None) -> None:
        self.missing = None if missing is None else {m.strip() for m in missing}

    def propose(self, draft: Draft) -> Proposal:
        """Markers for each column, with how it was seen that they are markers."""
        columns: list[Column] = []
        changes: list[Change] = []
        for column in draft.table.columns.values():
            found = self._of(column, draft.table[column.name])
            taken = sorted({m for c in found if c.accepted for m in _spellings(c.before)})
            if taken:
                columns.append(replace(column, markers=tuple(dict.fromkeys((*column.markers, *taken)))))
            changes += found
        return Proposal(tuple(columns), tuple(changes))

    def _of(self, column: Column, values: pl.Series) -> list[Change]:
        if values.dtype == pl.String:
            return self._of_text(column, values)
        if values.dtype.is_numeric():
            return self._of_numbers(column, values.cast(pl.Float64))
        return []

    def _of_text(self, column: Column, values: pl.Series) -> list[Change]:
        distinct = values.drop_nulls().unique(maintain_order=True)
        if self.missing is not None:
            said = [v for v in distinct.to_list() if v in self.missing]
            return [Change(column.name, v, None, "missing: said", why="named in clean.missing") for v in said]
        numbers = distinct.cast(pl.Float64, strict=False)
        words = distinct.filter(numbers.is_null() | numbers.is_nan())
        lower = words.str.to_lowercase()
        spelled = [w for w, low in zip(words.to_list(), lower.to_list(), strict=True) if low in _WORDS]
        if values.null_count() or len({w.lower() for w in spelled} - _ALSO_WORDS) or (distinct == "").any():
            spelled = [w for w in spelled if w.lower() not in _ALSO_WORDS]  # gaps are written otherwise here
        mostly = len(words) - len(spelled) <= 0.02 * max(1, len(distinct)) + 1 and len(distinct) > len(words) + 1
        if mostly:
            spelled += [w for w, low in zip(words.to_list(), lower.to_list(), strict=True) if low in _WORDS_IN_NUMBERS]
        changes = [Change(column.name, w, None, "missing: spelling", 0.98, why=f"'{w}' means missing") for w in spelled]
        if mostly or not len(words):
            changes += self._of_numbers(column, values.cast(pl.Float64, strict=False), distinct)
        return changes

    def _of_numbers(self, column: Column, values: pl.Series, written: pl.Series | None = None) -> list[Change]:
        if self.missing is not None:
            said = {float(m) for m in self.missing if _is_float(m)}
            there = set(values.drop_nulls().unique().to_list()) & said
            return [Change(column.name, _text(v), None, "missing: said") for v in sorted(there)]
        known = values.filter(values.is_not_null() & values.is_finite())
        if known.len() < 20:
            return []
        counts = known.alias("value").value_counts().sort("value")
        found = _stand_alone(counts.to_series(0).to_numpy(), counts.to_series(1).to_numpy())
        changes: list[Change] = []
        for value, confidence, why in found:
            if column.role == "target" and value == 0:
                continue
            for spelling in _written(value, written):
                accepted = confidence >= 0.8
                changes.append(Change(column.name, spelling, None, "missing: sentinel", confidence, accepted, why))
        return changes


def _stand_alone(values: np.ndarray, times: np.ndarray) -> list[tuple[float, float, str]]:
    """Numbers at an end of the range that repeat and stand far from all others: (value, confidence, why)."""
    rows = times.sum()
    if len(values) < 5:
        return []
    found: list[tuple[float, float, str]] = []
    low, next_low, high, next_high = values[0], values[1], values[-1], values[-2]
    rest_low, rest_high = float(values[-1] - values[1]), float(values[-2] - values[0])
    often = max(3.0, 0.0005 * rows)
    if low < 0 and times[0] >= often:
        gap = float(next_low - low)
        nines = bool(_NINES.fullmatch(_text(low)))
        if low <= -9 and ((nines and (next_low >= 0 or gap > 0.5 * rest_low)) or gap > 2 * rest_low):
            why = f"{times[0]:,} rows say {low:g}; the next is {next_low:g}, all others lie within {rest_low:g}"
            found.append((float(low), 0.95 if nines else 0.85, why))
        elif low <= -100 and low % 100 == 0 and next_low >= 0 and gap > 0.1 * rest_low:
            found.append((float(low), 0.8, f"{times[0]:,} rows say {low:g} and no other is below {next_low:g}"))
    if high >= 99 and times[-1] >= often and _NINES.fullmatch(_text(high)):
        gap = float(high - next_high)
        if gap > 2 * rest_high:
            why = f"{times[-1]:,} rows say {high:g}; the next is {next_high:g}, all others lie within {rest_high:g}"
            found.append((float(high), 0.85, why))
        elif gap > 0.5 * rest_high:
            why = f"{times[-1]:,} rows say {high:g}, far above the next, {next_high:g}: a cap, or missing?"
            found.append((float(high), 0.5, why))
    if low == 0 and times[0] >= often:
        middle = float(np.median(np.repeat(values[1:], np.minimum(times[1:], 1000))))
        if next_low > 0.3 * middle and next_low > 1 and times[0] < 0.1 * rows and rest_low > 0:
            why = f"{times[0]:,} rows say 0 and no other is below {next_low:g}; is 0 possible here?"
            found.append((0.0, 0.5, why))
    return found


def _written(value: float, written: pl.Series | None) -> list[str]:
    """How a number stands in a text column."""
    if written is None:
        return [_text(value)]
    return [str(w) for w in written.filter(written.cast(pl.Float64, strict=False) == value).to_list()]


def _spellings(marker: str) -> list[str]:
    """A marker, and the plain spelling in which the same number comes at serving."""
    return [marker, _text(float(marker))] if _is_float(marker) and marker.lower() != "nan" else [marker]


def _text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
