"""given: the labels that came with the data, checked for those that do not fit their rows."""

from typing import Annotated, Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.aim import Goal
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.data.answers import SUSPECTS, Case, Reviewed, changed
from thirtyfold.data.probe import boosted, matrix_of
from thirtyfold.data.quick import crossed, features, folds_of

__all__ = ["Given"]


class _Found(NamedTuple):
    at: Array
    suggested: Array
    confidence: Array


class _Looked(NamedTuple):
    """The rows that were looked at, their labels, and what models that had not seen them say."""

    rows: Table
    truth: Array
    guess: Array


class Given:
    """Takes the labels as they are and says which look wrong: by choice listed, made to count less, or left out.

    Above the confidence ``drop`` a suspect row is not learned from; above ``weigh`` it counts as much as its label is
    still likely. ``curve`` tells what more labels would buy.

    Classes: confident learning (Northcutt, Jiang and Chuang, 2021, "Confident Learning: Estimating Uncertainty in
    Dataset Labels"): by models that did not see a row, how many labels of each class are wrong is estimated, and so
    many rows that speak most for another class are suspects. Amounts: suspect is what lies more than eight robust
    deviations (the larger of those by the median and by the 90th percentile of the errors) from what they expect.
    """

    def __init__(
        self,
        drop: Annotated[float, Field(gt=0, le=1)] | None = None,
        rows: Annotated[int, Field(ge=100)] = 20_000,
        folds: Annotated[int, Field(ge=2, le=10)] = 3,
        weigh: Annotated[float, Field(gt=0, le=1)] | None = None,
        curve: bool = False,  # noqa: FBT001, FBT002 - an option of the Spec
    ) -> None:
        self.drop, self.rows, self.folds, self.weigh, self.curve = drop, rows, folds, weigh, curve

    def review(self, case: Case, context: Context) -> Reviewed:
        """The rows to learn from, the suspects (row, label, suggested, confidence; surest first), and a sentence."""
        train, goal = case.train, case.goal
        looked = self.look(train, goal, context)
        if isinstance(looked, str):
            return Reviewed(train, pl.DataFrame(schema=SUSPECTS), looked)
        found = _confident(looked.guess, looked.truth) if goal.task.classes else _far(looked.guess, looked.truth)
        suspects = _frame(looked.rows, found, goal)
        share = 100 * suspects.height / len(looked.rows)
        said = (
            f"{suspects.height:,} of {len(looked.rows):,} labels looked at ({share:.1f} %) do not fit their rows, by "
            f"models that had not seen them"
        )
        kept, weight, changes, done = self._act(train, suspects)
        more: dict[str, Any] = {}
        if self.curve:
            from thirtyfold.data.curve import learning_curve

            more = learning_curve(train, goal, context).told()
            said, done = f"{said}; {done}.", str(more.pop("said"))
            return Reviewed(kept, suspects, f"{said} {done}", weight, changes, **more)
        return Reviewed(kept, suspects, f"{said}; {done}.", weight, changes)

    def look(self, train: Table, goal: Goal, context: Context) -> _Looked | str:
        """What models that had not seen a row say of it, for at most ``rows`` rows; or why that cannot be asked."""
        rng = np.random.default_rng(context.seed)
        at = (
            np.arange(len(train))
            if len(train) <= self.rows
            else np.sort(rng.choice(len(train), self.rows, replace=False))
        )
        looked = train.take(at)
        truth = goal.truth(looked)
        classes = len(goal.task.classes)
        if classes:  # a class needs some rows in every fold
            enough = np.bincount(truth, minlength=classes) >= 2 * self.folds
            looked, truth = looked.where(enough[truth]), truth[enough[truth]]
        if len(looked) < 50 or len(np.unique(truth)) < 2:
            return "There are too few rows to check labels by cross-validation."
        matrix, categories = matrix_of(looked)
        if not matrix.shape[1]:
            return "There is no input to check labels with."
        context.progress("checking labels by cross-validation")
        fold = folds_of(truth, classes, self.folds, rng)
        guess = boosted(matrix, categories, truth, fold, classes, context)
        texts = any(looked.columns[n].type == "text" for n in looked.inputs)
        if texts or classes > 2:
            # Trees see a hundred words of a text and want many rows a class; a linear model of all words does not.
            rows = features(looked)
            guess = (guess + crossed(rows, truth, fold, classes, 10.0 if texts else 0.1)) / 2
        return _Looked(looked, truth, guess)

    def _act(self, train: Table, suspects: pl.DataFrame) -> tuple[Table, Array | None, pl.DataFrame, str]:
        """What is done with suspects: the rows kept, how much each counts, lines for the ledger, and words."""
        sure = suspects["confidence"].to_numpy()
        out = sure >= self.drop if self.drop is not None else np.zeros(len(sure), dtype=bool)
        less = (sure >= self.weigh) & ~out if self.weigh is not None else np.zeros(len(sure), dtype=bool)
        gone = np.isin(train.rows, suspects["row"].to_numpy()[out])
        kept = train.where(~gone) if gone.any() else train
        weight = None
        if less.any():
            weight = np.ones(len(kept))
            place = {int(r): i for i, r in enumerate(kept.rows)}
            weight[[place[r] for r in suspects["row"].to_numpy()[less].tolist()]] = 1 - sure[less]
        rules = np.full(len(sure), "label suspect: listed", dtype=object)
        rules[out], rules[less] = "label suspect: row left out", "label suspect: counts less"
        parts = [
            changed(
                suspects["row"].to_numpy()[here],
                suspects["label"].filter(pl.Series(here)).to_list(),
                suspects["suggested"].filter(pl.Series(here)).to_list(),
                rule,
                sure[here],
                accepted=not rule.endswith("listed"),
            )
            for rule in sorted(set(rules.tolist()))
            for here in [rules == rule]
        ]
        words = [f"{int(out.sum()):,} were left out"] if self.drop is not None else []
        words += [f"{int(less.sum()):,} count less"] if self.weigh is not None else []
        said = " and ".join(words) or "none was dropped"
        return kept, weight, pl.concat(parts) if parts else changed(sure, [], [], "", sure), said


def _confident(guess: Array, truth: Array) -> _Found:
    """As many rows as the confident joint says are mislabeled, those that speak most for the other class.

    A row is counted for the likeliest class among those above their own average confidence; the counts of each given
    label are scaled to all its rows. Of each pair of classes so many rows are taken ("prune by noise rate"), in the
    order of how much likelier the other class is than the given one.
    """
    classes = guess.shape[1]
    counts = np.bincount(truth, minlength=classes)
    threshold = np.array([guess[truth == c, c].mean() if counts[c] else np.inf for c in range(classes)])
    able = guess >= threshold
    sure = able.any(axis=1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (truth[sure], np.where(able, guess, -1.0).argmax(axis=1)[sure]), 1.0)
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    own = guess[np.arange(len(truth)), truth]
    best, chance = np.full(len(truth), -1), np.zeros(len(truth))
    for given, other in zip(*np.nonzero(np.round(joint)), strict=True):
        if given == other:
            continue
        rows = np.flatnonzero(truth == given)
        margin = guess[rows, other] - own[rows]
        most = rows[np.argsort(-margin, kind="stable")[: int(np.round(joint[given, other]))]]
        most = most[(guess[most, other] > own[most]) & (guess[most, other] > chance[most])]
        best[most], chance[most] = other, guess[most, other]
    at = np.flatnonzero(best >= 0)
    return _Found(at, best[at].astype(np.float64), chance[at])


def _far(guess: Array, truth: Array) -> _Found:
    error = truth - guess
    middle = float(np.median(error))
    away = np.abs(error - middle)
    spread = max(1.4826 * float(np.median(away)), float(np.quantile(away, 0.9)) / 1.645) or 1.0
    score = away / spread
    at = np.flatnonzero(score > 8)
    return _Found(at, guess[at], 1 - 8 / score[at])


def _frame(looked: Table, found: _Found, goal: Goal) -> pl.DataFrame:
    """Suspects, the surest first."""
    order = np.lexsort((found.at, -found.confidence))
    at = found.at[order]
    names = goal.task.classes
    said = [names[int(s)] if names else f"{s:.6g}" for s in found.suggested[order]]
    label = looked[str(looked.target)][at.tolist()]
    written = [f"{v:.10g}" if isinstance(v, float) else str(v) for v in label.to_list()]
    columns = [looked.rows[at].tolist(), written, said, np.round(found.confidence[order], 4).tolist()]
    return pl.DataFrame(dict(zip(SUSPECTS, columns, strict=True)), schema=SUSPECTS)
