"""Classifier and Regressor: the learning part of the lifecycle behind scikit-learn's interface.

They clean and encode as ``thirtyfold run`` does, choose by rows they hold out, and leave a Package in ``package_``. The
test is the caller's, who holds out what he likes; for gates, audits, compression and a report use ``thirtyfold.run``.
"""

from typing import Any, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.errors import ThirtyfoldError
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.profile import Profile
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Column, Table
from thirtyfold.core.task import Metric, Task

__all__ = ["Classifier", "Regressor"]

TARGET = "__target__"
FEW = 40
"""With fewer rows none is held out: candidates are compared on the rows they learned from."""


class _Learner(BaseEstimator):  # type: ignore[misc]
    """What both share; ``_task`` is the word of the task."""

    _task = ""

    def __init__(self, model: Choice = "auto", metric: str = "auto", trials: int = 0, seed: int = 0) -> None:
        self.model = model
        self.metric = metric
        self.trials = trials
        self.seed = seed

    def _learn(self, columns: pl.DataFrame, target: pl.Series, *, numbers: bool) -> None:
        """Learn, or raise the ValueError that scikit-learn's callers expect of data that cannot be learned from."""
        if len(target) < 2:
            raise ValueError(f"{type(self).__name__} needs at least two rows; got n_samples = {len(target)}.")
        try:
            self._stages(columns, target, numbers=numbers)
        except ThirtyfoldError as error:
            raise ValueError(str(error)) from error

    def _stages(self, columns: pl.DataFrame, target: pl.Series, *, numbers: bool) -> None:
        """The stages from clean to tune, by hand: they are values in, values out."""
        from thirtyfold.data.clean import Clean
        from thirtyfold.data.featurize import Featurize
        from thirtyfold.learn.build import Build
        from thirtyfold.learn.select import Select
        from thirtyfold.learn.train import Train
        from thirtyfold.learn.tune import Tune
        from thirtyfold.prove.validate import Validate

        spec = Spec.of(
            {
                "target": TARGET,
                "collect": "frame",
                "task": self._task,
                "metric": self.metric,
                "model": self.model,
                "seed": self.seed,
                "tune": {"trials": self.trials, "threshold": False},
            }
        )
        context = Quiet(seed=self.seed)
        if numbers:
            described = {name: Column(name, "number") for name in columns.columns}
            table = Table.of(columns, described)
        else:
            table = Clean(spec).run(Table.of(columns.with_columns(target.alias(TARGET))), context).table.without(TARGET)
        role = Column(TARGET, "category" if self._task == "classification" else "number", "target")
        table = table.with_column(target, role)
        found: Any = Family[Task]("aim.tasks").find(self._task)
        task = found().fit(target)
        goal = Goal.of(self._task, task)
        aim = self._aim(found)
        learning, validation = self._parts(table, task.encode(target), classes=len(task.classes))
        inputs = table.inputs
        candidates = Select(spec).run(learning, inputs, aim, goal, context).candidates
        featured = Featurize(spec).run(learning, validation, inputs, aim, goal, candidates, context)
        train_rows, rows = featured.train_rows, featured.validation_rows
        blueprints = Build(spec).run(candidates, train_rows, goal, context).blueprints
        trained = Train(spec).run(blueprints, train_rows, rows, learning, goal, aim, context).trained
        scores = Validate(spec).run(trained, train_rows, rows, validation, goal, aim).scores
        tuned = Tune(spec).run(
            trained, scores, featured.encoders, train_rows, rows, learning, validation, inputs, goal, aim,
            Profile(0, {}), {}, context,
        )  # fmt: skip
        self.package_: Package = tuned.package

    def _aim(self, task: Any) -> Aim:
        metric = str(task.metrics[0]) if self.metric == "auto" else self.metric
        kind: Any = Family[Metric]("aim.metrics").find(metric, "metric")
        metrics = tuple(dict.fromkeys((metric, *task.metrics)))
        return Aim(TARGET, self._task, metric, bool(kind.greater), metrics)

    def _parts(self, table: Table, truth: Array, classes: int) -> tuple[Table, Table]:
        """Six rows to learn from for one to choose by, every class in both; with few rows, all are both."""
        counts = np.bincount(truth[truth >= 0]) if classes else np.array([len(truth)])
        if len(table) < FEW or counts.min() < 7:
            return table, table
        mixed = np.random.default_rng(self.seed).permutation(len(table))
        order = mixed[np.argsort(truth[mixed], kind="stable")]
        held = np.zeros(len(table), dtype=bool)
        held[order[3::7]] = True
        return table.take(np.flatnonzero(~held)), table.take(np.flatnonzero(held))

    def _columns(self, data: Any, *, reset: bool) -> tuple[pl.DataFrame, bool]:
        """Frames keep their columns and types; anything else is a matrix of numbers."""
        if _mixed(data):
            from thirtyfold.data.sources.frame import polars_of

            validate_data(self, data, reset=reset, skip_check_array=True)
            return polars_of(data), False
        matrix = validate_data(self, data, reset=reset, dtype=np.float64, ensure_all_finite=True)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(matrix.shape[1])])
        return pl.DataFrame({str(n): matrix[:, i] for i, n in enumerate(names)}), True

    def _raw(self, X: Any) -> Array:
        check_is_fitted(self)
        columns, _ = self._columns(X, reset=False)
        table, faults = self.package_.door.table(columns)
        if faults:
            raise ValueError("; ".join(map(str, faults[:20])))
        return self.package_.raw(self.package_.arrays(table))


class Classifier(ClassifierMixin, _Learner):  # type: ignore[misc]
    """Which class? ``model``, ``metric``, ``trials`` and ``seed`` mean what they mean in the Spec.

    Fitted: ``classes_``, ``package_`` (the Package, ready to be saved or served), ``n_features_in_``.
    """

    _task = "classification"

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from a frame or a matrix of shape (rows, columns) and labels of shape (rows,)."""
        columns, numbers = self._columns(X, reset=True)
        labels = _target(y, len(columns))
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier needs two classes to learn from; y has 1 class: {self.classes_[0]!r}.")
        self._learn(columns, pl.Series(TARGET, [f"c{c:06d}" for c in codes]), numbers=numbers)
        return self

    def predict_proba(self, X: Any) -> Array:
        """The probability of each of ``classes_``; shape (rows, classes)."""
        raw = self._raw(X)
        order = [int(label[1:]) for label in self.package_.task.classes]
        out = np.zeros((len(raw), len(self.classes_)))
        out[:, order] = raw
        return out

    def predict(self, X: Any) -> Array:
        """The likeliest of ``classes_`` for each row."""
        raw = self.predict_proba(X)
        return np.asarray(self.classes_[raw.argmax(axis=1)])


class Regressor(RegressorMixin, _Learner):  # type: ignore[misc]
    """How much? ``model``, ``metric``, ``trials`` and ``seed`` mean what they mean in the Spec.

    Fitted: ``package_`` (the Package, ready to be saved or served), ``n_features_in_``.
    """

    _task = "regression"

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from a frame or a matrix of shape (rows, columns) and values of shape (rows,)."""
        columns, numbers = self._columns(X, reset=True)
        values = np.asarray(_target(y, len(columns)), dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("Input y contains NaN or infinity.")
        self._learn(columns, pl.Series(TARGET, values), numbers=numbers)
        return self

    def predict(self, X: Any) -> Array:
        """The value for each row; shape (rows,)."""
        return np.asarray(self._raw(X)[:, 0])


def _mixed(data: Any) -> bool:
    """Whether data is a frame with a column that is no number."""
    types = getattr(data, "dtypes", None)
    if types is None or not hasattr(data, "columns"):
        return False
    return any(not str(t).lower().startswith(("int", "uint", "float")) for t in list(types))


def _target(y: Any, rows: int) -> Array:
    from sklearn.utils import column_or_1d

    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    values = np.asarray(column_or_1d(y, warn=True))
    if len(values) != rows:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{rows}, {len(values)}]")
    return values
