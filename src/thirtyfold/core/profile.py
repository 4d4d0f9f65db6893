"""Profile: what a table looks like, column by column. Made in analyze, compared with what comes in when live."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ColumnProfile", "Profile"]


@dataclass(frozen=True)
class ColumnProfile:
    """One column. ``bins`` maps a category, or the label of an interval, to how many rows fell there.

    For numbers and moments ``edges`` are the inner borders of the intervals: bin i holds values in
    [edges[i-1], edges[i]). Missing values are counted in ``missing`` and in no bin.
    """

    name: str
    type: str
    rows: int
    missing: int
    bins: dict[str, int]
    edges: tuple[float, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """Every column's profile; ``rows`` is how many rows it was made from."""

    rows: int
    columns: dict[str, ColumnProfile]
