"""boilerplate: sentences that stand in many texts and tell nothing of any: footers, disclaimers, greetings."""

import re
from collections import Counter
from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl

from thirtyfold.core.mending import Mending
from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Boilerplate"]

_SHARE, _TEXTS = 0.05, 20
"""A sentence of boilerplate stands in one of twenty texts, and in twenty."""
_LETTERS, _WORDS = 25, 4
_ENDS = re.compile(r"\n+|(?<=[.!?])\s+")


class Boilerplate:
    """Finds sentences and lines of four words or more that stand in one of twenty texts beside other words.

    ``tell`` names them; ``cut`` takes them out, in service too; ``off`` does not look.
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, boilerplate: Literal["tell", "cut", "off"] = "tell") -> None:
        self.boilerplate: Literal["tell", "cut", "off"] = boilerplate

    def propose(self, draft: Draft) -> Proposal:
        """Columns with the sentences that are cut, and a change for each text; or notes alone."""
        columns: list[Column] = []
        changes: list[Change] = []
        notes: list[str] = []
        for column in draft.table.columns.values() if self.boilerplate != "off" else ():
            values = draft.table[column.name]
            if column.role != "input" or values.dtype != pl.String or not _long(values):
                continue
            texts = values.drop_nulls().str.strip_chars().unique(maintain_order=True).to_list()
            found = _repeated(texts)
            if not found:
                continue
            first = "; ".join(f"'{s[:60]}' in {n:,}" for s, n in list(found.items())[:5])
            cut = self.boilerplate == "cut"
            done = "they were cut out" if cut else "'clean: {boilerplate: cut}' takes them out"
            notes.append(f"{len(found):,} sentences come again and again in '{column.name}' ({first}): {done}.")
            if cut:
                mending = replace(column.mending or Mending(), phrases=tuple(found))
                columns.append(replace(column, mending=mending))
                better = ((t, replace(mending, values={}).alone(t)) for t in texts)
                changes += [Change(column.name, t, b or None, "text: boilerplate", 0.9) for t, b in better if b != t]
        return Proposal(tuple(columns), tuple(changes), notes=tuple(notes))


def _long(values: pl.Series) -> bool:
    """Texts of several sentences' length, as far as some tell."""
    head = values.drop_nulls().head(200)
    return len(head) >= _TEXTS and float(str(head.str.len_chars().mean())) > 2 * _LETTERS


def _repeated(texts: list[str]) -> dict[str, int]:
    """Sentences in many of different texts, the longest first, for a short one may stand in a long one."""
    count: Counter[str] = Counter()
    for text in texts:
        parts = {p.strip() for p in _ENDS.split(text)}
        count.update(p for p in parts if len(p) >= _LETTERS and len(p) < len(text) and p.count(" ") >= _WORDS - 1)
    least = max(_TEXTS, _SHARE * len(texts))
    often = [(s, n) for s, n in count.items() if n >= least]
    return dict(sorted(often, key=lambda i: (-len(i[0]), i[0])))
