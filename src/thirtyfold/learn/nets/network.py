"""Network: what all networks of several parts share: learned by the loop, kept as one ONNX graph that also answers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Choice, Family, split_choice, word_of
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.graph import Graph, Session
from thirtyfold.learn.loop import Curves, Plan, Rows, learn
from thirtyfold.learn.nets.stems import Reader, drawn_by, fusion, normals
from thirtyfold.learn.nets.story import told
from thirtyfold.learn.nets.traced import drawn, weights_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Batch", "Clip", "Compile", "Count", "Dropout", "Network"]

Count = Annotated[int, Field(ge=1)]
Batch = Annotated[int, Field(ge=2)]
Clip = Annotated[float, Field(ge=0)]
Compile = Literal["auto"] | bool
Dropout = Annotated[float, Field(ge=0, lt=1)]
LOSSES = {True: "cross_entropy", False: "mean_squared"}
SLOWER = 0.3
"""Times the rate with which ``more`` goes on, so that what was learned is not washed away."""


class Network:
    """A member calls ``super().__init__`` with its options, and says in ``reader`` how blocks become embeddings.

    Stored as ONNX, which is also what answers, so that serving needs no PyTorch; the weights are read back from the
    same file to go on learning.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Takes every option by its name; those that name members of the learning families are built."""
        given = dict(options)
        loss, regularizers = given.pop("loss"), given.pop("regularizers")
        self.loss = None if loss is None else _member("losses", loss)
        self.optimizer = _member("optimizers", given.pop("optimizer"))
        self.initializer = _member("initializers", given.pop("initializer"))
        self.schedule = _member("schedules", given.pop("schedule"))
        self.regularizers = [_member("regularizers", r) for r in regularizers]
        self.framework = _member("frameworks", given.pop("framework"))
        self.numbers: dict[str, Any] = given
        self._state: dict[str, Any] = {}
        self._graph = b""
        self._session: Session | None = None
        self._story: list[Evidence] = []
        self._curves = Curves(best=given["epochs"])

    def reader(self) -> Reader:
        """How a block is read."""
        raise NotImplementedError

    @property
    def curves(self) -> Curves:
        """Losses, rates, gradients and what else was seen in the last training, as data."""
        return self._curves

    @property
    def options(self) -> dict[str, Any]:
        """The options as the Spec spells them."""
        parts = {n: _spelled(getattr(self, n)) for n in ("optimizer", "initializer", "schedule", "framework")}
        loss = None if self.loss is None else _spelled(self.loss)
        return {**self.numbers, **parts, "loss": loss, "regularizers": [_spelled(r) for r in self.regularizers]}

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        target = np.asarray(train.target, dtype=np.float64)
        wide = float(target.max() - target.min())
        scale = [float(target.mean()), float(target.std()) or 1.0]
        scale += [float(target.min()) - 0.1 * wide, float(target.max()) + 0.1 * wide]
        self._state = {
            "layout": [[b.form, list(b.shape), b.column, b.codes] for b in train.blocks],
            "normals": [list(n) for n in normals(train)],
            "outputs": train.classes or 1,
            "scale": [] if train.classes else scale,
        }
        self._learn(train, validation, context)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Go on from the learned weights at a lower rate, for half the epochs at most; values keep their scale."""
        if not self._graph:
            raise SpecError(Fault("finetune", "this model has not learned anything yet."))
        rate, epochs = self.optimizer.rate, self.numbers["epochs"]
        slower = rate if rate == "find" else rate * SLOWER
        self.optimizer.rate, self.numbers["epochs"] = slower, max(1, epochs // 2)
        try:
            self._learn(train, validation, context, weights_of(self._graph))
        finally:
            self.optimizer.rate, self.numbers["epochs"] = rate, epochs

    def network(self) -> nn.Module:
        """The network without its weights, from its sizes alone."""
        state = self._state
        blocks = [Block(form, tuple(shape), column, codes) for form, shape, column, codes in state["layout"]]
        layers = (_member("regularizers", {"dropout": self.numbers["dropout"]}), *self.regularizers)
        normal = [(mean, deviation) for mean, deviation in state["normals"]]
        return fusion(blocks, normal, self.reader(), state["outputs"], layers)

    def _learn(
        self, train: Encoded, validation: Encoded | None, context: Context, start: dict[str, Array] | None = None
    ) -> None:
        o, task = self.numbers, "classification" if train.classes else "regression"
        loss = self.loss or _member("losses", LOSSES[bool(train.classes)])
        if task not in loss.tasks:
            raise SpecError(
                Fault(
                    f"model.{word_of(type(self).__name__)}.loss",
                    f"{word_of(type(loss).__name__)} is for {loss.tasks[0]}.",
                )
            )
        able = [r for r in self.regularizers if task in getattr(r, "tasks", (task,)) and _fits(r, train.classes)]
        with self.framework.session(context.seed) as device:
            net = self.network()
            deviations = drawn_by(net, self.initializer, context.seed)
            if start is not None:
                _put(net, start)
            plan = Plan(
                loss, self.optimizer, self.schedule, tuple(able), o["epochs"], _batch(len(train), o["batch"]),
                o["clip"], device, train.layout, o["accumulate"], o["precision"], o["compile"],
            )  # fmt: skip
            check = None if validation is None else self._rows(validation, None)
            counts = weights(train, balance=o["balance"])
            curves = learn(net.to(device), plan, self._rows(train, counts), check, context)
            self._keep(net.cpu(), loss.head)
        self._curves = curves
        words = {n: word_of(type(getattr(self, n)).__name__) for n in ("optimizer", "initializer", "schedule")}
        facts = {**self.framework.facts(), **words, "drawn": deviations, "batch": plan.batch}
        self._story = told(net, train, curves, facts | {"loss": word_of(type(loss).__name__)}, self.numbers)

    def _rows(self, data: Encoded, weight: Array | None) -> Rows:
        target: Any = np.asarray(data.target)
        scale = self._state["scale"]
        y = np.eye(data.classes)[target] if data.classes else ((target - scale[0]) / scale[1])[:, None]
        weight = data.weight if weight is None else weight
        w = np.ones(len(data)) if weight is None else np.asarray(weight)
        return Rows(np.ascontiguousarray(data.matrix, dtype=np.float32), y.astype(np.float32), w.astype(np.float32))

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
            n: w for n, w in found.items() if not n.endswith((".mean", ".deviation", "running_mean", "running_var"))
        }
        layers = sum(w.ndim > 1 for w in learned.values())
        return {"parameters": sum(int(w.size) for w in learned.values()), "layers": layers}

    def story(self) -> list[Evidence]:
        return self._story

    def refit(self) -> dict[str, Any]:
        """The epochs found to be best; nothing stops early then."""
        kept = [_spelled(r) for r in self.regularizers if not r.restores]
        found = {"epochs": max(1, self._curves.best), "regularizers": kept}
        if not self._curves.found:
            return found
        word, options = split_choice(_spelled(self.optimizer), "optimizer")
        return {**found, "optimizer": {word: {**options, "rate": self._curves.found["rate"]}}}

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        found: dict[str, tuple[Any, Any]] = {}
        if self.numbers["dropout"]:
            found["dropout"] = (self.numbers["dropout"], 0.0)
        if self.regularizers:
            found["regularizers"] = ([_spelled(r) for r in self.regularizers], [])
        if getattr(self.optimizer, "decay", 0):
            found[f"optimizer.{word_of(type(self.optimizer).__name__)}.decay"] = (self.optimizer.decay, 0.0)
        return found

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


def _session(graph: bytes, features: int) -> Session:
    """As many rows at once as leave the memory alone."""
    return Session(graph, rows=max(16, min(4096, 8_000_000 // features)))


def _batch(rows: int, wanted: int) -> int:
    """Rows in a step, so that none is left over alone: a single row has no deviation to be normalized by."""
    size = max(2, min(wanted, max(16, rows // 8), rows))
    while rows % size == 1:
        size += 1
    return size


def _fits(regularizer: Any, classes: int) -> bool:
    """Whether it says anything about this kind of answer: values have no labels to be made smoother."""
    return bool(classes) or word_of(type(regularizer).__name__) != "label_smoothing"


def _put(net: nn.Module, found: Mapping[str, Array]) -> None:
    """Give a network its weights."""
    import torch

    state = net.state_dict()
    state.update({n: torch.from_numpy(np.array(w)) for n, w in found.items() if n in state})
    net.load_state_dict(state)


def _member(family: str, choice: Any) -> Any:
    """A member as it is, or the one that a choice of the Spec names."""
    return Family[Any](f"learn.{family}").build(choice, f"model.{family}") if isinstance(choice, str | dict) else choice


def _spelled(member: Any) -> Choice:
    """A member as the Spec spells it: members keep each option under its own name."""
    names = inspect.signature(type(member)).parameters
    return {word_of(type(member).__name__): {n: getattr(member, n) for n in names if hasattr(member, n)}}
