"""Threshold: from which probability on a row is called positive, chosen on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np

__all__ = ["RARE", "Threshold", "choose"]

RARE = 0.2
"""A class with a smaller share than this is rare: at one half it would hardly ever be called."""


class Threshold(NamedTuple):
    """The choice, and what it is worth beside a threshold of one half: F1 (more is better) or cost (less is)."""

    at: float
    measure: str
    value: float
    at_half: float


def choose(truth: Array, chance: Array, metric: str, costs: Mapping[str, float] | None) -> Threshold:
    """The best of every threshold that splits the rows otherwise.

    With ``costs`` the total cost of both kinds of mistakes is least; else the metric that was asked for is greatest
    where it depends on the threshold (accuracy, balanced accuracy, MCC), and F1 where it does not. Of a flat top its
    middle.
    """
    order = np.argsort(-chance, kind="stable")
    ranked, positive = chance[order], truth[order] == 1
    # Calling the first i rows positive, for i = 0 .. rows; only where the next row has another chance.
    hits = np.concatenate([[0], np.cumsum(positive)]).astype(float)
    called = np.arange(len(truth) + 1, dtype=float)
    possible = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])
    measure = "cost" if costs else metric if metric in _MEASURES else "f1"
    worth = _cost(hits, called, positive, costs) if costs else _MEASURES[measure](hits, called, positive)
    worth = np.where(possible, worth, -np.inf)
    top = np.flatnonzero(worth >= worth.max() - 1e-12)
    cut = int(top[len(top) // 2])
    above, below = (ranked[cut - 1] if cut else 1.0), (ranked[cut] if cut < len(ranked) else 0.0)
    half = int((ranked >= 0.5).sum())
    sign = -1 if costs else 1
    return Threshold(float((above + below) / 2), measure, sign * float(worth[cut]), sign * float(_at(worth, half)))


def _at(worth: Array, cut: int) -> float:
    return float(worth[cut])


def _cost(hits: Array, called: Array, positive: Array, costs: Mapping[str, float]) -> Array:
    missed, wrong = positive.sum() - hits, called - hits
    return np.asarray(-(costs.get("false_negative", 1.0) * missed + costs.get("false_positive", 1.0) * wrong))


def _f1(hits: Array, called: Array, positive: Array) -> Array:
    return np.asarray(2 * hits / np.maximum(called + positive.sum(), 1))


def _accuracy(hits: Array, called: Array, positive: Array) -> Array:
    right = hits + (len(positive) - positive.sum()) - (called - hits)
    return np.asarray(right / len(positive))


def _balanced(hits: Array, called: Array, positive: Array) -> Array:
    yes, no = max(1, positive.sum()), max(1, (~positive).sum())
    return np.asarray((hits / yes + 1 - (called - hits) / no) / 2)


def _mcc(hits: Array, called: Array, positive: Array) -> Array:
    yes, no = float(positive.sum()), float((~positive).sum())
    wrong = called - hits
    under = np.sqrt(np.maximum(called * (len(positive) - called) * yes * no, 1e-12))
    return np.asarray((hits * (no - wrong) - wrong * (yes - hits)) / under)


_MEASURES = {"f1": _f1, "accuracy": _accuracy, "balanced_accuracy": _balanced, "mcc": _mcc}
