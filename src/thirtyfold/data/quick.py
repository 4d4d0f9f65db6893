"""Quick: a small linear model over any typed columns, for whoever must guess labels fast.

Words of texts are hashed, categories become one column a value, numbers are scaled. Used to check labels, to say which
row is most worth a label, and for the curve that says what more labels would buy; never shipped.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table, to_array

__all__ = ["chances", "crossed", "features", "folds_of", "values"]

HASHED = 2**18
"""How many columns words are hashed to; those in fewer than two rows are left out again."""

DENSE = 512
"""Up to so many columns a plain matrix is faster than a sparse one."""


def features(table: Table, names: Sequence[str] | None = None) -> Any:
    """A sparse matrix (rows, features) of these columns (the inputs); a column that says nothing gives none."""
    from scipy import sparse

    blocks: list[Any] = []
    for name in table.inputs if names is None else names:
        column, values = table.columns[name], to_array(table[name])
        if values.dtype != object:
            blocks += _numbers(values)
        elif column.type == "text":
            blocks += _words(values)
        else:
            blocks += _levels(values)
    blocks = [b for b in blocks if b.shape[1]]
    return sparse.hstack(blocks, format="csr") if blocks else sparse.csr_matrix((len(table), 0))


def _numbers(values: Array) -> list[Any]:
    from scipy import sparse

    known = np.isfinite(values)
    if not known.any():
        return []
    middle, spread = float(values[known].mean()), float(values[known].std())
    if spread == 0 and known.all():
        return []
    scaled = np.clip((np.where(known, values, middle) - middle) / (spread or 1.0), -5, 5)
    gaps = [] if known.all() else [(~known).astype(np.float64)]
    return [sparse.csr_matrix(np.column_stack([scaled, *gaps]))]


def _levels(values: Array) -> list[Any]:
    from scipy import sparse

    _, codes = np.unique([str(v) for v in values], return_inverse=True)
    one = sparse.csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes)))
    return [one[:, np.flatnonzero(np.bincount(codes) >= 2)]]


def _words(values: Array) -> list[Any]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    texts = [v or "" for v in values]
    hashed = HashingVectorizer(
        n_features=HASHED,
        alternate_sign=False,
        norm=None,
        ngram_range=(1, 2),
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106
    ).transform(texts)
    able = np.flatnonzero(np.bincount(hashed.indices, minlength=HASHED) >= 2)
    if not len(able):
        return []
    return [TfidfTransformer(sublinear_tf=True).fit_transform(hashed[:, able])]


def chances(x: Any, truth: Array, new: Any, classes: int, strength: float | None = None) -> Array:
    """Probabilities of rows ``new`` by a logistic model of rows ``x``; shape (rows, classes).

    A class that ``truth`` lacks has probability zero. ``strength`` is the model's C: by default 100 where there are
    more columns than rows, as with words, else one.
    """
    from sklearn.linear_model import LogisticRegression

    out = np.zeros((new.shape[0], classes))
    there = np.unique(truth)
    if len(there) == 1 or not x.shape[1]:
        shares = np.bincount(truth, minlength=classes) / len(truth)
        return np.tile(shares, (new.shape[0], 1))
    solver = "liblinear" if len(there) == 2 else "lbfgs"
    if x.shape[1] <= DENSE:
        x, new = x.toarray(), new.toarray()
    strength = strength or (100.0 if x.shape[1] > x.shape[0] else 1.0)
    model = LogisticRegression(C=strength, solver=solver, max_iter=200, tol=1e-3, random_state=0)
    out[:, there] = _quiet(model.fit, x, truth).predict_proba(new)
    return out


def values(x: Any, truth: Array, new: Any) -> Array:
    """Amounts of rows ``new`` by ridge regression on rows ``x``; shape (rows,)."""
    from sklearn.linear_model import Ridge

    if not x.shape[1]:
        return np.full(new.shape[0], truth.mean())
    return np.asarray(Ridge(alpha=1.0, solver="lsqr", tol=1e-3).fit(x, truth).predict(new))


def _quiet(fit: Any, *given: Any) -> Any:
    """On one thread (two on a busy machine were measured to take five times as long), and without the warning that the
    last digit was not reached: a guess does not need it.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(*given)


def folds_of(truth: Array, classes: int, folds: int, rng: np.random.Generator) -> Array:
    """A fold for each row, every class shared out alike."""
    fold = np.empty(len(truth), dtype=np.int64)
    mixed = rng.permutation(len(truth))
    order = mixed[np.argsort(truth[mixed], kind="stable")] if classes else mixed
    fold[order] = np.arange(len(truth)) % folds
    return fold


def crossed(x: Any, truth: Array, fold: Array, classes: int, strength: float | None = None) -> Array:
    """What models that did not see a row say of it: probabilities (rows, classes), or amounts (rows,)."""
    out = np.empty((len(truth), classes) if classes else len(truth))
    for one in np.unique(fold):
        seen = fold != one
        if classes:
            out[~seen] = chances(x[seen], truth[seen], x[~seen], classes, strength)
        else:
            out[~seen] = values(x[seen], truth[seen], x[~seen])
    return out
