"""currencies: amounts of several currencies in one column are told: they are not one number."""

from typing import ClassVar

import polars as pl

from thirtyfold.data.draft import Draft, Proposal, Stretch
from thirtyfold.data.money import ONE_CURRENCY, currencies_of

__all__ = ["Currencies"]


class Currencies:
    """Says which currencies a column is written in, where these are several. Nothing is converted.

    Where nine in ten of the amounts with a sign are of one, that is the column's, and the others cannot be read (they
    are missing, in the ledger with why); where they are not, the column is no number.
    """

    stretch: ClassVar[Stretch] = "raw"

    def propose(self, draft: Draft) -> Proposal:
        """Notes only."""
        notes: list[str] = []
        for column in draft.table.columns.values():
            values = draft.table[column.name]
            if values.dtype != pl.String or column.role == "ignore" or not _likely(values):
                continue
            seen = values.drop_nulls().alias("value").value_counts(sort=True).sort("value").head(20_000)
            count = currencies_of(seen["value"], seen["count"].to_list())
            if len(count) < 2:
                continue
            total, most = sum(count.values()), max(count, key=lambda c: (count[c], c))
            told = ", ".join(f"{c} {n:,}" for c, n in sorted(count.items(), key=lambda i: (-i[1], i[0])))
            said = f"fields: {{{column.name}: {{number: {{currency: WORD}}}}}}"
            done = (
                f"the others are missing, for nothing is converted ({said.replace('WORD', 'any')} reads all)"
                if count[most] >= ONE_CURRENCY * total
                else "that is not one number, and nothing is converted: make a column for the currency, or say "
                f"{said.replace('WORD', most)} to read only these"
            )
            notes.append(f"'{column.name}' holds amounts in {told}: {done}.")
        return Proposal(notes=tuple(notes))


def _likely(values: pl.Series) -> bool:
    """A quick look at some values: figures with a sign of money beside them."""
    head = values.drop_nulls().head(200)
    return bool(head.str.contains(r"\d").any()) and bool(currencies_of(head, [1] * len(head)))
