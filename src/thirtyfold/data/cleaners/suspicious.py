"""suspicious: values that look wrong and cannot be put right for sure: they are told, and stay."""

import re
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Suspicious"]

_FENCE = 6.0
"""How many interquartile ranges beyond the quartiles (Tukey's far out is 3; skewed amounts reach that in earnest)."""
_MOST = 50


class Suspicious:
    """Tells numbers and moments far from all others, figures in names ("J0hn"), and values of two columns swapped.

    Nothing is changed and no row is dropped; ``clean.accept`` takes a proposal, ``clean.errors: off`` turns it off.
    """

    stretch: ClassVar[Stretch] = "typed"

    def __init__(self, errors: Literal["tell", "off"] = "tell") -> None:
        self.errors: Literal["tell", "off"] = errors

    def propose(self, draft: Draft) -> Proposal:
        """Proposals only."""
        table = draft.table
        if self.errors == "off" or len(table) < 50:
            return Proposal()
        changes: list[Change] = []
        words: dict[str, dict[str, int]] = {}
        for column in table.columns.values():
            values = table[column.name]
            if column.role in ("input", "id") and values.dtype == pl.String:
                changes += _made_dates(column.name, values, draft)
            if column.role != "input":
                continue
            if values.dtype == pl.Float64:
                changes += _far(column.name, values, draft)
            elif values.dtype.is_temporal():
                changes += _far(column.name, values.dt.epoch("s").cast(pl.Float64), draft)
            elif column.type == "category":
                look = draft.looks[column.name]
                if look.counts is not None and 2 <= look.distinct <= 5000:
                    seen = look.counts.sort(["count", "value"], descending=[True, False])
                    words[column.name] = dict(zip(seen["value"].to_list(), seen["count"].to_list(), strict=True))
                    changes += _figures(column.name, words[column.name])
        return Proposal(changes=(*changes, *_swapped(draft, words)))


def _far(name: str, values: pl.Series, draft: Draft) -> list[Change]:
    """Values beyond the fences, as they are and on a logarithmic scale, when they are hardly any."""
    known = values.drop_nulls() if values.is_finite().all() else values.filter(values.is_finite())
    if len(known) < 50:
        return []
    some = known.gather_every(max(1, len(known) // 10_000)).to_numpy()
    x, places = some, np.arange(0)
    for scale in (np.asarray, _logarithm):
        low, high = np.quantile(scale(some), [0.25, 0.75])
        if high <= low:
            return []
        fences = low - _FENCE * (high - low), high + _FENCE * (high - low)
        if scale is np.asarray:
            if not ((known < fences[0]) | (known > fences[1])).any():
                return []
            x = values.to_numpy()
            places = np.flatnonzero((x < fences[0]) | (x > fences[1]))
            places = places[np.isfinite(x[places])]
        else:
            of = scale(x[places])
            places = places[(of < fences[0]) | (of > fences[1])]
        if not len(places):
            return []
    if not 0 < len(places) <= max(1, 0.005 * len(known)):
        return []
    written, rows = draft.raw[name], draft.table.rows
    found: dict[str, list[int]] = {}
    for at in places[:_MOST].tolist():
        found.setdefault(str(written[at]).strip(), []).append(int(rows[at]))
    why = f"beyond {_FENCE:g} interquartile ranges; it stays as it is"
    return [Change(name, t, None, "outlier", 0.5, False, why, tuple(at)) for t, at in found.items()]


def _logarithm(x: Array) -> Array:
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


def _made_dates(name: str, values: pl.Series, draft: Draft) -> list[Change]:
    """Codes and ranges that a spreadsheet took for dates ("3-14" became "14-Mar"): few, among others with figures and
    without months. What stood there is lost.
    """
    look = draft.looks[name]
    few = look.seen if look.counts is not None else values
    if not few.str.contains("-", literal=True).any() or not few.str.contains(_SHEET).any():
        return []
    odd = values.str.contains(_SHEET).fill_null(value=False)
    known = len(values) - values.null_count()
    if not odd.any() or int(odd.sum()) > 0.05 * known:
        return []
    others = values.filter(~odd).drop_nulls()
    if float(str(others.str.contains(r"^[\dxX][\d ,;/.xX-]*$").mean() or 0.0)) < 0.8:
        return []
    found: dict[str, list[int]] = {}
    for at in odd.arg_true().to_list()[:_MOST]:
        found.setdefault(str(draft.raw[name][at]).strip(), []).append(int(draft.table.rows[at]))
    why = "a spreadsheet took a code for a date; what stood there is lost"
    return [Change(name, t, None, "a code become a date", 0.9, False, why, tuple(at)) for t, at in found.items()]


_MONTH = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_SHEET = f"^(?:\\d{{1,2}}-{_MONTH}|{_MONTH}-\\d{{1,2}})$"


def _figures(name: str, counts: dict[str, int]) -> list[Change]:
    """Figures between letters where other values have none, with the word that is meant if it is known."""
    odd = [v for v in counts if _BETWEEN.search(v)]
    rows = sum(counts.values())
    if not odd or sum(counts[v] for v in odd) > 0.02 * rows or any(v.isdigit() for v in counts):
        return []
    found = []
    for value in odd[:_MOST]:
        meant = [w for w in (value.translate(t) for t in _LOOKS) if w in counts]
        found.append(
            Change(name, value, meant[0] if meant else None, "figures in a name", 0.9 if meant else 0.5, accepted=False)
        )
    return found


_BETWEEN = re.compile(r"[^\W\d_]\d+[^\W\d_]")
_LOOKS = [str.maketrans("013457", "o" + one + "east") for one in "il"] + [
    str.maketrans("013457", "O" + one + "EAST") for one in "IL"
]
"""Figures as the letters that they look like."""


def _swapped(draft: Draft, words: dict[str, dict[str, int]]) -> list[Change]:
    """Rows in which two columns each hold a word that is the other's."""
    table = draft.table
    rows = table.rows
    names = sorted(words)
    found: list[Change] = []
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            here, there = words[one], words[two]
            both = here.keys() & there.keys()
            if not both or len(both) > 0.5 * min(len(here), len(there)) + 2:
                continue
            guests = [v for v in both if there[v] >= 10 * here[v]]
            hosts = [v for v in both if here[v] >= 10 * there[v]]
            if not guests or not hosts:
                continue
            crossed = (table[one].is_in(guests) & table[two].is_in(hosts)).fill_null(value=False).arg_true()
            for at in crossed.to_list()[:_MOST]:
                a, b = str(table[one][at]), str(table[two][at])
                mark = (int(rows[at]),)
                found.append(Change(one, a, b, f"swapped with '{two}'", 0.9, accepted=False, rows=mark))
                found.append(Change(two, b, a, f"swapped with '{one}'", 0.9, accepted=False, rows=mark))
    return found
