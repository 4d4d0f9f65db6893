"""Curve: what a quick model makes of more and more labels, and so what still more would buy."""

from typing import Any, NamedTuple

import numpy as np

from thirtyfold.core.aim import Goal
from thirtyfold.core.charts import lines
from thirtyfold.core.evidence import TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.data.quick import chances, features, folds_of, values

__all__ = ["Curve", "learning_curve"]

SHARES = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
MOST = 4000
DRAWS = 5
FLOOR = 0.5
"""How much of the least error seen may be thought to be there for good: a few points cannot tell more."""


class Curve(NamedTuple):
    """Labels learned from and the error on rows that were held out (accuracy's or R2's distance from 1).

    ``floor + scale * labels ** -power`` is the law fitted to them.
    """

    labels: Array
    error: Array
    floor: float
    scale: float
    power: float
    rows: int
    what: str

    def at(self, labels: float) -> float:
        """The error to expect with so many labels."""
        return float(self.floor + self.scale * labels**-self.power)

    def told(self) -> dict[str, Any]:
        """``said``, ``numbers``, ``tables``, ``pictures`` for a review; nothing but words where there is no curve."""
        if not len(self.labels):
            return {"said": "There are too few labels for a learning curve."}
        now = self.at(self.rows)
        gains = {many: now - self.at(self.rows * many) for many in (2, 4, 10)}
        if self.scale <= 0:
            said = f"More labels would buy little: a quick model's {self.what} no longer rises with them."
        else:
            bought = ", ".join(f"{many} times as many (+{self.rows * (many - 1):,}) about {100 * g:+.1f} points"
                               for many, g in gains.items())  # fmt: skip
            said = (f"A quick model's {self.what} is {1 - now:.3f} with the {self.rows:,} labels there are; by its "
                    f"learning curve, {bought}.")  # fmt: skip
        numbers = {
            "learning_curve": {
                "labels": self.labels.tolist(),
                "score": np.round(1 - self.error, 5).tolist(),
                "law": [self.floor, self.scale, self.power],
                "gains": {str(k): round(v, 5) for k, v in gains.items()},
            }
        }
        rows = [(int(n), round(1 - float(e), 4)) for n, e in zip(self.labels, self.error, strict=True)]
        view = TableView(f"What labels bought: {self.what} of a quick model", ("labels", self.what), tuple(rows))
        x = [*self.labels.tolist(), *(float(self.rows * m) for m in gains)]
        measured = [*(1 - self.error).tolist(), *(float("nan") for _ in gains)]
        fitted = [1 - self.at(n) for n in x]
        drawn = lines(
            "What more labels would buy", x, {"measured": measured, "by the law": fitted}, "labels", self.what
        )
        return {"said": said, "numbers": numbers, "tables": (view,), "pictures": (drawn,)}


def learning_curve(train: Table, goal: Goal, context: Context) -> Curve:
    """Shares of the labels learned from, scored on held-out rows three times over, and a power law through them.

    The law is that of J. Hestness and others, "Deep Learning Scaling is Predictable, Empirically", 2017.
    """
    rng = np.random.default_rng(context.seed)
    classes = len(goal.task.classes)
    what = "accuracy" if classes else "R2"
    looked = train if len(train) <= MOST else train.take(np.sort(rng.choice(len(train), MOST, replace=False)))
    truth = goal.truth(looked)
    if len(looked) < 60 or len(np.unique(truth)) < 2:
        return Curve(np.array([]), np.array([]), 0.0, 0.0, 1.0, len(train), what)
    context.progress("learning curve")
    x = features(looked)
    errors: list[list[float]] = [[] for _ in SHARES]
    labels = np.zeros(len(SHARES))
    for _ in range(DRAWS):
        fold = folds_of(truth, classes, 4, rng)
        pool, held = rng.permutation(np.flatnonzero(fold != 0)), fold == 0
        for i, share in enumerate(SHARES):
            some = pool[: max(10, int(share * len(pool)))]
            labels[i] = len(some)
            errors[i].append(_error(x, truth, some, held, classes))
    error = np.array([np.mean(e) for e in errors])
    # The curve of a sample is taken for that of the whole: the number of labels is what counts.
    return Curve(labels, error, *_law(labels, error), len(train), what)


def _error(x: Any, truth: Array, some: Array, held: Array, classes: int) -> float:
    if classes:
        said = chances(x[some], truth[some], x[held], classes).argmax(axis=1)
        return float((said != truth[held]).mean())
    spread = float(((truth[held] - truth[held].mean()) ** 2).sum()) or 1.0
    return float(((truth[held] - values(x[some], truth[some], x[held])) ** 2).sum()) / spread


def _law(labels: Array, error: Array) -> tuple[float, float, float]:
    """Floor, scale and power with the least squared error over a grid of powers and floors; more labels never hurt."""
    best = (float(error.mean()), 0.0, 1.0)
    least = float(((error - error.mean()) ** 2).sum())
    weight = np.sqrt(labels)  # later points rest on more labels, and are nearer to what is asked
    for power in np.linspace(0.1, 1.0, 19):
        for floor in np.linspace(0, FLOOR * float(error.min()), 6):
            x = labels**-power
            scale = float((weight * x * (error - floor)).sum() / (weight * x * x).sum())
            loss = float(((error - floor - scale * x) ** 2).sum())
            if scale > 0 and loss < least:
                least, best = loss, (float(floor), scale, float(power))
    return best
