"""Cnn: a small residual network for pictures and sounds, patterns of tokens for text, with numbers beside them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Form
from thirtyfold.core.model import Dial
from thirtyfold.learn.nets.network import Batch, Clip, Compile, Count, Dropout, Fused
from thirtyfold.learn.nets.stems import Normal, Reader, fusion
from thirtyfold.learn.parts import Precision

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Cnn"]


class Cnn(Fused):
    """Convolutions for pictures, sounds and texts: what it learns to see in one place it sees everywhere.

    Takes ``image``, ``frames`` and ``tokens``, several of them in a row, and numbers and categories beside them: each
    is made an embedding by a part of its own, and one head decides on all.
    """

    forms: ClassVar[tuple[Form, ...]] = ("image", "frames", "tokens", "vector")

    def __init__(
        self,
        width: Annotated[int, Field(ge=4, le=512)] = 16,
        depth: Annotated[int, Field(ge=1, le=8)] = 1,
        embedding: Annotated[int, Field(ge=8, le=4096)] = 128,
        dropout: Dropout = 0.3,
        epochs: Count = 40,
        batch: Batch = 64,
        clip: Clip = 1.0,
        loss: Annotated[Choice | None, Family("learn.losses")] = None,
        optimizer: Annotated[Choice, Family("learn.optimizers")] = {"adamw": {"rate": 4e-3, "decay": 0.05}},  # noqa: B006
        initializer: Annotated[Choice, Family("learn.initializers")] = "kaiming",
        schedule: Annotated[Choice, Family("learn.schedules")] = "cosine",
        regularizers: Annotated[list[Choice], Family("learn.regularizers")] = ["label_smoothing"],  # noqa: B006
        framework: Annotated[Choice, Family("learn.frameworks")] = "pytorch",
        *,
        accumulate: Count = 1,
        precision: Precision = "auto",
        compile: Compile = "auto",  # noqa: A002 - the word of the Spec
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            width: Channels of the first stage; each stage has twice as many as the one before, four times at most. Of
                texts, a fourth of the patterns of each length.
            depth: Residual blocks in each stage.
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

    def over(self, blocks: Sequence[Block], normal: Sequence[Normal], outputs: int) -> nn.Module:
        o = self.numbers
        reader = Reader("convolved", o["width"], o["depth"], o["embedding"], o["dropout"])
        return fusion(blocks, normal, reader, outputs, self._between())

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        del rows, features
        return {
            "optimizer.adamw.rate": Dial(3e-4, 1e-2, log=True),
            "optimizer.adamw.decay": Dial(1e-3, 0.3, log=True),
            "width": Dial(8, 48, log=True, kind="int"),
            "depth": Dial(1, 3, kind="int"),
            "dropout": Dial(0.0, 0.6),
        }
