"""self_training: few labels, many rows: a model's own sure guesses become labels, if that helps."""

from typing import Annotated, Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.data.answers import SUSPECTS, Case, Reviewed, changed
from thirtyfold.data.curve import learning_curve
from thirtyfold.data.quick import chances, crossed, features, folds_of

__all__ = ["SelfTraining"]

FOLDS = 5
FEWEST = 20
RULE = "label: guessed by self-training"


class _Bar(NamedTuple):
    """How sure a guess of each class must be, how many held-out guesses that rests on, the least share of right ones."""

    above: Array
    held: Array
    right: Array


class SelfTraining:
    """Rows without a label get a model's guess as one, where the guess is sure enough; the test never sees these.

    How sure is enough is measured: on labeled rows that the model had not seen, guesses above the bar of their class
    are right with at least the share ``precision`` (by the lower end of a 95 % interval of Wilson). Guesses are kept
    only if a model that learned with them is at least as good on held-out labeled rows. Tells also what more labels
    would buy.
    """

    def __init__(
        self,
        precision: Annotated[float, Field(gt=0.5, lt=1)] = 0.95,
        rounds: Annotated[int, Field(ge=1, le=10)] = 3,
        always: bool = False,  # noqa: FBT001, FBT002 - an option of the Spec
    ) -> None:
        self.precision, self.rounds, self.always = precision, rounds, always

    def review(self, case: Case, context: Context) -> Reviewed:
        """Training rows and those that a sure guess labels; a guess counts as much as guesses like it were right."""
        train, goal = case.train, case.goal
        classes = len(goal.task.classes)
        if not classes:
            raise SpecError(Fault("label.self_training", "guesses classes; the target is an amount."))
        curve = learning_curve(train, goal, context).told()
        tail = str(curve.pop("said"))
        suspects = pl.DataFrame(schema=SUSPECTS)
        truth = goal.truth(train)
        if not case.unlabeled:
            return Reviewed(train, suspects, f"No row is without a label: nothing to guess. {tail}", **curve)
        if len(train) < 2 * FEWEST or len(np.unique(truth)) < 2:
            return Reviewed(train, suspects, f"There are too few labels to learn to guess by. {tail}", **curve)
        context.progress("guessing labels")
        rest = case.rest
        both = features(Table(pl.concat([train.frame, rest.frame.select(train.frame.columns)]), train.columns))
        x, new = both[: len(train)], both[len(train) :]
        fold = folds_of(truth, classes, FOLDS, np.random.default_rng(context.seed))
        bar = _bar(crossed(x, truth, fold, classes), truth, self.precision)
        with_them, without = self._tried(x, truth, new, fold, classes, bar)
        guess, sure = self._guess(x, truth, new, classes, bar)
        took = guess >= 0
        shown = f"accuracy on held-out labeled rows {without:.3f} without and {with_them:.3f} with guesses"
        numbers = {
            **curve.pop("numbers", {}),
            "unlabeled": len(rest),
            "guessed": int(took.sum()),
            "bars": [None if not np.isfinite(a) else round(float(a), 4) for a in bar.above],
            "least_right": np.round(bar.right, 4).tolist(),
            "held_out": {"without": without, "with": with_them},
        }
        if not took.any():
            said = f"No guess on {len(rest):,} rows without a label is sure enough to be right in {self.precision:.0%}."
            return Reviewed(train, suspects, f"{said} {tail}", None, None, numbers, **curve)
        if with_them < without and not self.always:
            said = f"{int(took.sum()):,} of {len(rest):,} rows without a label could be guessed, but it would not help:"
            said = f"{said} {shown}."
            return Reviewed(train, suspects, f"{said} {tail}", None, None, numbers, **curve)
        names = [goal.task.classes[k] for k in guess[took].tolist()]
        target = str(train.target)
        added = rest.where(took).with_column(pl.Series(target, names, dtype=pl.String), train.columns[target])
        frame = pl.concat([train.frame, added.frame.select(train.frame.columns)])
        weight = np.concatenate([np.ones(len(train)), bar.right[guess[took]]])
        changes = changed(added.rows, [None] * len(added), names, RULE, sure[took])
        said = f"{int(took.sum()):,} of {len(rest):,} rows without a label were guessed surely enough; {shown}."
        return Reviewed(Table(frame, train.columns), suspects, f"{said} {tail}", weight, changes, numbers, **curve)

    def _guess(self, x: Any, truth: Array, new: Any, classes: int, bar: _Bar) -> tuple[Array, Array]:
        """Codes of the rows ``new`` (-1: no guess is sure enough) and how sure; each round learns from the last one's."""
        from scipy import sparse

        code, sure = np.full(new.shape[0], -1, dtype=np.int64), np.zeros(new.shape[0])
        for _ in range(self.rounds):
            took = code >= 0
            said = chances(sparse.vstack([x, new[took]]), np.concatenate([truth, code[took]]), new, classes)
            likeliest = said.argmax(axis=1)
            found = said.max(axis=1)
            after = np.where(found >= bar.above[likeliest], likeliest, -1)
            if (after == code).all():
                break
            code, sure = after, found
        return code, sure

    def _tried(self, x: Any, truth: Array, new: Any, fold: Array, classes: int, bar: _Bar) -> tuple[float, float]:
        """Accuracy on labeled rows that were held out, with guesses learned from and without."""
        from scipy import sparse

        hits = np.zeros(2)
        for one in range(FOLDS):
            seen = fold != one
            code, _ = self._guess(x[seen], truth[seen], new, classes, bar)
            took = code >= 0
            more = sparse.vstack([x[seen], new[took]]), np.concatenate([truth[seen], code[took]])
            for i, (rows, answers) in enumerate((more, (x[seen], truth[seen]))):
                hits[i] += (chances(rows, answers, x[~seen], classes).argmax(axis=1) == truth[~seen]).sum()
        return float(hits[0] / len(truth)), float(hits[1] / len(truth))


def _bar(guess: Array, truth: Array, precision: float) -> _Bar:
    """For each class the lowest probability above which held-out guesses of it are right often enough."""
    classes = guess.shape[1]
    likeliest, sure = guess.argmax(axis=1), guess.max(axis=1)
    above, held, right = np.full(classes, np.inf), np.zeros(classes, dtype=np.int64), np.zeros(classes)
    for c in range(classes):
        mine = np.flatnonzero(likeliest == c)
        order = mine[np.argsort(-sure[mine], kind="stable")]
        hits = np.cumsum(truth[order] == c)
        low = _wilson(hits, np.arange(1, len(order) + 1))
        able = np.flatnonzero((low >= precision) & (np.arange(1, len(order) + 1) >= FEWEST))
        if len(able):
            last = int(able[-1])
            above[c], held[c], right[c] = sure[order[last]], last + 1, low[last]
    return _Bar(above, held, right)


def _wilson(hits: Array, rows: Array) -> Array:
    """The lower end of the 95 % interval of a share (E. B. Wilson, 1927)."""
    z = 1.959964
    share = hits / rows
    middle = share + z * z / (2 * rows)
    return np.asarray(
        (middle - z * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))) / (1 + z * z / rows)
    )
