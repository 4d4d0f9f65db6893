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
from thirtyfold.data.quick import chances, features, folds_of

__all__ = ["SelfTraining"]

FOLDS = 5
FEWEST = 20
RULE = "label: guessed by self-training"


class _Bar(NamedTuple):
    """How sure a guess of each class must be, how many held-out guesses that rests on, the least share right."""

    above: Array
    held: Array
    right: Array


class _Guessed(NamedTuple):
    """Codes of the rows without a label (-1: not sure enough), how sure, the bar, and the recall with and without."""

    code: Array
    sure: Array
    bar: _Bar
    with_them: float
    without: float


class SelfTraining:
    """Rows without a label get a model's guess as one, where the guess is sure enough; the test never sees these.

    How sure is enough is measured in every round: on labeled rows that the model had not seen, guesses above the bar of
    their class are right with at least the share ``precision`` (by the lower end of a 95 % interval of Wilson).
    Guesses are kept only if a model that learned with them is at least as good on held-out labeled rows, or ``always``.
    At most ``rows`` are guessed. Tells also what more labels would buy.
    """

    def __init__(
        self,
        precision: Annotated[float, Field(gt=0.5, lt=1)] = 0.95,
        rounds: Annotated[int, Field(ge=1, le=10)] = 3,
        rows: Annotated[int, Field(ge=1)] = 20_000,
        always: bool = False,  # noqa: FBT001, FBT002 - an option of the Spec
    ) -> None:
        self.precision, self.rounds, self.rows, self.always = precision, rounds, rows, always

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
        rng = np.random.default_rng(context.seed)
        rest = case.rest
        if len(rest) > self.rows:
            rest = rest.take(np.sort(rng.choice(len(rest), self.rows, replace=False)))
        both = features(Table(pl.concat([train.frame, rest.frame.select(train.frame.columns)]), train.columns))
        fold = folds_of(truth, classes, FOLDS, rng)
        found = self._guess(both[: len(train)], truth, both[len(train) :], fold, classes)
        took = found.code >= 0
        shown = (
            f"mean recall on held-out labeled rows {found.without:.3f} without and {found.with_them:.3f} with guesses"
        )
        numbers = {
            **curve.pop("numbers", {}),
            "unlabeled": len(case.unlabeled),
            "guessed": int(took.sum()),
            "bars": [None if not np.isfinite(a) else round(float(a), 4) for a in found.bar.above],
            "least_right": np.round(found.bar.right, 4).tolist(),
            "held_out": {"without": found.without, "with": found.with_them},
        }
        many = f"{int(took.sum()):,} of {len(case.unlabeled):,} rows without a label"
        if not took.any():
            said = f"No guess on {len(rest):,} rows without a label is sure enough to be right in {self.precision:.0%}."
            return Reviewed(train, suspects, f"{said} {tail}", None, None, numbers, **curve)
        if found.with_them < found.without and not self.always:
            said = f"{many} could be guessed, but it would not help: {shown}; none is learned from."
            return Reviewed(train, suspects, f"{said} {tail}", None, None, numbers, **curve)
        names = [goal.task.classes[k] for k in found.code[took].tolist()]
        target = str(train.target)
        added = rest.where(took).with_column(pl.Series(target, names, dtype=pl.String), train.columns[target])
        frame = pl.concat([train.frame, added.frame.select(train.frame.columns)])
        weight = np.concatenate([np.ones(len(train)), found.bar.right[found.code[took]]])
        changes = changed(added.rows, [None] * len(added), names, RULE, found.sure[took])
        said = f"{many} were guessed surely enough to be right in {self.precision:.0%}; {shown}."
        return Reviewed(Table(frame, train.columns), suspects, f"{said} {tail}", weight, changes, numbers, **curve)

    def _guess(self, x: Any, truth: Array, new: Any, fold: Array, classes: int) -> _Guessed:
        """Guess, measure, learn from the guesses, guess again.

        A model for every fold goes its own way beside the one of all rows, so that in each round the bar is set by rows
        that neither the model nor the guesses it learned from had seen.
        """
        from scipy import sparse

        labeled, every = x.shape[0], range(FOLDS + 1)  # the last is the model of all rows
        code = [np.full(new.shape[0], -1, dtype=np.int64) for _ in every]
        sure = [np.zeros(new.shape[0]) for _ in every]
        first = 0.0
        for at in range(self.rounds + 1):
            held, said = np.zeros((labeled, classes)), []
            for one in every:
                seen, took = fold != one, code[one] >= 0
                rows = sparse.vstack([x[seen], new[took]]), np.concatenate([truth[seen], code[one][took]])
                answers = chances(*rows, sparse.vstack([x[~seen], new]), classes)
                held[~seen] = answers[: int((~seen).sum())]
                said.append(answers[int((~seen).sum()) :])
            recall = _recall(held.argmax(axis=1), truth)
            first = first if at else recall
            if at == self.rounds:
                break
            bar = _bar(held, truth, self.precision)
            before = code[-1]
            code = [np.where(s.max(axis=1) >= bar.above[s.argmax(axis=1)], s.argmax(axis=1), -1) for s in said]
            sure = [s.max(axis=1) for s in said]
            if at and (code[-1] == before).all():
                break
        return _Guessed(code[-1], sure[-1], bar, recall, first)


def _recall(guess: Array, truth: Array) -> float:
    """The mean over classes of the share that is found: a rare class counts as much as a frequent one."""
    return float(np.mean([(guess[truth == c] == c).mean() for c in np.unique(truth)]))


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
