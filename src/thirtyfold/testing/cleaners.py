"""Checks that every cleaner passes, ours and a stranger's: ``check_cleaner(cleaner, draft)``."""

from dataclasses import fields
from typing import Any, get_args

import numpy as np

from thirtyfold.core.table import Column, Role

__all__ = ["check_cleaner"]

STRETCHES = ("raw", "typed", "whole")


def check_cleaner(cleaner: Any, draft: Any) -> Any:
    """Ask a cleaner about a draft: it proposes and changes nothing; returns what it proposed."""
    assert cleaner.stretch in STRETCHES, f"stretch must be one of {', '.join(STRETCHES)}, got {cleaner.stretch!r}"
    before, columns = draft.table.frame.clone(), dict(draft.table.columns)
    said = cleaner.propose(draft)
    assert draft.table.frame.equals(before, null_equal=True), "propose changed the rows: it may only propose"
    assert draft.table.columns == columns, "propose changed the columns: it may only propose"
    assert _same(said, cleaner.propose(draft)), "asked twice, it proposes two things"
    for column in said.columns:
        assert isinstance(column, Column) and column.name in columns, (
            f"it describes a column that is not there: {column}"
        )
        assert column.role in get_args(Role), f"'{column.role}' is not a role"
    for change in said.changes:
        assert change.column in columns, f"it changes a column that is not there: {change}"
        assert 0 <= change.confidence <= 1, f"confidence must be 0 to 1: {change}"
        assert change.rule, f"a change must name its rule: {change}"
        assert change.before != change.after, f"a change must change something: {change}"
    rows = len(draft.table)
    assert all(0 <= at < rows for at in said.aside), "it sets rows aside that are not there"
    assert said.copies is None or len(said.copies) == rows, "copies must have a number for each row"
    return said


def _same(a: Any, b: Any) -> bool:
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in pairs)
