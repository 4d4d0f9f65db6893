"""duplicates: rows that are exact copies of another; kept on one side of every split, or dropped."""

from typing import ClassVar, Literal

import numpy as np

from thirtyfold.data.draft import Draft, Proposal, Stretch
from thirtyfold.data.looks import copied

__all__ = ["Duplicates"]


class Duplicates:
    """Numbers rows so that exact copies share a number (ids and ignored columns do not count).

    A table of few possible rows (three yes/no columns, say) repeats without being copied: where less than a tenth of
    the rows are different, repeats are not taken for copies.
    """

    stretch: ClassVar[Stretch] = "whole"

    def __init__(self, duplicates: Literal["group", "drop", "keep"] = "group") -> None:
        self.duplicates: Literal["group", "drop", "keep"] = duplicates

    def propose(self, draft: Draft) -> Proposal:
        """``copies``: for each row the position of the first row that is equal to it."""
        table = draft.table
        rows = len(table)
        each = np.arange(rows, dtype=np.int64)
        names = [c.name for c in table.columns.values() if c.role not in ("id", "ignore")]
        if self.duplicates == "keep" or not names:
            return Proposal(copies=each)
        copies = copied(table.frame.select(names))
        again = copies != each
        if not again.any():
            return Proposal(copies=each, notes=("No row is an exact copy of another.",))
        distinct = rows - int(again.sum())
        if distinct < 0.1 * rows:
            note = f"Only {distinct:,} of {rows:,} rows are different: repeats are not taken for copies."
            return Proposal(copies=each, notes=(note,))
        groups = len(np.unique(copies[again]))
        many = int(again.sum())
        copy = "rows are exact copies" if many > 1 else "row is an exact copy"
        note = f"{many:,} {copy} of {groups:,} other{'s' * (groups > 1)}"
        if self.duplicates == "drop":
            aside = dict.fromkeys(np.flatnonzero(again).tolist(), "duplicate: dropped")
            return Proposal(aside=aside, copies=copies, notes=(f"{note}; only the first of each was kept.",))
        return Proposal(copies=copies, notes=(f"{note}; each group stays on one side of the split.",))
