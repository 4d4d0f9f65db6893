"""constant: columns that say the same in every row, nothing at all, or only name the row."""

from dataclasses import replace
from typing import ClassVar

from thirtyfold.core.table import Column
from thirtyfold.data.draft import Draft, Proposal, Stretch

__all__ = ["Constant"]


class Constant:
    """Sets aside inputs that are constant, empty, an id, or a copy of an earlier column; ``keep`` names exceptions."""

    stretch: ClassVar[Stretch] = "whole"

    def __init__(self, keep: list[str] | None = None) -> None:
        self.keep = frozenset(keep or ())

    def propose(self, draft: Draft) -> Proposal:
        """The columns with the role ``ignore`` or ``id`` and why."""
        columns: list[Column] = []
        notes: list[str] = []
        earlier: dict[int, list[str]] = {}
        for column in draft.table.columns.values():
            if column.role != "input" or column.name in self.keep:
                continue
            values = draft.table[column.name]
            known, look = values.drop_nulls(), draft.looks[column.name]
            if not len(known):
                done = replace(column, role="ignore", why="every value is missing")
            elif column.type == "id":
                done = replace(column, role="id", why=f"names the row: {look.distinct:,} different values")
            elif len(known) == len(values) and bool((known == known[0]).all()):
                done = replace(column, role="ignore", why=f"constant: always {str(known[0])[:60]}")
            else:
                key = int(values.head(2000).hash(0).sum() or 0)
                same = next((n for n in earlier.get(key, []) if draft.table[n].equals(values, null_equal=True)), None)
                earlier.setdefault(key, []).append(column.name)
                if same is None or not len(draft.table) > 20:
                    continue
                done = replace(column, role="ignore", why=f"the same as '{same}' in every row")
            columns.append(done)
            notes.append(f"'{column.name}' is set aside: {done.why}.")
        return Proposal(tuple(columns), notes=tuple(notes))
