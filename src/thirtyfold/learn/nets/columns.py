"""Columns: a network for tables: every column made numbers that a network can see, then several networks in one.

Columns as in RealMLP (Holzmüller et al. 2024): by median and quartiles, far ends bent in smoothly, each number beside
learned waves of its place, each category an embedding. The network as in TabM (Gorishniy et al. 2025): members share
their matrices and differ in what they multiply before and after (BatchEnsemble, Wen et al. 2020); each learns by its
own loss, and the answer is the mean of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.learn.dense import TORCH, Activation

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Each", "Form", "Sizes", "known", "tabular"]

BENT = 3.0
"""Where a number is bent in: x / sqrt(1 + (x / 3)^2) is nearly x around 0 and never beyond 3."""
OFTEN = 0.5
"""Deviation of the waves' frequencies at the start, in waves for each piece. On 10,000 rows of adult waves over pieces
gain 0.008 ROC AUC over waves over scaled values: what matters there is which of a few values a column has."""
PIECES = 128
"""Pieces that a number is cut into, at most, as in Gorishniy et al. 2022."""
NEVER = 1e30
"""How wide a piece is that nothing is in."""
LEAST = 1e-9
"""The smallest chance, so that its logarithm is a number."""


class Sizes(NamedTuple):
    """How large: members, units and layers of each, waves of a number and what is made of them, of a category."""

    members: int
    width: int
    depth: int
    waves: int
    embedding: int
    activation: Activation


class Form(NamedTuple):
    """What is known of the columns: where numbers stand, their middle and spread, which of them are missing at times;
    where categories stand and how many codes each has. ``edges`` are the borders of each number's pieces, as scaled.
    """

    numbers: list[int]
    middle: list[float]
    spread: list[float]
    edges: list[list[float]]
    missing: list[int]
    categories: list[int]
    codes: list[int]


def known(train: Encoded) -> Form:
    """Measure training rows: (x - median) / (upper - lower quartile), or half the range where these are the same."""
    numbers = [i for i, n in enumerate(train.categories) if not n]
    categories = [i for i, n in enumerate(train.categories) if n]
    x = train.matrix[:, numbers].astype(np.float64)
    gone = np.isnan(x)
    x[:, gone.all(axis=0)] = 0.0
    low, first, middle, third, high = np.nanquantile(x, [0.0, 0.25, 0.5, 0.75, 1.0], axis=0)
    spread = np.where(third > first, third - first, (high - low) / 2)
    spread = np.where(spread > 0, spread, 1.0)
    return Form(
        numbers,
        middle.tolist(),
        spread.tolist(),
        [_edges(values[~np.isnan(values)]) for values in ((x - middle) / spread).T],
        [numbers[i] for i in np.flatnonzero(gone.any(axis=0))],
        categories,
        [train.categories[i] for i in categories],
    )


def _edges(values: Array) -> list[float]:
    """Borders with as many rows between them as can be, and with as many different values: what is nearly always zero
    has its few other values apart.
    """
    shares = np.linspace(0, 1, PIECES // 2 + 1)
    both = [np.quantile(v, shares) for v in (values, np.unique(values)) if len(v)]
    found: list[float] = np.unique(np.concatenate(both).astype(np.float32)).tolist() if both else []
    return found


class Each:
    """A loss that each member of the network pays by itself: outputs (rows, members x k) to their mean (rows,).

    Answers, (rows, k) as the target, are judged as by the loss itself.
    """

    def __init__(self, loss: Any) -> None:
        self.loss = loss
        self.tasks: tuple[str, ...] = loss.tasks
        self.head: Literal["softmax", "identity"] = loss.head

    def __call__(self, outputs: Tensor, target: Tensor) -> Tensor:
        wide = target.shape[1]
        members = outputs.shape[1] // wide
        if members == 1:
            alone: Tensor = self.loss(outputs, target)
            return alone
        whole = target.repeat_interleave(members, 0)
        each: Tensor = self.loss(outputs.reshape(-1, wide), whole)
        return each.reshape(-1, members).mean(1)


def tabular(form: Form, sizes: Sizes, outputs: int, head: str, hidden: Sequence[nn.Module]) -> nn.Module:
    """(rows, columns), NaN where nothing is known: to (rows, members x outputs) while learning, (rows, outputs) after.

    ``hidden`` stands behind every layer (dropout, say).
    """
    from torch import nn

    members = sizes.members

    class Tabular(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.columns, wide = _columns(form, sizes)
            self.wide = wide
            for level in range(1, sizes.depth + 1):
                self.add_module(f"layer{level}", _shared(wide, sizes.width, members, first=level == 1))
                self.add_module(f"curve{level}", getattr(nn, TORCH[sizes.activation])())
                self.add_module(f"hidden{level}", nn.Sequential(*hidden))
                wide = sizes.width
            self.answers = _answers(wide, outputs, members)

        def forward(self, x: Tensor) -> Tensor:
            x = self.columns(x)
            x = x.reshape(-1, 1, self.wide)
            for level in range(1, sizes.depth + 1):
                for part in ("layer", "curve", "hidden"):
                    x = getattr(self, f"{part}{level}")(x)
            x = self.answers(x)
            if self.training:
                return x.reshape(-1, members * outputs)
            if head != "softmax":
                return x.sum(1) * (1 / members)
            return (x.softmax(2).sum(1) * (1 / members) + LEAST).log()

    return Tabular()


def _columns(form: Form, sizes: Sizes) -> tuple[nn.Module, int]:
    """Every column as numbers: (rows, columns) to (rows, width), and the width."""
    import torch
    from torch import nn

    many = len(form.numbers)
    wide = many * (1 + MADE) + len(form.missing) + len(form.categories) * sizes.embedding
    offsets = np.cumsum([0, *(n + 1 for n in form.codes)])

    class Columns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("numbers", "missing", "categories"):
                self.register_buffer(name, torch.tensor(getattr(form, name), dtype=torch.int64))
            self.register_buffer("mean", torch.tensor(form.middle, dtype=torch.float32))
            self.register_buffer("deviation", torch.tensor(form.spread, dtype=torch.float32))
            # A code is moved to its column's part of the table, whose first row is for what is not known.
            self.register_buffer("first", torch.tensor(offsets[:-1] + 1, dtype=torch.float32))
            if many:
                self.spread = _spread(form.edges, sizes.waves)
            if form.categories:
                self.table = nn.Embedding(int(offsets[-1]), sizes.embedding)

        def forward(self, x: Tensor) -> Tensor:
            parts: Any = self  # buffers, which PyTorch types as modules too
            found: list[Tensor] = []
            if many:
                scaled = (x.index_select(1, parts.numbers) - parts.mean) / parts.deviation
                scaled = scaled.nan_to_num(0.0)
                found.append(self.spread(scaled))
            if form.missing:
                found.append(x.index_select(1, parts.missing).isnan().float())
            if form.categories:
                codes = x.index_select(1, parts.categories).nan_to_num(-1.0) + parts.first
                rows = self.table(codes.long())
                found.append(rows.reshape(-1, len(form.categories) * sizes.embedding))
            return torch.cat(found, 1)

    return Columns(), wide


MADE = 6
"""Numbers that are made of the waves and pieces of one."""


def _spread(edges: Sequence[Sequence[float]], waves: int) -> nn.Module:
    """Each number, bent in at both ends, beside what is made of how far it is through each piece, and of cosines of its
    place among the pieces: (rows, many) to (rows, many x 7).
    """
    import torch
    from torch import nn

    many = len(edges)

    class Spread(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frequency, self.phase = (nn.Parameter(torch.zeros(many, waves)) for _ in range(2))
            self.pieces = _pieces(edges)
            self.weight = nn.Parameter(torch.zeros(many, waves + PIECES, MADE))
            self.offset = nn.Parameter(torch.zeros(many, MADE))

        def start(self, generator: torch.Generator) -> None:
            self.frequency.normal_(0, 2 * math.pi * OFTEN, generator=generator)
            self.phase.uniform_(-math.pi, math.pi, generator=generator)
            self.weight.uniform_(-(waves**-0.5), waves**-0.5, generator=generator)
            self.offset.zero_()

        def forward(self, x: Tensor) -> Tensor:
            x = x.reshape(-1, many, 1)
            bent = x / (x * x * BENT**-2 + 1.0).sqrt()
            through = self.pieces(x)
            place = through.sum(2).reshape(-1, many, 1)
            seen = torch.cat(((place * self.frequency + self.phase).cos(), through), 2)
            made = seen.permute(1, 0, 2).matmul(self.weight).permute(1, 0, 2) + self.offset
            return torch.cat((bent, made), 2).reshape(-1, many * (1 + MADE))

    return Spread()


def _pieces(edges: Sequence[Sequence[float]]) -> nn.Module:
    """How far a number is through each piece, 0 before and 1 behind it: (rows, many, 1) to (rows, many, PIECES)."""
    import torch
    from torch import nn

    low, wide = np.zeros((len(edges), PIECES)), np.full((len(edges), PIECES), NEVER)
    for at, borders in enumerate(edges):
        for piece, (start, stop) in enumerate(pairwise(borders)):
            low[at, piece], wide[at, piece] = start, stop - start

    class Pieces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(low, dtype=torch.float32))
            self.register_buffer("deviation", torch.tensor(wide, dtype=torch.float32))

        def forward(self, x: Tensor) -> Tensor:
            middle: Any = self.mean
            spread: Any = self.deviation
            through: Tensor = ((x - middle) / spread).clamp(0.0, 1.0)
            return through

    return Pieces()


def _shared(inside: int, outside: int, members: int, *, first: bool) -> nn.Module:
    """One matrix for all members; each multiplies before and behind it: (rows, members or 1, inside) to (rows,
    members, outside). Only the first layer starts otherwise for each, with signs.
    """
    import torch
    from torch import nn

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(inside, outside, bias=False)
            self.before = nn.Parameter(torch.ones(members, inside))
            self.behind, self.offset = (nn.Parameter(torch.ones(members, outside)) for _ in range(2))

        def start(self, generator: torch.Generator) -> None:
            if first:
                self.before.copy_(2.0 * torch.randint(0, 2, (members, inside), generator=generator) - 1.0)
            self.offset.zero_()

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.dense(x * self.before) * self.behind + self.offset
            return answer

    return Shared()


def _answers(inside: int, outputs: int, members: int) -> nn.Module:
    """Each member's own answer: (rows, members, inside) to (rows, members, outputs)."""
    import torch
    from torch import nn

    class Answers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(members, inside, outputs))
            self.offset = nn.Parameter(torch.zeros(members, outputs))

        def start(self, generator: torch.Generator) -> None:
            self.weight.uniform_(-(inside**-0.5), inside**-0.5, generator=generator)
            self.offset.zero_()

        def forward(self, x: Tensor) -> Tensor:
            return x.permute(1, 0, 2).matmul(self.weight).permute(1, 0, 2) + self.offset

    return Answers()
