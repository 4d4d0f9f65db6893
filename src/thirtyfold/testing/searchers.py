"""Checks that every searcher passes: ``check_searcher(member)``."""

import math
from typing import Any

from thirtyfold.core.model import Dial
from thirtyfold.learn.search import Past

__all__ = ["check_searcher"]

SPACE = {
    "rate": Dial(1e-3, 1.0, log=True),
    "leaves": Dial(2, 8, kind="int"),
    "kind": Dial(choices=("a", "b"), kind="choice"),
}


def _value(settings: dict[str, Any]) -> float:
    """Best at rate 0.1, leaves 6, kind b."""
    miss = abs(math.log10(settings["rate"]) + 1) + 0.3 * abs(settings["leaves"] - 6) + (settings["kind"] == "a")
    return -float(miss)


def check_searcher(searcher: Any, trials: int = 25) -> None:
    """Stays within the space, proposes the same from the same past, and finds better than its first proposal."""
    name = type(searcher).__name__
    past: list[Past] = []
    for _ in range(trials):
        settings = searcher.propose(SPACE, past, 3)
        if settings is None:
            break
        assert settings == searcher.propose(SPACE, past, 3), f"{name}: another proposal from the same past"
        assert settings.keys() == SPACE.keys(), f"{name}: proposes {sorted(settings)}"
        assert 1e-3 * 0.999 <= settings["rate"] <= 1.001, f"{name}: rate {settings['rate']} is out of range"
        assert isinstance(settings["leaves"], int), f"{name}: leaves must be a whole number"
        assert 2 <= settings["leaves"] <= 8, f"{name}: leaves {settings['leaves']} is out of range"
        assert settings["kind"] in ("a", "b"), f"{name}: kind {settings['kind']!r} is no choice"
        past.append(Past(settings, _value(settings)))
    assert len(past) >= 4, f"{name}: gave up after {len(past)} proposals"
    assert max(p.value for p in past) > past[0].value, f"{name}: found nothing better than its first proposal"
