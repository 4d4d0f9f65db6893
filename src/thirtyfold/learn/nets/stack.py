"""Stack: a list of layers over the blocks of a row: shapes followed from layer to layer, then one network.

What has one right way is put in and shown: tokens get an embedding, a dense layer gets numbers, a dense layer or a
convolution gets its curve. Everything else that does not fit is refused, with the layer's place and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from thirtyfold.core.encoder import Block
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import TableView
from thirtyfold.core.family import Choice
from thirtyfold.learn.nets.shapes import Kind, Layer, Misfit, Shape
from thirtyfold.learn.nets.spelling import LAYERS, words_of
from thirtyfold.learn.nets.stems import Normal, centering

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Step", "Walk", "chained", "drawn_plan", "followed", "known_faults", "stacked", "started", "walked"]

ARTICLES = {"image": "an image", "sequence": "a sequence", "tokens": "tokens", "vector": "plain numbers"}
BRIDGES: dict[tuple[Kind, Kind], tuple[Kind, Choice]] = {
    ("tokens", "sequence"): ("sequence", {"embedding": 64}),
    ("tokens", "vector"): ("sequence", {"embedding": 64}),
    ("image", "sequence"): ("sequence", "lines"),
    ("image", "vector"): ("vector", "flatten"),
    ("sequence", "vector"): ("vector", {"global_pool": "both"}),
}
"""From what a layer is given to what it takes: what is put between, and what that gives."""


class Step(NamedTuple):
    """One layer in its place: what it is given, what it gives; ``place`` is empty for what was put in."""

    layer: Layer
    place: str
    given: Shape
    made: Shape

    @property
    def words(self) -> str:
        return words_of(self.layer)


class Walk(NamedTuple):
    """The way of a row through a list: each block on its own, then all side by side."""

    bodies: tuple[tuple[Step, ...], ...]
    trunk: tuple[Step, ...]


def started(block: Block) -> Shape:
    """How a block comes to the first layer: frames of sound as an image of one channel, time from top to bottom."""
    match block.form:
        case "image":
            return Shape("image", block.shape)
        case "frames":
            return Shape("image", (1, *block.shape))
        case "tokens":
            return Shape("tokens", block.shape, block.codes)
        case "vector":
            return Shape("vector", block.shape)
    raise SpecError(Fault("model", f"this network does not read '{block.column}', which comes as {block.form}."))


def walked(layers: Sequence[Layer], blocks: Sequence[Block], outputs: int, where: str) -> Walk:
    """Follow the blocks of a row through a list. Raises SpecError.

    A picture, sound or text goes alone up to the first layer that makes plain numbers of it; there all blocks come
    together, the row's other numbers among them. The last layer, that of the answer, is put in.
    """
    answer = LAYERS.build({"dense": {"units": outputs, "activation": None}}, where)
    whole = [*_numbered(layers), (answer, "answer")]
    shapes = [started(b) for b in blocks]
    if all(s.kind == "vector" for s in shapes):
        (shape,) = shapes
        return Walk(((),), followed(whole, shape, where))
    ways = [followed(whole, s, where) for s in shapes if s.kind != "vector"]
    alone = [_alone(way) for way in ways]
    cut = max(whole_until for whole_until, _ in alone)
    parts = iter([_until(way, cut) for way in ways])
    bodies = tuple(() if s.kind == "vector" else next(parts) for s in shapes)
    width = sum(_width(s, body) for s, body in zip(shapes, bodies, strict=True))
    return Walk(bodies, followed(whole[cut:], Shape("vector", (width,)), where))


def followed(layers: Sequence[tuple[Layer, str]], shape: Shape, where: str, *, ends: bool = True) -> tuple[Step, ...]:
    """Every layer with what comes in and out, what is put in included. Raises SpecError that names the layer.

    ``ends`` is whether a curve that is due at the end is put in there.
    """
    steps: list[Step] = []
    due: Layer | None = None

    def take(layer: Layer, place: str) -> None:
        given = steps[-1].made if steps else shape
        steps.append(Step(layer, place, given, _made(layer, place, given, steps, where)))

    for layer, place in layers:
        if due is not None and not layer.leveling:
            if not layer.curved:
                take(due, "")
            due = None
        while (bridge := _bridge(layer, steps[-1].made if steps else shape)) is not None:
            take(bridge, "")
        take(layer, place)
        due = layer.activation or due
    if due is not None and ends:
        take(due, "")
    return tuple(steps)


def _bridge(layer: Layer, given: Shape) -> Layer | None:
    """What has to stand before a layer, so that it gets what it takes."""
    if given.kind in layer.takes:
        return None
    ways: tuple[Kind, ...] = ("sequence", "vector")
    found = next((BRIDGES[given.kind, k] for k in ways if k in layer.takes and (given.kind, k) in BRIDGES), None)
    return None if found is None else LAYERS.build(found[1], "model")


def _made(layer: Layer, place: str, given: Shape, before: Sequence[Step], where: str) -> Shape:
    try:
        if given.kind not in layer.takes:
            kinds = " or ".join(ARTICLES[k] for k in layer.takes)
            raise Misfit(f"it takes {kinds}", kinds, _try(layer, given))
        return layer.gives(given)
    except Misfit as misfit:
        named = next((step for step in reversed(before) if step.place), None)
        source = f"'{named.words}' before it" if named else "the data"
        told = f"layer {place}, '{words_of(layer)}'" if place.isdigit() or "." in place else f"'{words_of(layer)}'"
        what = f"{told}, gets {given} from {source}: {misfit.what}."
        at = f"{where}.{int(place) - 1}" if place.isdigit() else where
        raise SpecError(Fault(at, what, misfit.allowed, misfit.hint)) from None


def _try(layer: Layer, given: Shape) -> str:
    """What may help where a layer cannot take what it is given."""
    if given.kind == "vector" and "sequence" in layer.takes:
        return (
            "Move it before the first 'dense', 'flatten' or 'global pool'; plain columns become a sequence by "
            "'embedding 16' as the first layer."
        )
    if given.kind == "vector":
        return "Move it before the first 'dense', 'flatten' or 'global pool'."
    return "Take it out, or put it where this comes in."


def _numbered(layers: Sequence[Layer]) -> list[tuple[Layer, str]]:
    return [(layer, str(at)) for at, layer in enumerate(layers, start=1)]


def _alone(way: Sequence[Step]) -> tuple[int, int]:
    """How many layers of the list stand before a block is plain numbers, those included that make it so; and steps."""
    at = next(n for n, step in enumerate(way, start=1) if step.made.kind == "vector")
    return sum(step.place != "" for step in way[:at]), at


def _until(way: Sequence[Step], cut: int) -> tuple[Step, ...]:
    """The steps of the first ``cut`` layers of the list, and on to where there are plain numbers."""
    done = 0
    out: list[Step] = []
    for step in way:
        at_end = done >= cut and out and out[-1].made.kind == "vector"
        if at_end and (step.place or not step.layer.curved):
            break
        out.append(step)
        done += step.place != ""
    return tuple(out)


def _width(shape: Shape, body: Sequence[Step]) -> int:
    width = (body[-1].made if body else shape).size[0]
    assert width is not None, "the data is known"
    return width


def known_faults(layers: Sequence[Layer], where: str) -> SpecError | None:
    """What is wrong with a list whatever the data is; None if some data fits, as far as can be known."""
    starts = (
        Shape("image", (None, None, None)),
        Shape("tokens", (None,)),
        Shape("vector", (None,)),
    )
    found: list[SpecError] = []
    for shape in starts:
        try:
            followed(_numbered(layers), shape, where)
        except SpecError as error:
            found.append(error)
    if len(found) < len(starts):
        return None
    return max(found, key=lambda e: e.faults[0].where.rpartition(".")[2].zfill(4))


def _weights(step: Step) -> int:
    """Weights and offsets of a layer, without drawing them."""
    import torch

    with torch.device("meta"):
        return sum(p.numel() for p in step.layer.module(step.given).parameters())


def chained(steps: Sequence[Step]) -> nn.Module:
    """The layers one after the other: (rows, there or None) to (rows, there or None)."""
    from torch import nn

    made = [(f"{_name(step)}", step.layer.module(step.given)) for step in steps]
    names = [f"{at}_{name}" for at, (name, _) in enumerate(made, start=1)]

    class Chained(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, (_, module) in zip(names, made, strict=True):
                self.add_module(name, module)

        def forward(self, x: Tensor, there: Tensor | None) -> tuple[Tensor, Tensor | None]:
            for name, (_, module) in zip(names, made, strict=True):
                layer = getattr(self, name)
                if getattr(module, "padded", False):
                    x, there = layer(x, there)
                else:
                    x = layer(x)
            return x, there

    return Chained()


def stacked(walk: Walk, blocks: Sequence[Block], normal: Sequence[Normal], behind: Sequence[nn.Module]) -> nn.Module:
    """The whole network: (rows, width) to (rows, outputs). ``behind`` stands before the answer."""
    import torch
    from torch import nn

    parts: list[tuple[int, int, nn.Module, nn.Module]] = []
    at = 0
    for block, body, (mean, deviation) in zip(blocks, walk.bodies, normal, strict=True):
        parts.append((at, at + block.width, _entry(block, mean, deviation), chained(body)))
        at += block.width

    class Stacked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number, (_, _, entry, body) in enumerate(parts, start=1):
                self.add_module(f"entry{number}", entry)
                self.add_module(f"body{number}", body)
            self.trunk = chained(walk.trunk[:-1])
            self.behind, self.answer = nn.Sequential(*behind), chained(walk.trunk[-1:])

        def forward(self, x: Tensor) -> Tensor:
            found = [
                getattr(self, f"body{number}")(getattr(self, f"entry{number}")(x[:, start:stop]), None)[0]
                for number, (start, stop, _, _) in enumerate(parts, start=1)
            ]
            whole, there = self.trunk(torch.cat(found, 1) if len(found) > 1 else found[0], None)
            answer: Tensor = self.answer(self.behind(whole), there)[0]
            return answer

    return Stacked()


def _entry(block: Block, mean: list[float], deviation: list[float]) -> nn.Module:
    """A block in its shape, centered and scaled; tokens as they are."""
    from torch import nn

    if block.form == "tokens":
        return nn.Identity()
    size = tuple(s or 1 for s in started(block).size)
    wide = {"image": (1, size[0], 1, 1), "frames": (1, 1, 1, size[-1]), "vector": (1, size[0])}[block.form]
    centered = centering(mean, deviation, wide)

    class Entry(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centered = centered

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.centered(x.reshape(-1, *size))
            return answer

    return Entry()


def drawn_plan(walk: Walk, blocks: Sequence[Block]) -> TableView:
    """The layers in order with what they are given, what they give and how many weights they have."""
    rows: list[tuple[Any, ...]] = []
    several = len(blocks) > 1
    for block, body in zip(blocks, walk.bodies, strict=True):
        if several and not body:
            rows.append(("", f"{block.width} numbers join", "", str(started(block)), 0))
        for step in body:
            rows.append(_row(step, f" ({block.column})" if several and block.column else ""))
    rows += [_row(step, "") for step in walk.trunk]
    total = sum(row[-1] for row in rows)
    note = (
        f"{total:,} weights and offsets. Layers without a number were put in, because the ones beside them need them."
    )
    return TableView("Layers", ("layer", "words", "takes", "gives", "weights"), tuple(rows), note)


def _row(step: Step, of: str) -> tuple[Any, ...]:
    words = step.words.removesuffix(" activation null") if step.place == "answer" else step.words
    return step.place, words + of, str(step.given), str(step.made), _weights(step)


def _name(step: Step) -> str:
    return type(step.layer).__name__.lower()
