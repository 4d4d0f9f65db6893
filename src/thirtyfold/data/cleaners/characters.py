"""characters: control characters, broken encodings, forms of one letter, and markup in text."""

import re
from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl

from thirtyfold.core.mending import TROUBLE, Mending, has_markup, tidy
from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Characters"]

_ODD = re.sub(r"\\[xu]([0-9a-f]{4}|[0-9a-f]{2})", r"\\x{\1}", TROUBLE) + r"|</?[A-Za-z!]|&[#A-Za-z]"
"""The same in the notation of Polars' regular expressions, and what may be markup."""
_SIGNS = [chr(c) for c in (*range(9), *range(11, 32), 127)] + ["<", "&"]
_LOST = "text: characters were lost"


class Characters:
    """Puts text into one Unicode form without control characters, forgotten decoding ("cafÃ©") and markup.

    HTML tags and entities go where a column has three values with them or more. The same is done at serving. What was
    lost for good (the sign for an unknown character) is told.
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, characters: Literal["tidy", "off"] = "tidy") -> None:
        self.characters: Literal["tidy", "off"] = characters

    def propose(self, draft: Draft) -> Proposal:
        """Columns that need it, and a change for each value that it changes."""
        columns: list[Column] = []
        changes: list[Change] = []
        if self.characters == "off":
            return Proposal()
        for column in draft.table.columns.values():
            values = draft.table[column.name]
            if values.dtype != pl.String or column.role in ("id", "ignore"):
                continue
            head = values.head(200)
            if head.cast(pl.Float64, strict=False).null_count() <= 0.1 * len(head) + head.null_count():
                continue  # numbers
            look = draft.looks[column.name]
            known = look.seen if look.counts is not None else look.values.filter(_perhaps(look.values))
            odd = known.str.contains(_ODD).fill_null(value=False)
            if not odd.any():
                continue
            seen = known.filter(odd).unique(maintain_order=True).to_list()
            markup = column.role == "input" and sum(has_markup(v) for v in seen) >= 3
            mending = replace(column.mending or Mending(), characters=True, markup=markup)
            better = {v.strip(): tidy(v.strip(), markup=markup) for v in seen}
            mine = [
                Change(column.name, v, b or None, _rule(v, markup=markup), 0.98) for v, b in better.items() if b != v
            ]
            if mine:
                columns.append(replace(column, mending=mending))
            told = [b for b in dict.fromkeys(better.values()) if "\ufffd" in b]
            lost = [Change(column.name, b, b.replace("\ufffd", "") or None, _LOST, 0.9, accepted=False) for b in told]
            changes += [*mine, *lost]
        return Proposal(tuple(columns), tuple(changes))


def _perhaps(values: pl.Series) -> pl.Series:
    """Values that are not plain ASCII, or have a sign that markup has: a quarter of the time of the expression."""
    other = values.str.len_bytes() != values.str.len_chars()
    return (other | values.str.contains_any(_SIGNS)).fill_null(value=False)


def _rule(value: str, *, markup: bool) -> str:
    return "text: markup" if markup and has_markup(value) else "text: characters"
