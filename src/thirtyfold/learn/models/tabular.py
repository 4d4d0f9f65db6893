"""Tabular: a modern network for tables, several in one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.family import Choice, Family, word_of
from thirtyfold.core.fieldtype import Form
from thirtyfold.core.model import Dial
from thirtyfold.learn.dense import Activation
from thirtyfold.learn.nets.columns import Each, Sizes, known, tabular
from thirtyfold.learn.nets.columns import Form as Known
from thirtyfold.learn.nets.network import Batch, Clip, Compile, Count, Dropout, Network
from thirtyfold.learn.parts import Plan, Precision

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Tabular"]


class Tabular(Network):
    """A network for tables: several members in one, embeddings of numbers and categories.

    Of the kind of TabM (Gorishniy et al. 2025) on the columns of RealMLP (Holzmüller et al. 2024). Takes ``levels``:
    missing stays missing and has a place of its own. Mistakes differ from those of trees, so both together are better.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels",)

    def __init__(
        self,
        members: Annotated[int, Field(ge=1, le=128)] = 8,
        width: Annotated[int, Field(ge=4, le=4096)] = 192,
        depth: Annotated[int, Field(ge=1, le=12)] = 2,
        waves: Annotated[int, Field(ge=1, le=256)] = 16,
        embedding: Annotated[int, Field(ge=1, le=256)] = 8,
        activation: Activation = "mish",
        dropout: Dropout = 0.15,
        epochs: Count = 20,
        batch: Batch = 256,
        clip: Clip = 1.0,
        loss: Annotated[Choice | None, Family("learn.losses")] = None,
        optimizer: Annotated[Choice, Family("learn.optimizers")] = {"adamw": {"rate": 3e-3, "decay": 0.02}},  # noqa: B006
        initializer: Annotated[Choice, Family("learn.initializers")] = "kaiming",
        schedule: Annotated[Choice, Family("learn.schedules")] = "cosine",
        regularizers: Annotated[list[Choice], Family("learn.regularizers")] = [{"early_stopping": 10}],  # noqa: B006
        framework: Annotated[Choice, Family("learn.frameworks")] = "pytorch",
        *,
        accumulate: Count = 1,
        precision: Precision = "auto",
        compile: Compile = "auto",  # noqa: A002 - the word of the Spec
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            members: Networks in one; each learns by its own loss, and the answer is the mean of theirs.
            width: Units of a layer, in each member.
            depth: Hidden layers.
            waves: Cosines of every number.
            embedding: Numbers of a category.
            activation: The curve behind each layer.
            dropout: Share of units that are silent in a step.
            epochs: Times through all training rows, at most.
            batch: Rows in a step; few rows (under 8 of these) take smaller ones.
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

    def measured(self, train: Encoded) -> dict[str, Any]:
        return {"columns": known(train)._asdict(), "head": self._loss_for(train.classes).head}

    def network(self) -> nn.Module:
        o, state = self.numbers, self._state
        sizes = Sizes(*(o[name] for name in Sizes._fields))
        hidden = [m for r in self._between() if (m := r.layer()) is not None]
        return tabular(Known(**state["columns"]), sizes, state["outputs"], state["head"], hidden)

    def _loss_for(self, classes: int) -> Any:
        return Each(super()._loss_for(classes))

    def _plan(self, loss: Any, train: Encoded, batch: int, device: str) -> Plan:
        """Codes are no numbers: what blends or shakes rows must see them as it sees tokens."""
        codes = any(train.categories)
        layout = (Block("tokens", (len(train.names),), "", max(train.categories)),) if codes else ()
        return super()._plan(loss, train, batch, device)._replace(layout=layout)

    def _facts(self, plan: Plan, drawn: Mapping[str, float]) -> dict[str, Any]:
        inner: Any = plan.loss
        return {**super()._facts(plan, drawn), "loss": word_of(type(inner.loss).__name__)}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        del features
        return {
            "optimizer.adamw.rate": Dial(5e-4, 1e-2, log=True),
            "optimizer.adamw.decay": Dial(1e-3, 0.2, log=True),
            "width": Dial(64, 384 if rows > 3000 else 192, log=True, kind="int"),
            "depth": Dial(1, 3, kind="int"),
            "dropout": Dial(0.0, 0.4),
            "batch": Dial(choices=(128, 256, 512), kind="choice"),
        }
