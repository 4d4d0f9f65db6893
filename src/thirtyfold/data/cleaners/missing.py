"""missing: spellings that mean "missing", and numbers that stand for it."""

import re
from dataclasses import replace
from typing import ClassVar

import numpy as np
import polars as pl

from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch
from thirtyfold.data.looks import Look, different

__all__ = ["Missing"]

_WORDS = {
    "?", "??", "-", "--", "---", ".", "..", "*", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "null", "none", "nil",
    "nan", "nat", "missing", "(missing)", "<na>", "<null>", "not available", "not applicable", "\\n",
    "#value!", "#ref!", "#div/0!", "#name?", "#null!", "#num!",
}  # fmt: skip
_WORDS_IN_NUMBERS = {"unknown", "empty", "not known", "undefined", "tbd", "unk"}
_ALSO_WORDS = {"none", "nil", "not applicable"}
"""Words for "there is none", which is an answer, where the column writes its gaps in another way."""
_LONGEST = max(map(len, _WORDS | _WORDS_IN_NUMBERS))
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
            found = self._of(column, draft.looks[column.name])
            taken = sorted({m for c in found if c.accepted for m in _spellings(c.before)})
            if taken:
                columns.append(replace(column, markers=tuple(dict.fromkeys((*column.markers, *taken)))))
            changes += found
        return Proposal(tuple(columns), tuple(changes))

    def _of(self, column: Column, look: Look) -> list[Change]:
        values = look.values
        if values.dtype == pl.String:
            return self._of_text(column, look)
        if not values.dtype.is_numeric():
            return []
        if self.missing is not None:
            said = {float(m) for m in self.missing if _is_float(m)}
            there = set(values.cast(pl.Float64).drop_nulls().unique().to_list()) & said
            return [Change(column.name, _text(v), None, "missing: said") for v in sorted(there)]
        return self._of_numbers(column, values.cast(pl.Float64))

    def _of_text(self, column: Column, look: Look) -> list[Change]:
        values = look.values
        if self.missing is not None:
            there = look.seen.filter(look.seen.is_in(sorted(self.missing))).unique(maintain_order=True)
            return [
                Change(column.name, v, None, "missing: said", why="named in clean.missing") for v in there.to_list()
            ]
        seen = look.seen.drop_nulls()
        plain = look.counts is None and look.numbers is not None
        numbers = (
            look.numbers.drop_nulls() if plain and look.numbers is not None else seen.cast(pl.Float64, strict=False)
        )
        odd = seen.filter(numbers.is_null() | numbers.is_nan())
        words = odd.filter(odd.str.len_chars() <= _LONGEST).unique(maintain_order=True)
        lower = words.str.to_lowercase()
        spelled = [w for w, low in zip(words.to_list(), lower.to_list(), strict=True) if low in _WORDS]
        if values.null_count() or len({w.lower() for w in spelled} - _ALSO_WORDS) or (words == "").any():
            spelled = [w for w in spelled if w.lower() not in _ALSO_WORDS]  # gaps are written otherwise here
        mostly = len(odd) < len(seen) and _mostly(look, odd, len(spelled))
        if mostly:
            spelled += [w for w, low in zip(words.to_list(), lower.to_list(), strict=True) if low in _WORDS_IN_NUMBERS]
        changes = [Change(column.name, w, None, "missing: spelling", 0.98, why=f"'{w}' means missing") for w in spelled]
        if mostly or not len(odd):
            if look.counts is not None:
                changes += self._of_numbers(column, numbers, look, look.counts["count"])
            else:
                every = look.numbers if look.numbers is not None else values.cast(pl.Float64, strict=False)
                changes += self._of_numbers(column, every, look)
        return changes

    def _of_numbers(
        self, column: Column, values: pl.Series, written: Look | None = None, times: pl.Series | None = None
    ) -> list[Change]:
        finite = (values.is_not_null() & values.is_finite()).fill_null(value=False)
        known = values.filter(finite).to_numpy()
        often = np.ones(len(known), np.int64) if times is None else times.filter(finite).cast(pl.Int64).to_numpy()
        if often.sum() < 20:
            return []
        found = _stand_alone(known, often)
        changes: list[Change] = []
        for value, confidence, why in found:
            if column.role == "target" and value == 0:
                continue
            for spelling in _written(value, values, written):
                accepted = confidence >= 0.8
                changes.append(Change(column.name, spelling, None, "missing: sentinel", confidence, accepted, why))
        return changes


def _mostly(look: Look, odd: pl.Series, spelled: int) -> bool:
    """Whether nearly all different values are numbers, and more than one is."""
    words = different(odd)
    if words - spelled <= 1 and look.counts is None:
        return True
    return words - spelled <= 0.02 * max(1, look.distinct) + 1 and look.distinct > words + 1


def _stand_alone(known: np.ndarray, times: np.ndarray) -> list[tuple[float, float, str]]:
    """Numbers at an end of the range that repeat and stand far from all others: (value, confidence, why)."""
    rows = int(times.sum())
    ends = _ends(known)
    if ends is None:
        return []
    found: list[tuple[float, float, str]] = []
    low, next_low, next_high, high = ends
    least, most = int(times[known == low].sum()), int(times[known == high].sum())
    rest_low, rest_high = high - next_low, next_high - low
    often = max(3.0, 0.0005 * rows)
    if low < 0 and least >= often:
        gap = next_low - low
        nines = bool(_NINES.fullmatch(_text(low)))
        if low <= -9 and ((nines and (next_low >= 0 or gap > 0.5 * rest_low)) or gap > 2 * rest_low):
            why = f"{least:,} rows say {low:g}; the next is {next_low:g}, all others lie within {rest_low:g}"
            found.append((low, 0.95 if nines else 0.85, why))
        elif low <= -100 and low % 100 == 0 and next_low >= 0 and gap > 0.1 * rest_low:
            found.append((low, 0.8, f"{least:,} rows say {low:g} and no other is below {next_low:g}"))
    if high >= 99 and most >= often and _NINES.fullmatch(_text(high)):
        gap = high - next_high
        if gap > 2 * rest_high:
            why = f"{most:,} rows say {high:g}; the next is {next_high:g}, all others lie within {rest_high:g}"
            found.append((high, 0.85, why))
        elif gap > 0.5 * rest_high:
            why = f"{most:,} rows say {high:g}, far above the next, {next_high:g}: a cap, or missing?"
            found.append((high, 0.5, why))
    if low == 0 and least >= often and next_low > 1 and least < 0.1 * rows and rest_low > 0:
        values, place = np.unique(known, return_inverse=True)
        each = np.bincount(place, times).astype(np.int64)
        middle = float(np.median(np.repeat(values[1:], np.minimum(each[1:], 1000))))
        if next_low > 0.3 * middle:
            why = f"{least:,} rows say 0 and no other is below {next_low:g}; is 0 possible here?"
            found.append((0.0, 0.5, why))
    return found


def _ends(known: np.ndarray) -> tuple[float, float, float, float] | None:
    """The least two and the greatest two of at least five different numbers, in order; None of fewer."""
    low, high = float(known.min()), float(known.max())
    if low == high:
        return None
    next_low, next_high = (
        float(np.min(known, where=known > low, initial=np.inf)),
        float(np.max(known, where=known < high, initial=-np.inf)),
    )
    if not ((known > next_low) & (known < next_high)).any():
        return None
    return low, next_low, next_high, high


def _written(value: float, numbers: pl.Series, written: Look | None) -> list[str]:
    """How a number stands in a text column."""
    if written is None:
        return [_text(value)]
    all_of = written.values if written.counts is None else written.counts["value"]
    there = all_of.filter((numbers == value).fill_null(value=False))
    return [str(w) for w in there.unique(maintain_order=True).to_list()]


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
