"""given: the labels that came with the data, checked for those that do not fit their rows."""

from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.aim import Goal
from thirtyfold.core.door import typed
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.lean import lightgbm
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table, to_array

__all__ = ["Given"]


class _Found(NamedTuple):
    at: Array
    suggested: Array
    confidence: Array


class Given:
    """Takes the labels as they are and says which look wrong; above the confidence ``drop`` they are not learned from.

    Classes: confident learning (Northcutt, Jiang and Chuang, 2021, "Confident Learning: Estimating Uncertainty in
    Dataset Labels"): a row is suspect when models that did not see it give another class more than that class's own
    average confidence. Amounts: when it lies more than eight robust deviations (the larger of those by the
    median and by the 90th percentile of the errors) from what such models expect.
    """

    def __init__(
        self,
        drop: Annotated[float, Field(gt=0, le=1)] | None = None,
        rows: Annotated[int, Field(ge=100)] = 20_000,
        folds: Annotated[int, Field(ge=2, le=10)] = 3,
    ) -> None:
        self.drop, self.rows, self.folds = drop, rows, folds

    def review(self, train: Table, goal: Goal, context: Context) -> tuple[Table, pl.DataFrame, str]:
        """The rows to learn from, the suspects (row, label, suggested, confidence; surest first), and a sentence."""
        rng = np.random.default_rng(context.seed)
        at = (
            np.arange(len(train))
            if len(train) <= self.rows
            else np.sort(rng.choice(len(train), self.rows, replace=False))
        )
        looked = train.take(at)
        truth = goal.truth(looked)
        if goal.task.classes:  # a class needs some rows in every fold
            enough = np.bincount(truth, minlength=len(goal.task.classes)) >= 2 * self.folds
            looked, truth = looked.where(enough[truth]), truth[enough[truth]]
        if len(looked) < 50 or len(np.unique(truth)) < 2:
            return train, _frame(looked, None, goal), "There are too few rows to check labels by cross-validation."
        matrix, categories = _matrix(looked)
        if not matrix.shape[1]:
            return train, _frame(looked, None, goal), "There is no input to check labels with."
        fold = _folds(truth, len(goal.task.classes), self.folds, rng)
        guess = _crossed(matrix, categories, truth, fold, len(goal.task.classes), context)
        found = _confident(guess, truth) if goal.task.classes else _far(guess, truth)
        suspects = _frame(looked, found, goal)
        share = 100 * suspects.height / len(looked)
        said = (
            f"{suspects.height:,} of {len(looked):,} labels looked at ({share:.1f} %) do not fit their rows, by models "
            f"that had not seen them"
        )
        if self.drop is None or not suspects.height:
            return train, suspects, f"{said}; none was dropped."
        out = set(suspects.filter(pl.col("confidence") >= self.drop)["row"].to_list())
        kept = train.where(np.array([r not in out for r in train.rows.tolist()], dtype=bool))
        return kept, suspects, f"{said}; {len(out):,} were dropped."


def _matrix(table: Table) -> tuple[Array, list[int]]:
    """Inputs as trees take them, without a look at the target."""
    columns: list[Array] = []
    categories: list[int] = []
    for name in table.inputs:
        x = to_array(table[name])
        for feature in typed(table.columns[name]).fit(name, x, "levels", None).features:
            value = x
            for transform in feature.chain:
                value = transform.apply(value)
            wide = value[:, None] if value.ndim == 1 else value
            categories += [len(columns)] if feature.categories else []
            columns += list(wide.T)
    return (np.column_stack(columns) if columns else np.empty((len(table), 0))), categories


def _folds(truth: Array, classes: int, folds: int, rng: np.random.Generator) -> Array:
    """A fold for each row, every class shared out alike."""
    fold = np.empty(len(truth), dtype=np.int64)
    mixed = rng.permutation(len(truth))
    order = mixed[np.argsort(truth[mixed], kind="stable")] if classes else mixed
    fold[order] = np.arange(len(truth)) % folds
    return fold


def _crossed(matrix: Array, categories: list[int], truth: Array, fold: Array, classes: int, context: Context) -> Array:
    """What models that did not see a row say of it: probabilities (rows, classes) or values (rows,)."""
    objective = "regression" if not classes else "binary" if classes == 2 else "multiclass"
    options = {
        "objective": objective,
        "num_leaves": 15,
        "learning_rate": 0.15,
        "min_data_in_leaf": max(2, min(20, len(truth) // 50)),
        "max_bin": 63,
        "num_threads": 1,  # small enough for one; two on a busy machine were measured to take many times as long
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
        "seed": context.seed,
    } | ({"num_class": classes} if objective == "multiclass" else {})
    rounds = 40 if classes <= 2 else max(10, 80 // classes)
    out = np.empty((len(truth), classes) if classes else len(truth))
    library = lightgbm()
    for one in np.unique(fold):
        seen = fold != one
        rows = library.Dataset(matrix[seen], truth[seen], categorical_feature=categories, free_raw_data=True)
        said = library.train(options, rows, rounds).predict(matrix[~seen], num_threads=1)
        out[~seen] = np.column_stack([1 - said, said]) if classes == 2 else said
    return out


def _confident(guess: Array, truth: Array) -> _Found:
    """Off the diagonal of the confident joint: the likeliest class among those above their own threshold differs."""
    classes = guess.shape[1]
    there = np.isin(np.arange(classes), truth)
    threshold = np.array([guess[truth == c, c].mean() if there[c] else np.inf for c in range(classes)])
    able = guess >= threshold
    likeliest = np.where(able, guess, -1.0).argmax(axis=1)
    own = guess[np.arange(len(truth)), truth]
    sure = able.any(axis=1) & (likeliest != truth) & (guess[np.arange(len(truth)), likeliest] > own)
    at = np.flatnonzero(sure)
    return _Found(at, likeliest[at].astype(np.float64), guess[at, likeliest[at]])


def _far(guess: Array, truth: Array) -> _Found:
    error = truth - guess
    middle = float(np.median(error))
    away = np.abs(error - middle)
    spread = max(1.4826 * float(np.median(away)), float(np.quantile(away, 0.9)) / 1.645) or 1.0
    score = away / spread
    at = np.flatnonzero(score > 8)
    return _Found(at, guess[at], 1 - 8 / score[at])


def _frame(looked: Table, found: _Found | None, goal: Goal) -> pl.DataFrame:
    """Suspects, the surest first."""
    schema = {"row": pl.Int64, "label": pl.String, "suggested": pl.String, "confidence": pl.Float64}
    if found is None or not len(found.at):
        return pl.DataFrame(schema=schema)
    order = np.lexsort((found.at, -found.confidence))
    at = found.at[order]
    names = goal.task.classes
    said = [names[int(s)] if names else f"{s:.6g}" for s in found.suggested[order]]
    label = looked[str(looked.target)][at.tolist()]
    written = [f"{v:.10g}" if isinstance(v, float) else str(v) for v in label.to_list()]
    columns = [looked.rows[at].tolist(), written, said, np.round(found.confidence[order], 4).tolist()]
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)
