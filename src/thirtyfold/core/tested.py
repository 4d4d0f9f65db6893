"""Tested: what a Package achieved on rows that were never used to choose anything."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Tested"]


@dataclass(frozen=True)
class Tested:
    """``scores`` on test rows; ``interval`` of the metric (95 %, bootstrap); ``baseline`` is the naive answer's score.

    ``package`` is the hash of the Package that these numbers are about.
    """

    package: str
    metric: str
    rows: int
    looks: int
    scores: dict[str, float]
    validation: dict[str, float]
    interval: tuple[float, float]
    baseline: float
    champion: float | None = None
    slices: list[dict[str, Any]] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=dict)
