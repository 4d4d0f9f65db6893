"""headers: what stands in the headers of files (width, seconds, bytes), beside a column that holds what is in them."""

import math
from dataclasses import replace
from typing import Any, ClassVar

from thirtyfold.core.content import find
from thirtyfold.core.door import typed
from thirtyfold.core.table import Column, Table
from thirtyfold.data.draft import Draft, Proposal, Stretch
from thirtyfold.data.media import Broken, header

__all__ = ["Headers"]

_LOOKED = 24


class Headers:
    """Sets aside columns that only repeat the headers of the files: the network looks into the files themselves, and
    how large a file is tells how it was made. ``keep`` names those to learn from all the same.
    """

    stretch: ClassVar[Stretch] = "whole"

    def __init__(self, keep: list[str] | None = None) -> None:
        self.keep = frozenset(keep or ())

    def propose(self, draft: Draft) -> Proposal:
        """The columns with the role ``ignore`` and why."""
        table = draft.table
        done: list[Column] = []
        for column in table.columns.values():
            kind = getattr(typed(column), "content", None)
            if kind is None or column.role != "input":
                continue
            told = _facts(table, column.name, kind)
            for name in set().union(*told.values()) if told else ():
                other = table.columns.get(name)
                if other is not None and other.role == "input" and name not in self.keep and _same(table, name, told):
                    done.append(replace(other, role="ignore", why=_why(column.name)))
        done.sort(key=lambda c: list(table.columns).index(c.name))
        names = ", ".join(f"'{c.name}'" for c in done)
        note = f"{names}: set aside, because they stand in the headers of the files; clean.keep brings them back."
        return Proposal(tuple(done), notes=(note,) if done else ())


def _why(column: str) -> str:
    return f"from the header of the file in '{column}', whose content is learned from"


def _facts(table: Table, column: str, kind: str) -> dict[int, dict[str, Any]]:
    """The headers of some files, by the position of their row."""
    out: dict[int, dict[str, Any]] = {}
    values = table[column].to_list()
    step = max(1, len(values) // _LOOKED)
    for at in range(0, len(values), step):
        try:
            path = find(values[at]) if values[at] is not None else None
            if path is not None:
                out[at] = {"bytes": path.stat().st_size, **header(path, kind)}
        except (Broken, ValueError):
            continue
    return out


def _same(table: Table, name: str, told: dict[int, dict[str, Any]]) -> bool:
    """Whether a column says in these rows what the headers say: a column of the same name may mean another thing."""
    values = table[name]
    pairs = [(values[at], facts[name]) for at, facts in told.items() if name in facts]
    return bool(pairs) and all(_equal(a, b) for a, b in pairs)


def _equal(a: object, b: object) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(float(a), float(b), rel_tol=1e-6)
    return str(a) == str(b)
