"""Margin: solving for the widest margin, Platt's sigmoid on top, and what both did as evidence. Used by Svm."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from thirtyfold.core.charts import histogram
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, counted
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np

__all__ = ["Platt", "Solved", "calibrate", "margin_story", "solve"]

FOLDS = 3


class Solved(NamedTuple):
    """``table`` (features, outputs) and ``offset`` (outputs,); ``support`` rows lie on or within the margin."""

    table: Array
    offset: Array
    steps: int
    support: int


class Platt(NamedTuple):
    """chance = sigmoid(slope * margin + shift), one of each per output."""

    slope: Array
    shift: Array


def solve(x: Array, data: Encoded, weight: Array | None, cost: float, seed: int) -> Solved:
    """The border by LIBLINEAR in the primal (Fan et al. 2008). Values are scaled to unit spread while solving."""
    from sklearn.svm import LinearSVC, LinearSVR

    target = np.asarray(data.target)
    with _no_convergence_warning():
        if data.classes:
            model = LinearSVC(C=cost, dual=False, tol=1e-3, random_state=seed).fit(x, target, sample_weight=weight)
            table, offset = np.asarray(model.coef_).T, np.atleast_1d(model.intercept_)
            signs = _signs(target, table.shape[1])
            support = int(((x @ table + offset) * signs < 1).any(axis=1).sum())
            return Solved(table, offset, int(np.max(model.n_iter_)), support)
        center, spread = float(target.mean()), float(target.std()) or 1.0
        model = LinearSVR(
            C=cost, epsilon=0.01, loss="squared_epsilon_insensitive", dual=False, tol=1e-3, random_state=seed
        )
        model.fit(x, (target - center) / spread, sample_weight=weight)
        miss = np.abs(model.predict(x) - (target - center) / spread)
        table = np.asarray(model.coef_).reshape(-1, 1) * spread
        offset = np.atleast_1d(model.intercept_) * spread + center
        return Solved(table, offset, int(np.max(model.n_iter_)), int((miss > 0.01).sum()))


def calibrate(x: Array, data: Encoded, weight: Array | None, cost: float, seed: int) -> Platt:
    """Fit the sigmoid on margins of held-out folds: on its own training rows a margin looks better than it is."""
    target = np.asarray(data.target)
    folds = _folds(target, seed)
    outputs = 1 if data.classes == 2 else data.classes
    margins = np.zeros((len(x), outputs))
    for fold in range(FOLDS):
        out = folds == fold
        inner = Encoded(np.empty((0, 0)), (), (), target[~out], None, data.classes)
        if len(np.unique(target[~out])) < data.classes:
            continue
        solved = solve(x[~out], inner, None if weight is None else weight[~out], cost, seed)
        margins[out] = x[out] @ solved.table + solved.offset
    parts = [_sigmoid(margins[:, k], target == (1 if outputs == 1 else k), weight) for k in range(outputs)]
    return Platt(np.array([p[0] for p in parts]), np.array([p[1] for p in parts]))


def _sigmoid(margin: Array, positive: Array, weight: Array | None) -> tuple[float, float]:
    """Platt's targets keep the sigmoid from claiming certainty: (n+ + 1)/(n+ + 2) and 1/(n- + 2)."""
    from scipy.optimize import minimize

    weight = np.ones(len(margin)) if weight is None else weight
    yes, no = weight[positive].sum(), weight[~positive].sum()
    goal = np.where(positive, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(theta: Array) -> tuple[float, Array]:
        z = theta[0] * margin + theta[1]
        miss = weight * (1 / (1 + np.exp(-np.clip(z, -500, 500))) - goal)
        return float((weight * (np.logaddexp(0, z) - goal * z)).sum()), np.array([miss @ margin, miss.sum()])

    start = np.array([1.0, float(np.log((yes + 1) / (no + 1)))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def _folds(target: Array, seed: int) -> Array:
    """A fold number a row; each class is spread evenly."""
    order = np.lexsort((np.random.default_rng(seed).random(len(target)), target))
    folds = np.empty(len(target), dtype=np.int64)
    folds[order] = np.arange(len(target)) % FOLDS
    return folds


def _signs(target: Array, outputs: int) -> Array:
    if outputs == 1:
        return np.where(target == 1, 1.0, -1.0)[:, None]
    return np.where(target[:, None] == np.arange(outputs), 1.0, -1.0)


@contextmanager
def _no_convergence_warning() -> Iterator[None]:
    """That the solver stopped at its limit of steps is told in the evidence, not in a warning."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def margin_story(
    data: Encoded, x: Array, solved: Solved, platt: Platt | None, answer: Array, *, curved: bool
) -> list[Evidence]:
    """Steps 13 to 20. The loss at zero weights is 1 for every row: each lies on the border, a whole margin short."""
    import sklearn

    facts: dict[str, Any] = {"features": x.shape[1], "support": solved.support}
    margin = x @ solved.table + solved.offset
    target = np.asarray(data.target)
    if data.classes:
        signs = _signs(target, solved.table.shape[1])
        start, short = 1.0, np.maximum(0, 1 - margin * signs)
        slope = -2 * x.T @ signs / len(x)
    else:
        short = np.abs(margin - target[:, None])
        start, slope = float((target**2).mean()), -2 * x.T @ target[:, None] / len(x)
    end = float((short**2).mean())
    at, column = np.unravel_index(np.abs(slope).argmax(), slope.shape)
    own = margin[0, min(int(target[0]), margin.shape[1] - 1)] if data.classes else margin[0, 0]
    name = f"landmark direction {at}" if curved else data.names[int(at)]
    counts, edges = np.histogram(margin[:, -1], bins=40)
    return [
        Evidence(
            13,
            f"scikit-learn {sklearn.__version__} (LIBLINEAR) on the CPU.",
            {"framework": "scikit-learn", "version": sklearn.__version__, "device": "cpu"},
        ),
        Evidence(
            14,
            f"A {'curved border over ' if curved else 'straight border over '}{x.shape[1]:,} "
            f"{'directions' if curved else 'features'}; {solved.support:,} of {len(x):,} rows lie on or within the "
            "margin and hold it in place.",
            facts,
        ),
        Evidence(
            15, "All weights start at zero: there is one best border, so the start does not matter.", {"start": 0}
        ),
        Evidence(
            16,
            f"At zero weights the first training row lies on the border (0); at the end its margin is {own:+.4f} and "
            f"its answer {', '.join(f'{a:.4g}' for a in answer[:6])}.",
            {"margin": float(own), "answer": answer.tolist()},
            pictures=(histogram("Margins of the training rows", edges.tolist(), counts.tolist()),),
        ),
        Evidence(
            17,
            f"The mean squared {'hinge loss' if data.classes else 'error'} falls from {start:.4f} to {end:.4f}.",
            {"start": start, "end": end},
        ),
        Evidence(
            18,
            f"At zero weights the slope of the loss has length {np.linalg.norm(slope):.4f} and is steepest in {name} "
            f"({slope[at, column]:+.4f}).",
            {"norm": float(np.linalg.norm(slope)), "slope": float(slope[at, column])},
        ),
        Evidence(
            19,
            f"The weight of {name} went from 0 to {solved.table[at, column]:+.4f}"
            + (f"; Platt's sigmoid then has slope {platt.slope[0]:.3f}." if platt is not None else "."),
            {"before": 0.0, "after": float(solved.table[at, column])},
        ),
        Evidence(
            20, f"The solver took {counted(solved.steps, 'Newton step')} over all rows.", {"iterations": solved.steps}
        ),
    ]
