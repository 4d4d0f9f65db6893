"""leave_out: rows and columns that are irrelevant by a rule of the user's."""

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.expression import Expression
from thirtyfold.core.family import nearest
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table, to_array
from thirtyfold.data.draft import Draft, Proposal, Stretch

__all__ = ["LeaveOut"]


class LeaveOut:
    """Leaves out rows for which a formula is true, and input columns whose name fits a pattern.

    ``leave_out: {rows: ["age < 18", "city == 'test'"], columns: ["tmp_*"]}``. Each row is in the ledger with its rule.
    In service a row is answered all the same: who asks knows why.
    """

    stretch: ClassVar[Stretch] = "whole"

    def __init__(self, leave_out: dict[str, list[str]] | None = None) -> None:
        self.rows, self.columns = (list((leave_out or {}).get(k, ())) for k in ("rows", "columns"))

    def propose(self, draft: Draft) -> Proposal:
        """Rows by rule; columns described as ignored. Raises DataError for a column that is not there."""
        table, notes = draft.table, list[str]()
        aside: dict[int, str] = {}
        for rule in self.rows:
            here = np.flatnonzero(_true(rule, table))
            aside |= {int(at): f"left out: {rule}" for at in here if int(at) not in aside}
            notes.append(f"{len(here):,} rows were left out, because {rule}.")
        if len(aside) == len(table) and aside:
            raise DataError(Fault("clean.leave_out.rows", "no row is left.", hint="Is a rule the wrong way round?"))
        gone = {
            c.name: replace(c, role="ignore", why=f"left out by '{p}'")
            for p in self.columns
            for c in table.columns.values()
            if c.role == "input" and fnmatchcase(c.name, p)
        }
        for pattern in self.columns:
            mine = [n for n in gone if fnmatchcase(n, pattern)]
            notes.append(f"'{pattern}' leaves out {', '.join(mine) or 'no column: none of the inputs fits'}.")
        return Proposal(tuple(gone.values()), aside=aside, notes=tuple(notes))


def _true(rule: str, table: Table) -> Array:
    """Where the formula holds; not where it cannot be computed."""
    formula, known = Expression(rule), list(table.columns)
    lacking = [n for n in formula.names if n not in known]
    if lacking:
        where = "clean.leave_out.rows"
        raise DataError(
            [Fault(where, f"there is no column '{n}' ({rule}).", ", ".join(known), nearest(n, known)) for n in lacking]
        )
    try:
        found = formula.evaluate({n: to_array(table[n]) for n in formula.names})
    except TypeError:  # words are compared as if they were amounts
        words = ", ".join(f"'{n}'" for n in formula.names if to_array(table[n]).dtype == object)
        what = f"'{rule}' cannot be asked: {words} is text, not a number."
        raise DataError(
            Fault("clean.leave_out.rows", what, hint="Say its type in fields, or compare with a text.")
        ) from None
    return np.asarray(np.nan_to_num(found) != 0)
