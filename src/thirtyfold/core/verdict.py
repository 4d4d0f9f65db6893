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

    @property
    def judged(self) -> bool:
        """Whether it can say no: an audit without a limit only looks and tells."""
        return not self.passed or self.limit is not None or not self.name.startswith("safety.")

    @property
    def word(self) -> str:
        """Whether it passed, as a person reads it: "yes", "no" or "no limit set"."""
        return ("yes" if self.passed else "no") if self.judged else "no limit set"
