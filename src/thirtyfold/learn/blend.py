"""Blend: greedy selection of an ensemble from models that have answered (Caruana et al. 2004)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np

__all__ = ["Blend", "select"]


class Blend(NamedTuple):
    """Which answers were taken, what each counts (sums to 1), and the value of their mean."""

    members: tuple[int, ...]
    weights: tuple[float, ...]
    value: float


def select(raws: Sequence[Array], value: Callable[[Array], float], rounds: int = 20, most: int = 5) -> Blend:
    """Add the model that helps the mean most, again and again, the same one more than once if that is best.

    Stops after ``rounds`` or where nothing helps by more than a millionth; at most ``most`` different ones.
    """
    taken: list[int] = []
    total = np.zeros_like(raws[0])
    best, kept = -np.inf, 0
    for _ in range(rounds):
        open_to = range(len(raws)) if len(set(taken)) < most else sorted(set(taken))
        values = {i: value((total + raws[i]) / (len(taken) + 1)) for i in open_to}
        chosen = max(values, key=lambda i: (values[i], -i))
        taken.append(chosen)
        total = total + raws[chosen]
        if values[chosen] > best + 1e-6 * abs(best if np.isfinite(best) else 0):
            best, kept = values[chosen], len(taken)
        elif len(taken) - kept >= 4:
            break
    taken = taken[:kept] or [0]
    members = tuple(dict.fromkeys(taken))
    return Blend(members, tuple(taken.count(m) / len(taken) for m in members), best)
