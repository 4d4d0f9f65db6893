"""Transformer: an encoder in which every place of a text, sound or picture looks at all others."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Form
from thirtyfold.core.model import Dial
from thirtyfold.learn.nets.network import Batch, Clip, Compile, Count, Dropout, Fused
from thirtyfold.learn.nets.stems import Normal, Reader, fusion
from thirtyfold.learn.parts import Precision

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Transformer"]


class Transformer(Fused):
    """Attention over tokens, frames or squares of a picture: what belongs together may stand far apart.

    Takes ``tokens``, ``frames`` and ``image`` (cut into squares), several of them in a row, and numbers and categories
    beside them. Wants more rows than convolutions do.
    """

    forms: ClassVar[tuple[Form, ...]] = ("tokens", "frames", "image", "vector")

    def __init__(
        self,
        width: Annotated[int, Field(ge=8, le=1024)] = 64,
        depth: Annotated[int, Field(ge=1, le=24)] = 2,
        heads: Annotated[int, Field(ge=1, le=32)] = 4,
        patch: Annotated[int, Field(ge=1, le=64)] = 4,
        embedding: Annotated[int, Field(ge=8, le=4096)] = 128,
        dropout: Dropout = 0.2,
        epochs: Count = 20,
        batch: Batch = 64,
        clip: Clip = 1.0,
        loss: Annotated[Choice | None, Family("learn.losses")] = None,
        optimizer: Annotated[Choice, Family("learn.optimizers")] = {"adamw": {"rate": 1e-3, "decay": 0.05}},  # noqa: B006
        initializer: Annotated[Choice, Family("learn.initializers")] = "xavier",
        schedule: Annotated[Choice, Family("learn.schedules")] = "one_cycle",
        regularizers: Annotated[list[Choice], Family("learn.regularizers")] = ["early_stopping"],  # noqa: B006
        framework: Annotated[Choice, Family("learn.frameworks")] = "pytorch",
        *,
        accumulate: Count = 1,
        precision: Precision = "auto",
        compile: Compile = "auto",  # noqa: A002 - the word of the Spec
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            width: Numbers of a place; a multiple of ``heads``.
            depth: Levels of looking and thinking.
            heads: Looks that each place takes at once.
            patch: Points of a side of the squares that pictures are cut into.
            embedding: Units in which all parts of a row come together.
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
        if width % heads:
            raise SpecError(Fault("model.transformer.width", f"{width} is no multiple of heads, which is {heads}."))

    def over(self, blocks: Sequence[Block], normal: Sequence[Normal], outputs: int) -> nn.Module:
        o = self.numbers
        sizes = (o["width"], o["depth"], o["embedding"], o["dropout"])
        reader = Reader("attended", *sizes, heads=o["heads"], patch=o["patch"])
        return fusion(blocks, normal, reader, outputs, self._between())

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        del rows, features
        return {
            "optimizer.adamw.rate": Dial(1e-4, 5e-3, log=True),
            "width": Dial(choices=(32, 64, 96, 128), kind="choice"),
            "depth": Dial(1, 4, kind="int"),
            "dropout": Dial(0.0, 0.5),
        }
