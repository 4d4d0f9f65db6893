"""Probe: a small boosted model over typed columns, to ask what one that did not see a row says of it; never shipped."""

import numpy as np

from thirtyfold.core.door import typed
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.lean import lightgbm
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table, to_array

__all__ = ["boosted", "matrix_of"]


def matrix_of(table: Table) -> tuple[Array, list[int]]:
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


def boosted(
    matrix: Array,
    categories: list[int],
    truth: Array,
    fold: Array,
    classes: int,
    context: Context,
    *,
    close: bool = False,
) -> Array:
    """What models that did not see a row's fold say of it: probabilities (rows, classes) or values (rows,).

    Rows of fold -1 are learned from by all and not asked about. ``close`` looks at as few as five rows, to see whether
    what comes again is known again.
    """
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
    if close:
        options |= {"min_data_in_leaf": 5, "min_data_per_group": 5, "cat_smooth": 1.0, "max_bin": 255, "num_leaves": 31}
    rounds = 40 if classes <= 2 else max(10, 80 // classes)
    out = np.full((len(truth), classes) if classes else len(truth), np.nan)
    library = lightgbm()
    for one in np.unique(fold[fold >= 0]):
        seen = fold != one
        rows = library.Dataset(matrix[seen], truth[seen], categorical_feature=categories, free_raw_data=True)
        said = library.train(options, rows, rounds).predict(matrix[~seen], num_threads=1)
        out[~seen] = np.column_stack([1 - said, said]) if classes == 2 else said
    return out
