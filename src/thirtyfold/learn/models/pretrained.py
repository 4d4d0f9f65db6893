"""Pretrained: a network that has learned from much other data already, and goes on from there."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.family import Choice, Family, spelled
from thirtyfold.core.fieldtype import Array, Fitted, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.graph import Graph
from thirtyfold.learn.learner import choice_of, member
from thirtyfold.learn.nets.network import Batch, Clip, Compile, Count, Dropout, Network
from thirtyfold.learn.nets.stems import centering, fused, normals, numbered
from thirtyfold.learn.nets.story import told
from thirtyfold.learn.parts import Plan, Precision
from thirtyfold.learn.pretrained.body import Pool, body, empty, loaded
from thirtyfold.learn.pretrained.exported import add_to
from thirtyfold.learn.pretrained.levels import levels_of
from thirtyfold.learn.pretrained.origin import WHERE, Origin, origin_of
from thirtyfold.learn.pretrained.reading import Wanted, checked, feature, normal_of, padding_of
from thirtyfold.learn.pretrained.telling import learning, parts_of, started

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Pretrained"]

STEM = "stem1.model."
"""What the names of the pretrained weights begin with."""
HELD = "(in the package)"
"""What stands for the folder of a model that came from a Package: it has all it needs, and may lie anywhere."""
LOOKED = 8
"""Rows whose answers by the graph are compared with PyTorch's."""


class Pretrained(Network):
    """A network from a folder or from the hub, in the form of transformers: it goes on from what it has learned.

    One column of texts, pictures or recordings is read as the folder's own tokenizer or processor says; numbers and
    categories stand beside it. Wants few rows, where it has seen such data; takes longer than the others.
    """

    forms: ClassVar[tuple[Form, ...]] = ("tokens", "image", "frames", "vector")

    def __init__(
        self,
        folder: Annotated[str, Field(min_length=1)],
        train: Annotated[Choice, Family("learn.adaptations")] = "full",
        layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0,
        fresh: Annotated[float, Field(gt=0, le=1000)] = 10.0,
        pool: Pool = "mean",
        column: str | None = None,
        length: Annotated[int, Field(ge=1, le=100_000)] | None = None,
        seconds: Annotated[float, Field(gt=0, le=600)] | None = None,
        revision: str | None = None,
        seal: str | None = None,
        embedding: Annotated[int, Field(ge=8, le=4096)] = 128,
        dropout: Dropout = 0.1,
        epochs: Count = 5,
        batch: Batch = 16,
        clip: Clip = 1.0,
        loss: Annotated[Choice | None, Family("learn.losses")] = None,
        optimizer: Annotated[Choice, Family("learn.optimizers")] = {"adamw": {"rate": 1e-4, "decay": 0.01}},  # noqa: B006
        initializer: Annotated[Choice, Family("learn.initializers")] = "xavier",
        schedule: Annotated[Choice, Family("learn.schedules")] = "one_cycle",
        regularizers: Annotated[list[Choice], Family("learn.regularizers")] = ["early_stopping"],  # noqa: B006
        framework: Annotated[Choice, Family("learn.frameworks")] = "pytorch",
        *,
        accumulate: Count = 1,
        precision: Precision = "auto",
        compile: Compile = False,  # noqa: A002 - the word of the Spec
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            folder: A folder with config.json, *.safetensors and a tokenizer or processor; or a name on the hub.
            train: What of it learns: ``full``, ``frozen``, ``{last: 2}``, ``{lora: {rank: 8}}``.
            layer_decay: Times the rate for each layer below the last one: 0.9 lets the lowest ones move least.
            fresh: Times the rate for what is new: the head, and the matrices of LoRA.
            pool: What stands for the whole of a row: the mean over all places, or the ``first`` one.
            column: The column it reads, where there are several of its kind; the others come as plain numbers.
            length: Tokens of a text; by default what holds 98 of 100 training texts, 512 at most.
            seconds: What is heard of a recording; by default nearly all of 95 in 100, 30 at most.
            revision: Of a model on the hub.
            seal: The hash of the folder's files, which is filled in; said by you, another folder is refused.
            embedding: Units in which all parts of a row come together.
            dropout: Share of the head's units that are silent in a step.
            epochs: Times through all training rows, at most.
            batch: Rows in a step; few rows (under 8 of these) take smaller ones.
            clip: The longest gradient that a step follows; 0 is no limit.
            loss: By default cross-entropy for classes, mean squared error for values.
            optimizer: How weights move, with the learning rate of the pretrained ones.
            initializer: Where the weights of the head start.
            schedule: How the rate changes.
            regularizers: What keeps it from learning the rows by heart, beside dropout.
            framework: What computes.
            accumulate: In how many parts a batch is computed before its one step: less memory, the same step.
            precision: Of the numbers while learning; ``auto`` is float32 on a CPU and measured on a GPU.
            compile: Translate the network for the machine first (torch.compile).
            balance: Weigh classes so that each counts the same.
        """
        given = dict(locals())
        options = {n: given[n] for n in inspect.signature(type(self)).parameters if n != "train"}
        super().__init__(options)
        self.adaptation = member("adaptations", train)
        self._looked(fetch=False)

    @property
    def options(self) -> dict[str, Any]:
        """The options as the Spec spells them."""
        return {**super().options, "train": choice_of(self.adaptation)}

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self.numbers["length"], self.numbers["seconds"])

    def _looked(self, *, fetch: bool = True) -> Origin | None:
        """The folder, found fit; None where it is on the hub and not here yet, or the model came from a Package."""
        o = self.numbers
        if o["folder"] == HELD:
            return None
        origin = origin_of(o["folder"], o["revision"], fetch=fetch)
        if origin is None:
            return None
        if o["seal"] and origin.seal != o["seal"]:
            what = f"the files in {o['folder']} are others than those of the seal: {origin.seal[:16]}..."
            raise SpecError(Fault("model.pretrained.seal", what, o["seal"], "Take out the seal to go on from these."))
        checked(origin, self._wanted)
        return origin

    def _origin(self) -> Origin:
        """The folder, fetched where need be. Raises SpecError for a model that came from a Package."""
        origin = self._looked()
        if origin is None:
            raise SpecError(Fault(WHERE, "names no folder: a model from a Package can only go on (finetune)."))
        return origin

    def settled(self) -> dict[str, Any]:
        """Options that name what lies outside by its content."""
        return {"seal": self._origin().seal}

    def reads(self, forms: Mapping[str, tuple[Form, ...]]) -> str:
        """The column it reads, of all by the forms they can have. Raises SpecError where that is not clear."""
        form, asked = self._origin().form, self.numbers["column"]
        able = [name for name, own in forms.items() if form in own]
        kind = {"tokens": "texts", "image": "pictures", "frames": "recordings"}[form]
        if asked in able or (asked is None and len(able) == 1):
            return str(asked or able[0])
        what = f"the network in {Path(self.numbers['folder']).name} reads {kind}, and "
        if asked is not None:
            what += f"'{asked}' is no input that holds any."
            raise SpecError(Fault("model.pretrained.column", what, ", ".join(able) or "none of the inputs does"))
        what += f"several columns hold some: {', '.join(able)}." if able else "no input holds any."
        hint = "Say which with 'column'." if able else "Say so in 'fields' where a column was taken for another kind."
        raise SpecError(Fault("model.pretrained", what, hint=hint))

    def read(self, name: str, column: Array) -> Fitted:
        """The column as the network wants it, by its training values."""
        return feature(self._origin(), name, column, self._wanted)

    def measured(self, train: Encoded) -> dict[str, Any]:
        origin = self._origin()
        first = train.blocks[0]
        if first.form != origin.form or any(b.form != "vector" for b in train.blocks[1:]):
            forms = ", ".join(b.form for b in train.blocks)
            raise SpecError(Fault("model.pretrained", f"its rows must be {origin.form} and numbers, they are {forms}."))
        beside = train.matrix[:, first.width :]
        plain = Encoded(beside, train.names[first.width :], train.categories[first.width :])
        return {
            "config": origin.config,
            "padding": padding_of(origin),
            "normals": [list(normal_of(origin)), *(list(n) for n in (normals(plain) if beside.size else []))],
        }

    def network(self) -> nn.Module:
        origin = self._looked()
        return self._around(loaded(origin.path, origin.config) if origin else empty(self._state["config"]))

    def _around(self, model: Any) -> nn.Module:
        """A network of transformers with the stems of the other columns beside it and a head behind."""
        state, wide = self._state, self.numbers["embedding"]
        blocks = [Block(form, tuple(shape), column, codes) for form, shape, column, codes in state["layout"]]
        first, *rest = zip(blocks, state["normals"], strict=True)
        stems = [body(model, first[0], (first[1][0], first[1][1]), self.numbers["pool"], state["padding"])]
        stems += [numbered(b.width, centering(m, d, (1, b.width)), wide) for b, (m, d) in rest]
        return fused(blocks, stems, wide, state["outputs"], self._between())

    def begun(self, net: nn.Module, plan: Plan, train: Encoded, context: Context) -> Plan:
        """Draw it once, so that what cannot be shipped is refused before it learns; hold what shall not learn."""
        self.draw(net, Graph(), train)
        return plan._replace(factors=self._held(net, context.seed))

    def _held(self, net: nn.Module, seed: int) -> dict[str, float]:
        """Hold what shall not learn; returns times the rate for each weight that does."""
        model: Any = net.get_submodule(STEM.rstrip("."))
        levels, o = levels_of(model), self.numbers
        self.adaptation.apply(model, levels, seed)
        factors = {}
        for name, parameter in net.named_parameters():
            inner = name.removeprefix(STEM)
            old = name.startswith(STEM) and "lora_" not in name
            below = max(0, levels.many - levels.level(inner)) if name.startswith(STEM) else 0
            if parameter.requires_grad:
                factors[name] = (1.0 if old else o["fresh"]) * o["layer_decay"] ** below
        self._parts = parts_of(net, STEM, levels, factors)
        return factors

    def ended(self, net: nn.Module) -> nn.Module:
        self.adaptation.merge(net.get_submodule(STEM.rstrip(".")))
        return net

    def draw(self, net: nn.Module, graph: Graph, train: Encoded) -> str:
        rows = np.asarray(train.matrix[:LOOKED], dtype=np.float32)
        known = {n: self._state[n] for n in ("config", "layout", "outputs", "padding")}
        return add_to(net, graph, rows, json.dumps([known, self.numbers["pool"]], sort_keys=True))

    def tells(self, net: nn.Module, train: Encoded, facts: Mapping[str, Any]) -> list[Evidence]:
        """The story of every network, with what of this one came from elsewhere, and what of it learned."""
        o, state = self.numbers, self._state
        way = spelled(self.adaptation)
        found = told(net, train, learning(self._curves, self._parts), facts, o)
        kind = str(state["config"].get("model_type"))
        name = "" if o["folder"] == HELD else Path(o["folder"]).name
        own = started(name, kind, way, self._parts, str(o["seal"] or ""), facts)
        return [e for e in found if e.step != 15 and "blocks" not in e.numbers] + own

    def sketch(self, train: Encoded) -> TableView:
        """Its parts with their weights, and how many of these learn. Raises SpecError where it cannot be made."""
        self._state = {
            "layout": [[b.form, list(b.shape), b.column, b.codes] for b in train.blocks],
            "outputs": train.classes or 1,
            **self.measured(train),
        }
        net = self._around(empty(self._state["config"]))
        self._held(net, 0)
        return self._parts.table()

    def told(self) -> str:
        """What it is in one sentence, before anything runs; empty where it is on the hub and not here yet."""
        import torch

        origin = self._looked(fetch=False)
        if origin is None:
            return ""
        with torch.device("meta"):
            model = empty(origin.config)
            levels = levels_of(model)
        whole = sum(p.numel() for p in model.parameters())
        self.adaptation.apply(model, levels, 0)
        learns = sum(p.numel() for p in model.parameters() if p.requires_grad)
        return (
            f"pretrained: {origin.config['model_type']} of {levels.many} layers with {whole:,} weights, of which "
            f"{spelled(self.adaptation)} lets {learns:,} learn; a head is put behind it."
        )

    def save(self) -> dict[str, bytes]:
        """As every network, without the place of the folder: nothing needs it any more."""
        files = super().save()
        kept = json.loads(files["model.json"])
        kept["options"] |= {"folder": HELD, "revision": None}
        return {**files, "model.json": json.dumps(kept, sort_keys=True).encode()}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        del rows, features
        return {
            "optimizer.adamw.rate": Dial(2e-5, 1e-3, log=True),
            "layer_decay": Dial(choices=(0.7, 0.8, 0.9, 1.0), kind="choice"),
            "dropout": Dial(0.0, 0.5),
        }
