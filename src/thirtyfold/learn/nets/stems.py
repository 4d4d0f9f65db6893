"""Stems: for each kind of block the part of a network that turns it into an embedding; and their fusion.

A network gets the rows as one flat float32 matrix; ``fusion`` cuts it into its blocks, gives each to its stem, and the
embeddings side by side to one head. Images come as 0 to 255 and frames as they are: what centers and scales them is a
part of the network, so that the exported graph holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.late import np
from thirtyfold.learn.loop import Initializer, Regularizer
from thirtyfold.learn.nets.sequences import attended, convolved, embedded, lined, patched, placed, recurrent

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Normal", "Reader", "centering", "drawn_by", "fused", "fusion", "normals", "numbered", "skipping"]

Normal = tuple[list[float], list[float]]
"""Mean and deviation of a block, by channel, band or number."""

GRID = 3
"""Cells a side, at most, in which a residual network keeps apart where something is."""
LARGE = 1200
"""Points from which on the first layer takes every second one: most of the work is done on the largest pictures."""
ROWS = 2000
"""Rows that means and deviations are taken from."""


class Reader(NamedTuple):
    """How blocks are read, and how large: channels, memory or looks; blocks or levels; units of the head."""

    way: Literal["convolved", "recurrent", "attended"]
    width: int
    depth: int
    embedding: int
    dropout: float = 0.0
    cell: Literal["gru", "lstm"] = "gru"
    heads: int = 4
    patch: int = 4


def normals(train: Encoded) -> list[tuple[list[float], list[float]]]:
    """Mean and deviation for each block, by channel of an image, by band of frames, by number of a vector."""
    out: list[tuple[list[float], list[float]]] = []
    at = 0
    some = np.linspace(0, len(train) - 1, min(ROWS, len(train))).astype(np.int64)
    for block in train.blocks:
        x = train.matrix[some, at : at + block.width].reshape(len(some), *block.shape).astype(np.float64)
        axes = {"image": (0, 2, 3), "frames": (0, 1)}.get(block.form, (0,))
        deviation = x.std(axis=axes)
        floor = 1.0 if block.form == "image" else 1e-3
        out.append((x.mean(axis=axes).tolist(), np.maximum(deviation, floor).tolist()))
        at += block.width
    return out


def fusion(
    blocks: Sequence[Block],
    normal: Sequence[tuple[list[float], list[float]]],
    reader: Reader,
    outputs: int,
    regularizers: Sequence[Regularizer],
) -> nn.Module:
    """A network over all blocks of a row: a stem a block, embeddings side by side, one head. Raises SpecError."""
    stems = [_stem(block, *centers, reader) for block, centers in zip(blocks, normal, strict=True)]
    for stem, _ in stems:
        skipping(stem, regularizers)
    return fused(blocks, stems, reader.embedding, outputs, regularizers)


def fused(
    blocks: Sequence[Block],
    parts: Sequence[tuple[nn.Module, int]],
    embedding: int,
    outputs: int,
    regularizers: Sequence[Regularizer],
) -> nn.Module:
    """One network of the stems of all blocks, each with the width of its embedding, and one head behind them."""
    import torch
    from torch import nn

    extra = [m for r in regularizers if (m := r.layer()) is not None]
    ends = np.cumsum([block.width for block in blocks]).tolist()
    stems = [(end - b.width, end, stem) for b, end, (stem, _) in zip(blocks, ends, parts, strict=True)]
    wide = sum(out for _, out in parts)

    class Fusion(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number, (_, _, stem) in enumerate(stems, start=1):
                self.add_module(f"stem{number}", stem)
            self.head = nn.Sequential(
                nn.Linear(wide, embedding), nn.BatchNorm1d(embedding), nn.ReLU(), *extra, nn.Linear(embedding, outputs),
            )  # fmt: skip

        def forward(self, x: Tensor) -> Tensor:
            parts = [
                getattr(self, f"stem{number}")(x[:, start:stop])
                for number, (start, stop, _) in enumerate(stems, start=1)
            ]
            joined = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
            answer: Tensor = self.head(joined)
            return answer

    return Fusion()


def skipping(stem: nn.Module, regularizers: Sequence[Regularizer]) -> None:
    """What regularizers put at the end of every branch that is added to what goes around it."""
    from torch import nn

    branches = [m for m in stem.modules() if hasattr(m, "skip")]
    for at, branch in enumerate(branches, start=1):
        found = [m for r in regularizers if (m := r.branch(at / len(branches))) is not None]
        if found:
            branch.skip = nn.Sequential(*found)


def _stem(block: Block, mean: list[float], deviation: list[float], reader: Reader) -> tuple[nn.Module, int]:
    """The stem of one block and the width of its embedding."""
    match block.form, reader.way:
        case "vector", _:
            return numbered(block.width, centering(mean, deviation, (1, block.width)), reader.embedding)
        case "image", "convolved":
            channels, height, width = block.shape
            return _pictured((channels, height, width), centering(mean, deviation, (1, channels, 1, 1)), reader)
        case "frames", "convolved":
            frames, bands = block.shape
            return _pictured((1, frames, bands), centering(mean, deviation, (1, 1, 1, bands)), reader)
        case "tokens", _:
            inside = 4 * reader.width if reader.way == "convolved" else reader.width
            (length,) = block.shape
            return _sequence(embedded(block.codes, length, inside, reader.dropout), length, inside, reader)
        case "frames", _:
            frames, bands = block.shape
            return _sequence(placed(centering(mean, deviation, (1, 1, bands)), frames, bands), frames, bands, reader)
        case "image", "attended":
            channels, height, width = block.shape
            centered = centering(mean, deviation, (1, channels, 1, 1))
            source, length = patched(centered, (channels, height, width), reader.patch, reader.width)
            return _sequence(source, length, reader.width, reader)
        case "image", "recurrent":
            channels, height, width = block.shape
            centered = centering(mean, deviation, (1, channels, 1, 1))
            return _sequence(lined(centered, (channels, height, width)), height, channels * width, reader)
    raise SpecError(Fault("model", f"this network does not read '{block.column}', which comes as {block.form}."))


def _sequence(source: nn.Module, length: int, inside: int, reader: Reader) -> tuple[nn.Module, int]:
    """What gives places, and what reads them."""
    from torch import nn

    match reader.way:
        case "convolved":
            body, out = convolved(length, inside, inside, reader.dropout)
        case "recurrent":
            body, out = recurrent(length, inside, reader.width, reader.depth, reader.dropout, reader.cell)
        case "attended":
            body, out = attended(length, inside, reader.width, reader.depth, reader.heads, reader.dropout)
    return nn.Sequential(source, body), out


def centering(mean: list[float], deviation: list[float], shape: tuple[int, ...]) -> nn.Module:
    """(x - mean) / deviation, with both kept among the weights that are not learned."""
    import torch
    from torch import nn

    class Centered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(shape))
            self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32).reshape(shape))

        def forward(self, x: Tensor) -> Tensor:
            middle: Any = self.mean
            spread: Any = self.deviation
            centered: Tensor = (x - middle) / spread
            return centered

    return Centered()


def numbered(width: int, centered: nn.Module, embedding: int) -> tuple[nn.Module, int]:
    """Plain numbers: one dense layer."""
    from torch import nn

    out = min(embedding, max(16, 2 * width))
    return nn.Sequential(centered, nn.Linear(width, out), nn.BatchNorm1d(out), nn.ReLU()), out


def _pictured(size: tuple[int, int, int], centered: nn.Module, reader: Reader) -> tuple[nn.Module, int]:
    """A residual network (He et al. 2016) that halves the picture until it is small, and keeps a coarse grid of it."""
    from torch import nn

    channels, high, wide = size
    width, step = reader.width, 2 if high * wide > LARGE else 1
    parts: list[nn.Module] = [*_layer(channels, width, step)]
    high, wide = -(-high // step), -(-wide // step)
    while True:
        for _ in range(reader.depth):
            parts.append(_residual(width, width, (1, 1)))
        steps = (2 if high > 2 * GRID else 1, 2 if wide > 2 * GRID else 1)
        if steps == (1, 1):
            break
        wider = min(4 * reader.width, 2 * width)
        parts.append(_residual(width, wider, steps))
        high, wide, width = -(-high // steps[0]), -(-wide // steps[1]), wider
    pool = (max(1, high // GRID), max(1, wide // GRID))
    cells = (high // pool[0]) * (wide // pool[1])
    body = nn.Sequential(*parts, nn.AvgPool2d(pool), nn.Flatten())

    class Pictured(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centered, self.body = centered, body

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.body(self.centered(x.reshape(-1, *size)))
            return answer

    return Pictured(), cells * width


def _layer(inside: int, outside: int, step: int | tuple[int, int]) -> tuple[nn.Module, ...]:
    from torch import nn

    convolution = nn.Conv2d(inside, outside, 3, stride=step, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outside), nn.ReLU()


def _residual(inside: int, outside: int, steps: tuple[int, int]) -> nn.Module:
    """Two convolutions beside a way that leaves all as it is (or makes it smaller, where they do)."""
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(*_layer(inside, outside, steps))
            self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
            self.normal = nn.BatchNorm2d(outside)
            plain = steps == (1, 1) and inside == outside
            self.beside = nn.Identity() if plain else nn.Conv2d(inside, outside, 1, stride=steps, bias=False)
            self.curve, self.skip = nn.ReLU(), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.curve(self.beside(x) + self.skip(self.normal(self.second(self.first(x)))))
            return answer

    return Residual()


def drawn_by(network: nn.Module, initializer: Initializer, seed: int) -> dict[str, float]:
    """Draw every weight of two dimensions and more anew from the seed; returns their deviations by name.

    A convolution is drawn as the matrix (out, in * height * width) that it is. A module with a method
    ``start(generator)`` draws its own weights; one with ``learned = True`` has all of them already.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    deviations: dict[str, float] = {}
    own = {n: m for n, m in network.named_modules() if hasattr(m, "start")}
    before = tuple(f"{n}." for n, m in network.named_modules() if getattr(m, "learned", False))
    with torch.no_grad():
        for module in own.values():
            module.start(generator)
        for name, weight in network.named_parameters():
            if name.rpartition(".")[0] in own or name.startswith(before):
                continue
            if weight.ndim < 2:
                if name.endswith("bias"):
                    weight.zero_()
                continue
            flat: Any = weight.reshape(len(weight), -1)
            initializer(flat, generator)
            weight.copy_(flat.reshape(weight.shape))
            deviations[name] = float(weight.std())
    return deviations
