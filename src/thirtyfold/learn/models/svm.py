"""Svm: the widest margin between classes, with probabilities."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.graph import Graph
from thirtyfold.learn.inner import steady
from thirtyfold.learn.margin import calibrate, margin_story, solve
from thirtyfold.learn.stored import Stored

__all__ = ["Svm"]

CURVED = 10_000
"""Rows up to which ``auto`` takes curved borders: beyond, they cost minutes and boosting is better anyway."""


class _Landmarks(NamedTuple):
    """Nystroem's approximation (Williams and Seeger 2001): exp(-gamma |x - row|^2) @ mix."""

    rows: Array
    mix: Array
    gamma: float


class Svm(Stored):
    """The border with the widest margin between classes, straight or curved, made into probabilities by Platt's
    sigmoid.

    Squared hinge loss (Cortes and Vapnik 1995); a curved border is the RBF kernel over a fixed number of landmark
    rows, so time stays bounded; probabilities are fitted on held-out folds (Platt 1999). Values: squared
    epsilon-insensitive loss. Takes ``vector``. Stored as ONNX, which is also what answers.
    """

    forms: ClassVar[tuple[Form, ...]] = ("vector",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    ends: ClassVar[str] = "a support vector machine cannot go on"
    at_once: ClassVar[int] = 8192

    def __init__(
        self,
        cost: Annotated[float, Field(gt=0)] = 1.0,
        kernel: Literal["auto", "linear", "rbf"] = "auto",
        gamma: Annotated[float, Field(gt=0)] | None = None,
        landmarks: Annotated[int, Field(ge=2, le=5000)] = 300,
        *,
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            cost: What a row on the wrong side of the margin costs; less is a smoother border.
            kernel: ``linear`` is a straight border, ``rbf`` a curved one, ``auto`` curved up to 10,000 rows.
            gamma: How narrow the curves are; by default 1 / (features x variance).
            landmarks: Rows that span the curved border at most.
            balance: Weigh classes so that each counts the same.
        """
        super().__init__(
            {
                "cost": cost,
                "kernel": kernel,
                "gamma": gamma,
                "landmarks": landmarks,
                "balance": balance,
            }
        )

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        x, weight = train.matrix.astype(np.float64), weights(train, balance=self.options["balance"])
        cost, seed = self.options["cost"], context.seed
        with steady():
            marks = self._landmarks(x, seed)
            space = x if marks is None else _map(x, marks)
            solved = solve(space, train, weight, cost, seed)
            platt = calibrate(space, train, weight, cost, seed) if train.classes else None
        self._size = {
            "parameters": int(solved.table.size + solved.offset.size),
            "landmarks": 0 if marks is None else len(marks.rows),
            "support_vectors": solved.support,
        }
        self._keep(_graph(len(train.names), solved, platt, marks, train.classes))
        answer = self.predict(train.matrix[:1])[0]
        self._story = margin_story(train, space, solved, platt, answer, curved=marks is not None)

    def _landmarks(self, x: Array, seed: int) -> _Landmarks | None:
        o = self.options
        if o["kernel"] == "linear" or (o["kernel"] == "auto" and len(x) > CURVED):
            return None
        many = min(o["landmarks"], len(x))
        rows = x[np.sort(np.random.default_rng(seed).choice(len(x), many, replace=False))]
        rows = np.unique(rows, axis=0)
        gamma = o["gamma"] or 1 / max(x.shape[1] * float(x.var()), 1e-9)
        kernel = np.exp(-gamma * _squares(rows, rows))
        values, vectors = np.linalg.eigh(kernel)
        strong = values > 1e-8 * values[-1]
        return _Landmarks(rows, vectors[:, strong] / np.sqrt(values[strong]), gamma)

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        return {"cost": (self.options["cost"], 1e4)} if self.options["cost"] < 1e4 else {}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        curved = {"gamma": Dial(0.02 / features, 5.0 / features, log=True)} if rows <= CURVED else {}
        return {"cost": Dial(1e-3, 1e2, log=True), **curved}


def _squares(a: Array, b: Array) -> Array:
    return np.asarray(np.maximum((a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1), 0))


def _map(x: Array, marks: _Landmarks) -> Array:
    parts = [np.exp(-marks.gamma * _squares(x[s : s + 8192], marks.rows)) @ marks.mix for s in range(0, len(x), 8192)]
    return np.concatenate(parts)


def _graph(features: int, solved: Any, platt: Any, marks: _Landmarks | None, classes: int) -> bytes:
    """Margin, then Platt's sigmoid: all in double up to the margin, because the landmarks' mix has large numbers."""
    from onnx import TensorProto

    graph = Graph()
    x = graph.add("Cast", ["features"], "x", to=TensorProto.DOUBLE)
    table = solved.table
    if marks is not None:
        table, gamma = marks.mix @ table, marks.gamma
        double = np.float64
        cross = graph.add("MatMul", [x, graph.constant("rows", 2 * gamma * marks.rows.T, double)], "cross")
        own = graph.add("ReduceSumSquare", [x, graph.constant("across", [1], np.int64)], "own", keepdims=1)
        scaled = graph.add("Mul", [own, graph.constant("gamma", gamma, double)], "scaled")
        squares = graph.constant("squares", gamma * (marks.rows**2).sum(axis=1), double)
        power = graph.add("Sub", [graph.add("Sub", [cross, scaled], "part"), squares], "power")
        x = graph.add("Exp", [power], "kernel")
    product = graph.add("MatMul", [x, graph.constant("weights", table, np.float64)], "product")
    margin = graph.add("Add", [product, graph.constant("offset", solved.offset, np.float64)], "margin")
    if not classes:
        graph.add("Cast", [margin], "raw", to=TensorProto.FLOAT)
        return graph.bytes(features, 1)
    steep = graph.add("Mul", [margin, graph.constant("slope", platt.slope, np.float64)], "steep")
    moved = graph.add("Add", [steep, graph.constant("shift", platt.shift, np.float64)], "moved")
    chance = graph.add("Sigmoid", [graph.add("Cast", [moved], "small", to=TensorProto.FLOAT)], "chance")
    if classes == 2:
        graph.pair(chance, "raw")
    else:
        least = graph.add("Max", [chance, graph.constant("least", 1e-9)], "atleast")
        total = graph.add("ReduceSum", [least, graph.constant("classes", [1], np.int64)], "total", keepdims=1)
        graph.add("Div", [least, total], "raw")
    return graph.bytes(features, classes)
