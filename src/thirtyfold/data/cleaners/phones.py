"""phones: telephone numbers in one spelling, where it is certain or the country is said."""

from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.mending import Mending
from thirtyfold.core.phone import COUNTRIES, digits_of, phone_of
from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Phones"]

_SAFE = 0.95
_FIRST = 200


class Phones:
    """Writes telephone numbers as ``+27821234567`` (ITU-T E.164), in training and in service.

    ``safe``: numbers that say their country (``+27``, ``0027``) in columns where nineteen of twenty values are numbers
    of telephones and half of them say it; the others stay. ``{phone: ZA}`` says the country (ISO 3166) of those of a
    column that do not. ``off`` leaves all.
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, phones: dict[str, str] | Literal["safe", "off"] = "safe") -> None:
        self.phones = phones
        for name, country in phones.items() if isinstance(phones, dict) else ():
            if country not in COUNTRIES:
                hint = nearest(country, COUNTRIES)
                raise SpecError(Fault(f"clean.phones.{name}", f"'{country}' is no country that is known.",
                                      ", ".join(COUNTRIES), hint))  # fmt: skip

    def propose(self, draft: Draft) -> Proposal:
        """Columns of telephone numbers, and a change for each that is written otherwise."""
        columns: list[Column] = []
        changes: list[Change] = []
        notes: list[str] = []
        for column in draft.table.columns.values() if self.phones != "off" else ():
            values = draft.table[column.name]
            if values.dtype != pl.String or column.role in ("target", "ignore"):
                continue
            country = self.phones.get(column.name) if isinstance(self.phones, dict) else None
            if country is None and not (_begins(values, column) and _certain(_known(values, column))):
                continue
            texts = values.str.strip_chars().drop_nulls()
            mending = replace(column.mending or Mending(), phone=country or "+")
            seen = texts.unique(maintain_order=True).to_list()
            mine = [(v, phone_of(v, country or "")) for v in seen]
            changes += [Change(column.name, v, p, "phone: one spelling", 0.97) for v, p in mine if p != v]
            columns.append(replace(column, mending=mending))
            left = sum(1 for v, p in mine if p == v and not v.startswith("+") and digits_of(v))
            if left:
                hint = f"say the country: clean: {{phones: {{{column.name}: US}}}}"
                notes.append(f"{left:,} numbers of '{column.name}' do not say their country and stay; {hint}.")
        return Proposal(tuple(columns), tuple(changes), notes=tuple(notes))


def _known(values: pl.Series, column: Column) -> pl.Series:
    texts = values.str.strip_chars().drop_nulls()
    return texts.filter(~texts.is_in(["", *column.markers]))


def _begins(values: pl.Series, column: Column) -> bool:
    """Whether half of the first 200 begin with a calling code."""
    size = 10 * _FIRST
    while len(head := _known(values.head(size), column).head(_FIRST)) < _FIRST and size < len(values):
        size *= 10
    return len(head) >= 10 and int(head.str.contains(r"^\s*(\+|00)").sum()) >= 0.5 * len(head)


def _certain(texts: pl.Series) -> bool:
    """Whether nearly all are telephone numbers, and one of them tells its country."""
    found = [digits_of(v) for v in texts.unique(maintain_order=True).head(2000).to_list()]
    return sum(f is not None for f in found) >= _SAFE * len(found) and any(f is not None and f[1] for f in found)
