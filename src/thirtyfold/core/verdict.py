"""Verdict: the answer of a gate, with its reason and its numbers."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """May we go on? ``package`` is the hash of the Package that the answer is about."""

    name: str
    passed: bool
    why: str
    value: float | None = None
    limit: float | None = None
    package: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
