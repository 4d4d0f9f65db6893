"""Linear: logistic regression for classes, ridge regression for values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.convex import convex_story
from thirtyfold.learn.graph import Graph
from thirtyfold.learn.inner import steady
from thirtyfold.learn.stored import Stored

__all__ = ["Linear"]


class Linear(Stored):
    """One weight a feature: fast, small, explainable, and hard to beat on few rows.

    Logistic regression (softmax over the classes) or ridge regression, both with an L2 penalty. Takes ``vector``.
    Stored as ONNX, which is also what answers.
    """

    forms: ClassVar[tuple[Form, ...]] = ("vector",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    ends: ClassVar[str] = "a linear model is solved at once and cannot go on"

    def __init__(
        self,
        strength: Annotated[float, Field(ge=0)] = 1.0,
        iterations: Annotated[int, Field(ge=1)] = 300,
        *,
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            strength: How strongly large weights are held back (the L2 penalty, in rows).
            iterations: Steps of the solver at most.
            balance: Weigh classes so that each counts the same.
        """
        super().__init__({"strength": strength, "iterations": iterations, "balance": balance})

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        o, x = self.options, train.matrix.astype(np.float64)
        weight = weights(train, balance=o["balance"])
        with steady():
            table, offset, steps = _solve(x, train, weight, o, context.seed)
        self._size = {"parameters": int(table.size + offset.size), "features": len(train.names)}
        self._keep(_graph(table, offset, train.classes))
        self._story = convex_story(train, x, table, offset, steps, "lbfgs" if train.classes else "a direct solution")

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        return {"strength": (self.options["strength"], 0.0)} if self.options["strength"] else {}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        return {"strength": Dial(1e-3, 1e3, log=True)}


def _solve(
    x: Array, train: Encoded, weight: Array | None, options: Mapping[str, Any], seed: int
) -> tuple[Array, Array, int]:
    """Weights (features, outputs), offsets (outputs,) and the solver's steps."""
    from sklearn.linear_model import LogisticRegression, Ridge

    strength = max(options["strength"], 1e-9)
    if not train.classes:
        ridge = Ridge(alpha=strength, random_state=seed).fit(x, train.target, sample_weight=weight)
        return np.asarray(ridge.coef_)[:, None], np.atleast_1d(ridge.intercept_), 1
    model = LogisticRegression(C=1 / strength, max_iter=options["iterations"], tol=1e-4, random_state=seed)
    _quietly(model.fit, x, train.target, weight)
    return np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_), int(np.max(model.n_iter_))


def _graph(table: Array, offset: Array, classes: int) -> bytes:
    graph = Graph()
    given = ["features", graph.constant("weights", table), graph.constant("offset", offset)]
    if not classes:
        graph.add("Gemm", given, "raw")
    elif classes == 2:
        graph.pair(graph.add("Sigmoid", [graph.add("Gemm", given, "score")], "chance"), "raw")
    else:
        graph.add("Softmax", [graph.add("Gemm", given, "score")], "raw", axis=1)
    return graph.bytes(len(table), classes or 1)


def _quietly(fit: Any, x: Array, target: Any, weight: Any) -> None:
    """Fit; that the solver stopped at its limit of steps is told in the evidence, not in a warning."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit(x, target, sample_weight=weight)
