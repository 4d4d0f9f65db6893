"""Mlp: a neural network of dense layers, trained by the loop."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.dense import Activation, Dense, network
from thirtyfold.learn.glass import glass_box
from thirtyfold.learn.learner import Learner, rows_of, scale_of
from thirtyfold.learn.loop import learn
from thirtyfold.learn.parts import Precision

__all__ = ["Mlp"]


class Mlp(Learner):
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
        given = dict(locals())
        super().__init__({n: given[n] for n in inspect.signature(type(self)).parameters})
        self._dense: Dense | None = None

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        if not self._shared("fit", train, validation, context):
            self._learn(train, validation, context, scale_of(train), None)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Go on from the learned weights at a lower rate, for half the epochs at most; values keep their scale."""
        if self._dense is None:
            raise SpecError(Fault("finetune", "this model has not learned anything yet."))
        if self._shared("more", train, validation, context):
            return
        d = self._dense
        with self._slower():
            self._learn(train, validation, context, () if train.classes else (d.center, d.spread, d.low, d.high), d)

    def _learn(
        self,
        train: Encoded,
        validation: Encoded | None,
        context: Context,
        scale: tuple[float, ...],
        start: Dense | None,
    ) -> None:
        o = self.numbers
        loss = self._loss_for(train.classes)
        sizes = [len(train.names), *[o["width"]] * o["layers"], train.classes or 1]
        if start is not None:
            sizes = start.sizes
        with self.framework.session(context.seed) as device:
            net = network(sizes, o["activation"], self.initializer, self._between(), context.seed)
            if start is not None:
                start.load_into(net)
            drawn = {n: float(p.detach().std()) for n, p in net.named_parameters() if p.ndim > 1}
            check = None if validation is None else rows_of(validation, scale, None)
            rows = rows_of(train, scale, weights(train, balance=o["balance"]))
            plan = self._plan(loss, train, max(8, min(o["batch"], len(train) // 16)), device)
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
        self._story = glass_box(train, curves, self._facts(plan, drawn) | {"sizes": sizes}, self.numbers)

    def predict(self, matrix: Array) -> Array:
        assert self._dense is not None, "the network has not been fitted"
        return self._dense(matrix)

    def size(self) -> dict[str, int]:
        assert self._dense is not None, "the network has not been fitted"
        parameters = sum(w.size + o.size for w, o in zip(self._dense.weights, self._dense.offsets, strict=True))
        return {"parameters": int(parameters), "layers": len(self._dense.weights)}

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
