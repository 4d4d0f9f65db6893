"""units: amounts written with their unit, and several units of one kind in a column: to one unit."""

import re
from collections import Counter
from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl

from thirtyfold.core.mending import Mending, amount_of
from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Units"]

_KINDS: dict[str, dict[str, tuple[float, float]]] = {
    "weight": {"mg": (1e-6, 0), "g": (1e-3, 0), "kg": (1, 0), "t": (1000, 0), "oz": (0.028349523125, 0),
               "lb": (0.45359237, 0)},
    "length": {"mm": (1e-3, 0), "cm": (1e-2, 0), "m": (1, 0), "km": (1000, 0), "in": (0.0254, 0), "ft": (0.3048, 0),
               "yd": (0.9144, 0), "mi": (1609.344, 0)},
    "temperature": {"c": (1, 0), "f": (5 / 9, -160 / 9), "k": (1, -273.15)},
    "volume": {"ml": (1e-3, 0), "cl": (1e-2, 0), "l": (1, 0), "gal": (3.785411784, 0)},
    "time": {"ms": (1e-3, 0), "s": (1, 0), "min": (60, 0), "h": (3600, 0), "d": (86400, 0)},
    "speed": {"kmh": (1, 0), "mph": (1.609344, 0)},
    "data": {"kb": (1e3, 0), "mb": (1e6, 0), "gb": (1e9, 0), "tb": (1e12, 0)},
    "energy": {"kcal": (4.184, 0), "kj": (1, 0)},
}  # fmt: skip
"""Units by what they measure: factor and offset to one of them (international yard and pound, 1959)."""
_WORDS = {
    "kg": "kgs kilo kilos kilogram kilograms", "g": "gram grams", "lb": "lbs pound pounds", "oz": "ounce ounces",
    "t": "ton tons tonne tonnes", "m": "meter meters metre metres", "in": "inch inches \"", "ft": "foot feet '",
    "mi": "mile miles", "yd": "yard yards", "cm": "centimeter centimeters centimetre centimetres",
    "mm": "millimeter millimeters millimetre millimetres", "km": "kilometer kilometers kilometre kilometres",
    "c": "°c celsius", "f": "°f fahrenheit", "k": "kelvin", "l": "liter liters litre litres", "gal": "gallon gallons",
    "s": "sec secs second seconds", "min": "mins minute minutes", "h": "hr hrs hour hours", "d": "day days",
    "kmh": "kph",
}  # fmt: skip
_ALSO = {word: unit for unit, words in _WORDS.items() for word in words.split()}


class Units:
    """Reads amounts with a unit ("70 kg", "154 lb") as numbers in the unit that most rows have.

    Where nineteen of twenty values are amounts in units of one kind; a number without a unit counts as in the unit of
    the column, where most have one. ``off`` leaves such columns as categories.
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, units: Literal["one", "off"] = "one") -> None:
        self.units: Literal["one", "off"] = units

    def propose(self, draft: Draft) -> Proposal:
        """Columns with the factors of their units, and a change for each value."""
        columns: list[Column] = []
        changes: list[Change] = []
        notes: list[str] = []
        for column in draft.table.columns.values() if self.units == "one" else ():
            values = draft.table[column.name]
            if values.dtype != pl.String or column.role != "input" or not _likely(column, values):
                continue
            texts = values.str.strip_chars().drop_nulls()
            texts = texts.filter(~texts.is_in(["", *column.markers]))
            factors, base = _factors(texts)
            if not base:
                continue
            mending = replace(column.mending or Mending(), units=factors, unit=base)
            columns.append(replace(column, mending=mending))
            mine = [_change(column.name, v, mending) for v in texts.unique(maintain_order=True).to_list()]
            changes += [c for c in mine if c is not None]
            used = sorted({_ALSO.get(u, u) for u in factors})
            notes.append(f"'{column.name}' is written in {', '.join(used)}: all of it was brought to {base}.")
        return Proposal(tuple(columns), tuple(changes), notes=tuple(notes))


def _likely(column: Column, values: pl.Series) -> bool:
    """A quick look at some values: numbers with letters after them."""
    head = values.drop_nulls().head(200).str.strip_chars()
    head = head.filter(~head.is_in(["", *column.markers]))
    return len(head) >= 10 and int(head.str.contains(r"^[+-]?[\d.,]+\s*[A-Za-z\"'°\u2019\u2032]").sum()) >= 0.5 * len(
        head
    )


def _factors(texts: pl.Series) -> tuple[dict[str, tuple[float, float]], str]:
    """Factor and offset of each written unit to the column's unit, and that unit; nothing where it is not one kind."""
    seen = texts.alias("value").value_counts()
    written: Counter[str] = Counter()
    bare = 0
    for value, times in zip(seen["value"].to_list(), seen["count"].to_list(), strict=True):
        amount = amount_of(value)
        if amount is not None:
            written[amount[1]] += times
        elif re.fullmatch(r"[+-]?\d+(?:[.,]\d+)?", value):
            bare += times
    short = {u: _ALSO.get(u, u) for u in written}
    for units in _KINDS.values():
        mine = {u: n for u, n in written.items() if short[u] in units}
        if sum(mine.values()) + bare >= 0.95 * len(texts) and sum(mine.values()) > bare:
            often: Counter[str] = Counter()
            for unit, times in mine.items():
                often[short[unit]] += times
            base = min(often, key=lambda u: (-often[u], u))
            if len(mine) == 1 and len(base) == 1 and (bare or base == "k"):
                return {}, ""  # "50k" and "900": thousands, or a code
            factor, offset = units[base]
            return {
                u: (units[short[u]][0] / factor, (units[short[u]][1] - offset) / factor) for u in sorted(mine)
            }, base
    return {}, ""


def _change(name: str, value: str, mending: Mending) -> Change | None:
    amount = amount_of(value)
    if amount is None or amount[1] not in mending.units:
        return None
    same = mending.units[amount[1]] == (1.0, 0.0)
    rule = "unit: left out" if same else f"unit: {_ALSO.get(amount[1], amount[1])} to {mending.unit}"
    after = replace(mending, values={}).alone(value)
    return Change(name, value, after, rule, 0.95) if after != value else None
