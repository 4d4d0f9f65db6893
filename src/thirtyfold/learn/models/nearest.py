"""Nearest: the answer of the most alike rows."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, not_applicable
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.graph import Graph
from thirtyfold.learn.stored import Stored

__all__ = ["Nearest"]

AT_ONCE = 512
"""Rows that are compared at once: 512 x 5,000 distances are 20 MB."""


class Nearest(Stored):
    """The answer of the most alike training rows: nothing to learn, good where likeness says it all.

    Cover and Hart (1967), by Euclidean distance in ``vector``. It keeps rows, so it is slower the more it keeps.
    Stored as ONNX, which is also what answers; distances are in double, so that a row alone has the same neighbors as
    among others.
    """

    forms: ClassVar[tuple[Form, ...]] = ("vector",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    ends: ClassVar[str] = "nearest neighbors do not go on learning"
    at_once: ClassVar[int] = AT_ONCE

    def __init__(
        self,
        neighbors: Annotated[int, Field(ge=1, le=1000)] = 15,
        vote: Literal["distance", "equal"] = "distance",
        keep: Annotated[int, Field(ge=1, le=200_000)] = 5000,
        *,
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            neighbors: How many rows are asked.
            vote: ``distance``: nearer rows count more (one over the distance); ``equal``: all count the same.
            keep: Training rows that are kept at most, drawn at random.
            balance: Weigh classes so that each counts the same.
        """
        super().__init__({"neighbors": neighbors, "vote": vote, "keep": keep, "balance": balance})

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        o, kept = self.options, train
        if len(train) > o["keep"]:
            which = np.random.default_rng(context.seed).choice(len(train), o["keep"], replace=False)
            kept = train.take(np.sort(which))
        weight = weights(kept, balance=o["balance"])
        votes = np.ones(len(kept)) if weight is None else weight
        target = np.asarray(kept.target)
        answers = np.eye(train.classes)[target] if train.classes else target[:, None]
        neighbors = min(o["neighbors"], len(kept))
        self._size = {"rows": len(kept), "features": len(train.names), "neighbors": neighbors}
        self._keep(_graph(kept.matrix, answers, votes, neighbors, o["vote"]))
        self._story = self._tell(train, kept)

    def _tell(self, train: Encoded, kept: Encoded) -> list[Evidence]:
        row = train.matrix[:1]
        distance = np.sqrt(((kept.matrix.astype(np.float64) - row) ** 2).sum(axis=1))
        order = np.argsort(distance, kind="stable")[: self._size["neighbors"]]
        answer, near = self.predict(row)[0], distance[order]
        target = np.asarray(kept.target)[order]
        truth = np.asarray(train.target)[0]
        miss = -np.log(max(answer[int(truth)], 1e-12)) if train.classes else (answer[0] - truth) ** 2
        none = "No weights are learned: the training rows are the model."
        return [
            Evidence(
                13,
                "ONNX Runtime on the CPU compares rows; no framework is needed to learn.",
                {"framework": "onnxruntime", "device": "cpu"},
            ),
            Evidence(
                14,
                f"Kept {len(kept):,} of {len(train):,} training rows with {len(train.names)} features each; "
                f"the nearest {self._size['neighbors']} answer.",
                dict(self._size),
            ),
            not_applicable(15, none),
            Evidence(
                16,
                f"The first training row finds its neighbors at distances {near[0]:.3g} to {near[-1]:.3g}, whose "
                f"answers are {', '.join(f'{t:g}' for t in target[:8])}; its own is {truth:g}.",
                {"distances": near.tolist(), "answer": answer.tolist()},
            ),
            Evidence(17, f"That answer costs the first row a loss of {miss:.4f}.", {"row": float(miss)}),
            not_applicable(18, none),
            not_applicable(19, none),
            not_applicable(20, "No epochs: the rows are kept once."),
        ]

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        return {"neighbors": (self.options["neighbors"], 1)} if self.options["neighbors"] > 1 else {}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        return {
            "neighbors": Dial(1, max(2, min(100, rows // 4)), log=True, kind="int"),
            "vote": Dial(choices=("distance", "equal"), kind="choice"),
        }


def _graph(rows: Array, answers: Array, votes: Array, neighbors: int, vote: str) -> bytes:
    """|x - r|^2 = |x|^2 - 2 x.r + |r|^2 in double, the smallest ones, and the mean of their answers by weight."""
    from onnx import TensorProto

    graph, wide = Graph(), rows.astype(np.float64)
    x = graph.add("Cast", ["features"], "x", to=TensorProto.DOUBLE)
    cross = graph.add("MatMul", [x, graph.constant("rows", -2 * wide.T, np.float64)], "cross")
    own = graph.add("ReduceSumSquare", [x, graph.constant("across", [1], np.int64)], "own", keepdims=1)
    partial = graph.add("Add", [cross, graph.constant("squares", (wide**2).sum(axis=1), np.float64)], "partial")
    whole = graph.add("Add", [partial, own], "whole")
    small = graph.add("Cast", [whole], "square", to=TensorProto.FLOAT)
    positive = graph.add("Max", [small, graph.constant("zero", 0.0)], "positive")
    graph.top(positive, neighbors, "near", "which")
    weight = graph.add("Gather", [graph.constant("votes", votes), "which"], "weight")
    if vote == "distance":
        distance = graph.add("Sqrt", ["near"], "distance")
        # A twin among the kept rows has distance 0 and may not divide by it.
        apart = graph.add("Max", [distance, graph.constant("least", 1e-3)], "apart")
        weight = graph.add("Div", [weight, apart], "nearness")
    across = graph.constant("neighbors", [1], np.int64)
    share = graph.add("Div", [weight, graph.add("ReduceSum", [weight, across], "total", keepdims=1)], "share")
    told = graph.add("Gather", [graph.constant("answers", answers), "which"], "told")
    shaped = graph.add("Unsqueeze", [share, graph.constant("last", [2], np.int64)], "shaped")
    graph.add("ReduceSum", [graph.add("Mul", [told, shaped], "parts"), across], "raw", keepdims=0)
    return graph.bytes(rows.shape[1], answers.shape[1])
