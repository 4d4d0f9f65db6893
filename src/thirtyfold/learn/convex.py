"""Convex: what a linear model did in steps 13 to 20, computed again from its own weights on its own rows."""

from __future__ import annotations

from typing import Any

from thirtyfold.core.charts import bars
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, counted, not_applicable
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np

__all__ = ["convex_story"]


def convex_story(train: Encoded, x: Array, table: Array, offset: Array, steps: int, solver: str) -> list[Evidence]:
    """Evidence of a linear model: ``table`` (features, outputs) and ``offset`` (outputs,) at the end, zeros at the
    start.

    The slope at zero weights is the mean over rows of (guess - truth) times the feature.
    """
    import sklearn

    zero, truth = _raw(x[:1] @ (table * 0) + offset * 0, train.classes), _truth(train)
    start, end = _loss(x, table * 0, offset * 0, train), _loss(x, table, offset, train)
    guess = _raw(np.zeros((len(x), table.shape[1])), train.classes)
    miss = guess[:, -table.shape[1] :] - truth[:, -table.shape[1] :]
    slope = x.T @ miss / len(x)
    at = int(np.abs(slope).max(axis=1).argmax())
    column = int(np.abs(slope[at]).argmax())
    top = np.argsort(-np.abs(table).max(axis=1), kind="stable")[:15]
    name = train.names[at]
    heaviest = [float(table[i, np.abs(table[i]).argmax()]) for i in top]
    own = int(np.asarray(train.target)[0]) if train.classes else 0
    told = f"{zero[0, own]:.1%} for each of {train.classes} classes" if train.classes else "0"
    first = float(_row_loss(zero, train)[0])
    return [
        Evidence(
            13,
            f"scikit-learn {sklearn.__version__} on the CPU; the problem has one best answer, so the solver needs no "
            f"GPU.",
            {"framework": "scikit-learn", "version": sklearn.__version__, "device": "cpu"},
        ),
        Evidence(
            14,
            f"One layer: {len(table):,} features times {counted(table.shape[1], 'output')} and an offset each, "
            f"{table.size + offset.size:,} weights.",
            {"parameters": int(table.size + offset.size)},
        ),
        Evidence(15, "All weights start at zero: with one best answer, the start does not matter.", {"start": 0.0}),
        Evidence(
            16,
            f"With zero weights the first training row is given {told}.",
            {"guess": zero[0].tolist()},
        ),
        Evidence(
            17,
            f"That guess costs the first row {first:.4f}; the mean loss over {len(x):,} rows is {start:.4f} at zero "
            f"weights and {end:.4f} at the end.",
            {"row": first, "start": start, "end": end},
        ),
        Evidence(
            18,
            f"The slope of the loss at zero weights has length {np.linalg.norm(slope):.4f}; it is steepest in {name} "
            f"({slope[at, column]:+.4f}).",
            {"norm": float(np.linalg.norm(slope)), "feature": name, "slope": float(slope[at, column])},
        ),
        Evidence(
            19,
            f"The weight of {name} went against its slope from 0 to {table[at, column]:+.4f} by {solver}.",
            {"feature": name, "before": 0.0, "after": float(table[at, column])},
            pictures=(bars("Largest weights", [train.names[i] for i in top], heaviest),),
        ),
        Evidence(20, f"{solver} needed {steps} passes over the {len(x):,} rows.", {"iterations": steps})
        if steps > 1
        else not_applicable(20, "No epochs: the weights are solved for in one go."),
    ]


def _raw(score: Array, classes: int) -> Array:
    if not classes:
        return score
    if score.shape[1] == 1:
        chance = 1 / (1 + np.exp(-np.clip(score, -500, 500)))
        return np.hstack([1 - chance, chance])
    e = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _truth(train: Encoded) -> Array:
    target: Any = np.asarray(train.target)
    return np.asarray(np.eye(train.classes)[target] if train.classes else target[:, None])


def _row_loss(raw: Array, train: Encoded) -> Array:
    target = np.asarray(train.target)[: len(raw)]
    if not train.classes:
        return np.asarray((raw[:, 0] - target) ** 2)
    return np.asarray(-np.log(np.clip(raw[np.arange(len(raw)), target], 1e-15, 1)))


def _loss(x: Array, table: Array, offset: Array, train: Encoded) -> float:
    losses = _row_loss(_raw(x @ table + offset, train.classes), train)
    return float(np.average(losses, weights=train.weight))
