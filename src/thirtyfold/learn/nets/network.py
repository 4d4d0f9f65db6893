"""Network: what all networks of several parts share: learned by the loop, kept as one ONNX graph that also answers."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.graph import Graph, Session, at_once
from thirtyfold.learn.learner import Learner, rows_of, scale_of
from thirtyfold.learn.loop import learn
from thirtyfold.learn.nets.stems import Normal, drawn_by, normals
from thirtyfold.learn.nets.story import told
from thirtyfold.learn.nets.traced import drawn, weights_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Batch", "Clip", "Compile", "Count", "Dropout", "Fused", "Network"]

Count = Annotated[int, Field(ge=1)]
Batch = Annotated[int, Field(ge=2)]
Clip = Annotated[float, Field(ge=0)]
Compile = Literal["auto"] | bool
Dropout = Annotated[float, Field(ge=0, lt=1)]


class Network(Learner, ABC):
    """A member calls ``super().__init__`` with its options, and makes its network from what it has measured.

    Stored as ONNX, which is also what answers, so that serving needs no PyTorch; the weights are read back from the
    same file to go on learning.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._state: dict[str, Any] = {}
        self._graph = b""
        self._session: Session | None = None

    @abstractmethod
    def measured(self, train: Encoded) -> dict[str, Any]:
        """What the network has to know of the rows beside their layout, as JSON can say it."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The network without its weights, from what was measured alone. Raises SpecError."""

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        if self._shared("fit", train, validation, context):
            return
        self._state = {
            "layout": [[b.form, list(b.shape), b.column, b.codes] for b in train.blocks],
            "outputs": train.classes or 1,
            "scale": list(scale_of(train)),
            **self.measured(train),
        }
        self._learn(train, validation, context)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Go on from the learned weights at a lower rate, for half the epochs at most; values keep their scale."""
        if not self._graph:
            raise SpecError(Fault("finetune", "this model has not learned anything yet."))
        if self._shared("more", train, validation, context):
            return
        with self._slower():
            self._learn(train, validation, context, weights_of(self._graph))

    def _learn(
        self, train: Encoded, validation: Encoded | None, context: Context, start: dict[str, Array] | None = None
    ) -> None:
        loss, scale = self._loss_for(train.classes), tuple(self._state["scale"])
        with self.framework.session(context.seed) as device:
            net = self.network()
            deviations = drawn_by(net, self.initializer, context.seed)
            if start is not None:
                _put(net, start)
            plan = self._plan(loss, train, _batch(len(train), self.numbers["batch"]), device)
            check = None if validation is None else rows_of(validation, scale, None)
            rows = rows_of(train, scale, weights(train, balance=self.numbers["balance"]))
            self._curves = learn(net.to(device), plan, rows, check, context)
            self._keep(net.cpu(), loss.head)
        self._story = told(net, train, self._curves, self._facts(plan, deviations), self.numbers)

    def _keep(self, net: nn.Module, head: str) -> None:
        """The network as a graph, answers included; from now on the graph is what answers."""
        graph = Graph()
        x = drawn(net, graph)
        if head == "softmax":
            graph.add("Softmax", [x], "raw", axis=1)
        else:
            names = ("center", "spread", "low", "high")
            center, spread, low, high = (graph.constant(n, v) for n, v in zip(names, self._state["scale"], strict=True))
            moved = graph.add("Add", [graph.add("Mul", [x, spread], "wide"), center], "moved")
            graph.add("Clip", [moved, low, high], "raw")
        features = sum(int(np.prod(shape)) for _, shape, _, _ in self._state["layout"])
        self._graph = graph.bytes(features, self._state["outputs"])
        self._session = _session(self._graph, features)

    def predict(self, matrix: Array) -> Array:
        assert self._session is not None, "the network has not been fitted"
        return self._session(matrix)

    def size(self) -> dict[str, int]:
        found = weights_of(self._graph)
        learned = {
            n: w
            for n, w in found.items()
            if w.dtype.kind == "f" and not n.endswith((".mean", ".deviation", "running_mean", "running_var"))
        }
        layers = sum(w.ndim > 1 for w in learned.values())
        return {"parameters": sum(int(w.size) for w in learned.values()), "layers": layers}

    def save(self) -> dict[str, bytes]:
        assert self._graph, "the network has not been fitted"
        state = {"options": self.options, "state": self._state}
        return {"model.onnx": self._graph, "model.json": json.dumps(state, sort_keys=True).encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        kept = json.loads(files["model.json"])
        model = cls(**kept["options"])
        model._state, model._graph = kept["state"], files["model.onnx"]
        features = sum(int(np.prod(shape)) for _, shape, _, _ in kept["state"]["layout"])
        model._session = _session(model._graph, features)
        return model

    def onnx(self) -> bytes:
        assert self._graph, "the network has not been fitted"
        return self._graph


class Fused(Network):
    """A network over blocks of several kinds; a member says in ``over`` how they are read."""

    @abstractmethod
    def over(self, blocks: Sequence[Block], normal: Sequence[Normal], outputs: int) -> nn.Module:
        """The network for rows of these blocks, each with mean and deviation. Raises SpecError."""

    def measured(self, train: Encoded) -> dict[str, Any]:
        return {"normals": [list(n) for n in normals(train)]}

    def network(self) -> nn.Module:
        state = self._state
        blocks = [Block(form, tuple(shape), column, codes) for form, shape, column, codes in state["layout"]]
        normal = [(mean, deviation) for mean, deviation in state["normals"]]
        return self.over(blocks, normal, state["outputs"])


def _session(graph: bytes, features: int) -> Session:
    """As many rows at once as leave the memory alone."""
    return Session(graph, rows=at_once(features))


def _batch(rows: int, wanted: int) -> int:
    """Rows in a step, so that none is left over alone: a single row has no deviation to be normalized by."""
    size = max(2, min(wanted, max(16, rows // 8), rows))
    while rows % size == 1:
        size += 1
    return size


def _put(net: nn.Module, found: Mapping[str, Array]) -> None:
    """Give a network its weights."""
    import torch

    state = net.state_dict()
    state.update({n: torch.from_numpy(np.array(w)) for n, w in found.items() if n in state})
    net.load_state_dict(state)
