"""Search: what a searcher is asked and what it knows.

A searcher is a pure function of the trials so far, so a search that was killed goes on from its kept trials to the
same end.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from thirtyfold.core.late import np
from thirtyfold.core.model import Dial

__all__ = ["Past", "Searcher", "drawn", "grid", "hopeless", "values_of"]


class Past(NamedTuple):
    """One trial that is over: what was set, its value (more is better), and whether it was cut short.

    ``asked`` is false for what was known before the search: the usual options.
    """

    settings: dict[str, Any]
    value: float
    pruned: bool = False
    asked: bool = True


class Searcher(Protocol):
    """Proposes what to try next."""

    def propose(self, space: Mapping[str, Dial], past: Sequence[Past], seed: int) -> dict[str, Any] | None:
        """A value for each dial, or None when there is nothing left to try."""
        ...


def drawn(dial: Dial, rng: np.random.Generator) -> Any:
    """A random value of a dial, evenly on its (logarithmic) scale."""
    if dial.kind == "choice":
        return dial.choices[int(rng.integers(len(dial.choices)))]
    low, high = float(dial.low or 0), float(dial.high or 0)
    if dial.log:
        value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    else:
        value = float(rng.uniform(low, high + (dial.kind == "int")))
    return min(int(high), max(int(low), int(value))) if dial.kind == "int" else value


def values_of(dial: Dial, steps: int) -> list[Any]:
    """``steps`` values of a dial, evenly spread; a list of choices is taken whole."""
    if dial.kind == "choice":
        return list(dial.choices)
    spread = np.geomspace if dial.log else np.linspace
    values = spread(float(dial.low or 0), float(dial.high or 0), steps).tolist()
    return list(dict.fromkeys(round(v) for v in values)) if dial.kind == "int" else values


def grid(space: Mapping[str, Dial], steps: int) -> itertools.product[tuple[Any, ...]]:
    """Every combination of ``values_of`` each dial."""
    return itertools.product(*(values_of(dial, steps) for dial in space.values()))


def hopeless(value: float, others: Sequence[float]) -> bool:
    """The median rule (Golovin et al. 2017): after part of the work, worse than half of at least four others there."""
    return len(others) >= 4 and value < float(np.median(others))
