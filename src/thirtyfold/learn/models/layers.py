"""Layers: a network of the layers that the Spec lists."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.evidence import TableView
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Form
from thirtyfold.core.model import Dial
from thirtyfold.learn.nets.network import Batch, Clip, Compile, Count, Fused
from thirtyfold.learn.nets.shapes import Layer
from thirtyfold.learn.nets.spelling import LAYERS, made
from thirtyfold.learn.nets.stack import drawn_plan, known_faults, stacked, walked
from thirtyfold.learn.nets.stems import Normal, skipping
from thirtyfold.learn.parts import Precision

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Layers"]

WHERE = "model.layers.layers"


class Layers(Fused):
    """Your own list of layers, ``layers: [conv 32, pool, dense 128]``, with every shape checked before anything runs.

    Takes images, sounds, tokens and plain columns. Several of them in a row go through the list on their own up to the
    first layer that makes plain numbers of them, and from there side by side.
    """

    forms: ClassVar[tuple[Form, ...]] = ("image", "frames", "tokens", "vector")

    def __init__(
        self,
        layers: Annotated[list[Choice], LAYERS],
        epochs: Count = 30,
        batch: Batch = 64,
        clip: Clip = 1.0,
        loss: Annotated[Choice | None, Family("learn.losses")] = None,
        optimizer: Annotated[Choice, Family("learn.optimizers")] = {"adamw": {"rate": 2e-3, "decay": 0.05}},  # noqa: B006
        initializer: Annotated[Choice, Family("learn.initializers")] = "xavier",
        schedule: Annotated[Choice, Family("learn.schedules")] = "cosine",
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
            layers: The layers in order, without that of the answer: ``conv 32``, ``dropout 0.3``, ``norm``.
            epochs: Times through all training rows, at most.
            batch: Rows in a step; few rows (under 8 of these) take smaller ones.
            clip: The longest gradient that a step follows; 0 is no limit.
            loss: By default cross-entropy for classes, mean squared error for values.
            optimizer: How weights move, with the learning rate.
            initializer: Where weights start.
            schedule: How the rate changes.
            regularizers: What keeps it from learning the rows by heart, beside the layers of the list.
            framework: What computes.
            accumulate: In how many parts a batch is computed before its one step: less memory, the same step.
            precision: Of the numbers while learning; ``auto`` is float32 on a CPU and measured on a GPU.
            compile: Translate the network for the machine first (torch.compile); ``auto`` where it pays on a GPU.
            balance: Weigh classes so that each counts the same.
        """
        given = dict(locals())
        chosen: list[Any] = layers if isinstance(layers, list) else [layers]
        options = {n: given[n] for n in inspect.signature(type(self)).parameters}
        spelled = [c.choice if isinstance(c, Layer) else c for c in chosen]
        super().__init__({**options, "layers": spelled})
        self._chosen = chosen
        if all(isinstance(c, Layer) for c in chosen) and (fault := known_faults(chosen, WHERE)) is not None:
            raise fault

    @cached_property
    def layers(self) -> list[Layer]:
        """The layers of the list; of a saved model they are not needed, and not made, until it learns again."""
        return [layer for choice in self._chosen if (layer := made(choice)) is not None]

    def over(self, blocks: Sequence[Block], normal: Sequence[Normal], outputs: int) -> nn.Module:
        behind = [m for r in self.regularizers if (m := r.layer()) is not None]
        net = stacked(walked(self.layers, blocks, outputs, WHERE), blocks, normal, behind)
        skipping(net, self.regularizers)
        return net

    def sketch(self, train: Encoded) -> TableView:
        """The table of layers, shapes and weights. Raises SpecError where shapes cannot meet."""
        return drawn_plan(walked(self.layers, train.blocks, train.classes or 1, WHERE), train.blocks)

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        whole = self.numbers["layers"]
        without = [c for c in whole if LAYERS.check(c, WHERE)[0] != "dropout"]
        own = {"layers": (whole, without)} if len(without) < len(whole) else {}
        return {**own, **super().measures()}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        del rows, features
        return {
            "optimizer.adamw.rate": Dial(3e-4, 1e-2, log=True),
            "optimizer.adamw.decay": Dial(1e-3, 0.3, log=True),
            "batch": Dial(choices=(32, 64, 128), kind="choice"),
        }
