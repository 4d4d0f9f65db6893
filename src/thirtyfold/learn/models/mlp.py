"""Mlp: a neural network of dense layers, trained by the loop."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Choice, Family, split_choice, word_of
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.dense import Activation, Dense, network
from thirtyfold.learn.glass import glass_box
from thirtyfold.learn.loop import Curves, Plan, Rows, learn
from thirtyfold.learn.parts import Precision

__all__ = ["Mlp"]

LOSSES = {True: "cross_entropy", False: "mean_squared"}
SLOWER = 0.3
"""Times the rate with which ``more`` goes on, so that what was learned is not washed away."""


class Mlp:
    """Layers of weights with curves between: learns smooth borders that trees cannot, and can go on learning.

    Takes ``vector``. Stored as safetensors with its sizes as JSON; answers with NumPy, so that serving needs no
    PyTorch.
    """

    forms: ClassVar[tuple[Form, ...]] = ("vector",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")

    def __init__(
        self,
        layers: Annotated[int, Field(ge=0, le=20)] = 2,
        width: Annotated[int, Field(ge=1, le=8192)] = 128,
        activation: Activation = "silu",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.15,
        epochs: Annotated[int, Field(ge=1)] = 20,
        batch: Annotated[int, Field(ge=1)] = 256,
        clip: Annotated[float, Field(ge=0)] = 1.0,
        loss: Annotated[Choice | None, Family("learn.losses")] = None,
        optimizer: Annotated[Choice, Family("learn.optimizers")] = "adamw",
        initializer: Annotated[Choice, Family("learn.initializers")] = "kaiming",
        schedule: Annotated[Choice, Family("learn.schedules")] = "cosine",
        regularizers: Annotated[list[Choice], Family("learn.regularizers")] = ["early_stopping"],  # noqa: B006
        framework: Annotated[Choice, Family("learn.frameworks")] = "pytorch",
        *,
        accumulate: Annotated[int, Field(ge=1)] = 1,
        precision: Precision = "auto",
        compile: Literal["auto"] | bool = "auto",  # noqa: A002 - the word of the Spec
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            layers: Hidden layers.
            width: Units in each.
            activation: The curve behind each hidden layer.
            dropout: Share of hidden units that are silent in a step.
            epochs: Times through all training rows, at most.
            batch: Rows in a step; a small table (under 16 of these) takes smaller ones.
            clip: The longest gradient that a step follows; 0 is no limit.
            loss: By default cross-entropy for classes, mean squared error for values.
            optimizer: How weights move, with the learning rate.
            initializer: Where weights start.
            schedule: How the rate changes.
            regularizers: What keeps it from learning the rows by heart, beside dropout.
            framework: What computes.
            accumulate: In how many parts a batch is computed before its one step: less memory, the same step.
            precision: Of the numbers while learning; ``auto`` is float32 on a CPU and measured on a GPU.
            compile: Translate the network for the machine first (torch.compile); ``auto`` where it pays on a GPU.
            balance: Weigh classes so that each counts the same.
        """
        self.numbers: dict[str, Any] = {
            "layers": layers,
            "width": width,
            "activation": activation,
            "dropout": dropout,
            "epochs": epochs,
            "batch": batch,
            "clip": clip,
            "accumulate": accumulate,
            "precision": precision,
            "compile": compile,
            "balance": balance,
        }
        self.loss = None if loss is None else _member("losses", loss)
        self.optimizer = _member("optimizers", optimizer)
        self.initializer = _member("initializers", initializer)
        self.schedule = _member("schedules", schedule)
        self.regularizers = [_member("regularizers", r) for r in regularizers]
        self.framework = _member("frameworks", framework)
        self._dense: Dense | None = None
        self._story: list[Evidence] = []
        self._curves = Curves(best=epochs)

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
        scale = (
            ()
            if train.classes
            else (target.mean(), target.std() or 1.0, target.min() - 0.1 * wide, target.max() + 0.1 * wide)
        )
        self._learn(train, validation, context, tuple(map(float, scale)), None)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Go on from the learned weights at a lower rate, for half the epochs at most; values keep their scale."""
        if self._dense is None:
            raise SpecError(Fault("finetune", "this model has not learned anything yet."))
        d, rate, epochs = self._dense, self.optimizer.rate, self.numbers["epochs"]
        slower = rate if rate == "find" else rate * SLOWER
        self.optimizer.rate, self.numbers["epochs"] = slower, max(1, epochs // 2)
        try:
            scale = () if train.classes else (d.center, d.spread, d.low, d.high)
            self._learn(train, validation, context, scale, d)
        finally:
            self.optimizer.rate, self.numbers["epochs"] = rate, epochs

    def _learn(
        self,
        train: Encoded,
        validation: Encoded | None,
        context: Context,
        scale: tuple[float, ...],
        start: Dense | None,
    ) -> None:
        o = self.numbers
        loss = self.loss or _member("losses", LOSSES[bool(train.classes)])
        if ("classification" if train.classes else "regression") not in loss.tasks:
            raise SpecError(Fault("model.mlp.loss", f"{word_of(type(loss).__name__)} is for {loss.tasks[0]}."))
        sizes = [len(train.names), *[o["width"]] * o["layers"], train.classes or 1]
        if start is not None:
            sizes = start.sizes
        layers = (_member("regularizers", {"dropout": o["dropout"]}), *self.regularizers)
        with self.framework.session(context.seed) as device:
            net = network(sizes, o["activation"], self.initializer, layers, context.seed)
            if start is not None:
                start.load_into(net)
            drawn = {n: float(p.detach().std()) for n, p in net.named_parameters() if p.ndim > 1}
            check = None if validation is None else _rows(validation, scale, None)
            rows = _rows(train, scale, weights(train, balance=o["balance"]))
            plan = self._plan(loss, train, device)
            curves = learn(net.to(device), plan, rows, check, context)
            state = {n: p.detach().cpu().numpy().astype(np.float32) for n, p in net.named_parameters()}
        count = len(sizes) - 1
        self._dense = Dense(
            tuple(np.ascontiguousarray(state[f"layer{i + 1}.weight"].T) for i in range(count)),
            tuple(state[f"layer{i + 1}.bias"] for i in range(count)),
            o["activation"],
            loss.head,
            *scale,
        )
        self._curves = curves
        facts = {**self.framework.facts(), "sizes": sizes, "drawn": drawn, **self._words(), "batch": plan.batch}
        self._story = glass_box(train, curves, facts | {"loss": word_of(type(loss).__name__)}, self.numbers)

    def _plan(self, loss: Any, train: Encoded, device: str) -> Plan:
        o = self.numbers
        return Plan(
            loss,
            self.optimizer,
            self.schedule,
            tuple(self.regularizers),
            o["epochs"],
            max(8, min(o["batch"], len(train) // 16)),
            o["clip"],
            device,
            train.layout,
            o["accumulate"],
            o["precision"],
            o["compile"],
        )

    def _words(self) -> dict[str, str]:
        return {n: word_of(type(getattr(self, n)).__name__) for n in ("optimizer", "initializer", "schedule")}

    def predict(self, matrix: Array) -> Array:
        assert self._dense is not None, "the network has not been fitted"
        return self._dense(matrix)

    def size(self) -> dict[str, int]:
        assert self._dense is not None, "the network has not been fitted"
        parameters = sum(w.size + o.size for w, o in zip(self._dense.weights, self._dense.offsets, strict=True))
        return {"parameters": int(parameters), "layers": len(self._dense.weights)}

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

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        return {
            "optimizer.adamw.rate": Dial(3e-4, 1e-2, log=True),
            "optimizer.adamw.decay": Dial(1e-3, 0.3, log=True),
            "batch": Dial(choices=(64, 128, 256, 512), kind="choice"),
            "layers": Dial(1, 4, kind="int"),
            "width": Dial(32, 384 if rows > 3000 else 128, log=True, kind="int"),
            "dropout": Dial(0.0, 0.5),
        }

    def save(self) -> dict[str, bytes]:
        from safetensors.numpy import save

        d = self._dense
        assert d is not None, "the network has not been fitted"
        tensors = {f"layer{i}.weight": w for i, w in enumerate(d.weights, start=1)}
        tensors |= {f"layer{i}.offset": o for i, o in enumerate(d.offsets, start=1)}
        scale = {} if d.head == "softmax" else {"center": d.center, "spread": d.spread, "low": d.low, "high": d.high}
        state = {"options": self.options, "layers": len(d.weights), "activation": d.activation, "head": d.head, **scale}
        return {"model.safetensors": save(tensors), "model.json": json.dumps(state, sort_keys=True).encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        from safetensors.numpy import load

        state, tensors = json.loads(files["model.json"]), _widened(load(files["model.safetensors"]))
        model = cls(**state["options"])
        numbers = range(1, int(state["layers"]) + 1)
        model._dense = Dense(
            tuple(tensors[f"layer{i}.weight"] for i in numbers),
            tuple(tensors[f"layer{i}.offset"] for i in numbers),
            state["activation"],
            state["head"],
            **{n: float(state[n]) for n in ("center", "spread", "low", "high") if n in state},
        )
        return model

    def onnx(self) -> bytes:
        assert self._dense is not None, "the network has not been fitted"
        return self._dense.onnx()


def _widened(tensors: dict[str, Array]) -> dict[str, Array]:
    """Weights that are kept as int8, each column with its scale, as float32 again."""
    return {
        n: t.astype(np.float32) * tensors[f"{n}.scale"] if t.dtype == np.int8 else t
        for n, t in tensors.items()
        if not n.endswith(".scale")
    }


def _rows(data: Encoded, scale: tuple[float, ...], weight: Array | None) -> Rows:
    target: Any = np.asarray(data.target)
    y = np.eye(data.classes)[target] if data.classes else ((target - scale[0]) / scale[1])[:, None]
    weight = data.weight if weight is None else weight
    w = np.ones(len(data)) if weight is None else weight
    return Rows(_matrix(data.matrix), y.astype(np.float32), np.asarray(w, dtype=np.float32))


def _matrix(matrix: Array) -> Array:
    """As the loop takes it; what is float32 or uint8 stays where it is, be it in a file larger than memory."""
    kind = np.uint8 if matrix.dtype == np.uint8 else np.float32
    return np.ascontiguousarray(matrix, dtype=kind)


def _member(family: str, choice: Any) -> Any:
    """A member as it is, or the one that a choice of the Spec names."""
    return (
        Family[Any](f"learn.{family}").build(choice, f"model.mlp.{family}")
        if isinstance(choice, str | dict)
        else choice
    )


def _spelled(member: Any) -> Choice:
    """A member as the Spec spells it: members keep each option under its own name."""
    names = inspect.signature(type(member)).parameters
    return {word_of(type(member).__name__): {n: getattr(member, n) for n in names if hasattr(member, n)}}
