"""typed: values that are written in a way, or are a slip, that their column's type cannot take as they are."""

from typing import ClassVar

import polars as pl

from thirtyfold.data.draft import Change, Draft, Proposal, Stretch

__all__ = ["Typed"]


class Typed:
    """Says what reading changed: "$1,200.50" became 1200.5, "1/2/2011" a date, "3x233" could not be read."""

    stretch: ClassVar[Stretch] = "typed"

    def propose(self, draft: Draft) -> Proposal:
        """A change for each value that is not what a plain reader would make of it."""
        changes: list[Change] = []
        for name, column in draft.table.columns.items():
            wrong = draft.unreadable.get(name, {})
            changes += [
                Change(name, before, None, f"unreadable as {column.type}", 0.9, why=why)
                for before, why in wrong.items()
            ]
            typed, raw = draft.table[name], draft.raw[name]
            if typed.dtype == pl.Float64 and raw.dtype == pl.String and column.type == "number":
                plain = draft.raw_looks[name].numbers is not None
                changes += [] if plain else _notations(name, raw, typed)
        return Proposal(changes=tuple(changes))


def _notations(name: str, raw: pl.Series, typed: pl.Series) -> list[Change]:
    """Money, percentages, thousands and decimal commas: what differs from the figures alone."""
    odd = raw.is_not_null() & typed.is_not_null() & raw.cast(pl.Float64, strict=False).is_null()
    if not odd.any():
        return []
    pairs = pl.DataFrame({"before": raw.filter(odd), "after": typed.filter(odd)}).unique(maintain_order=True)
    return [
        Change(name, str(b), f"{a!r}".removesuffix(".0"), "notation of a number", 0.99) for b, a in pairs.iter_rows()
    ]
