"""Columns: a network for tables: every column made numbers that a network can see, then several networks in one.

Columns as in RealMLP (Holzmüller et al. 2024): by median and quartiles, far ends bent in smoothly, each number beside
learned waves of itself, each category an embedding. The network as in TabM (Gorishniy et al. 2025): members share their
matrices and differ in what they multiply before and after (BatchEnsemble, Wen et al. 2020); each learns by its own
loss, and the answer is the mean of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.late import np
from thirtyfold.learn.dense import TORCH, Activation

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Each", "Form", "Sizes", "known", "tabular"]

BENT = 3.0
"""Where a number is bent in: x / sqrt(1 + (x / 3)^2) is nearly x around 0 and never beyond 3."""
SLOW = 0.1
"""Deviation of the waves' frequencies at the start."""
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
    where categories stand and how many codes each has.
    """

    numbers: list[int]
    middle: list[float]
    spread: list[float]
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
    return Form(
        numbers,
        middle.tolist(),
        np.where(spread > 0, spread, 1.0).tolist(),
        [numbers[i] for i in np.flatnonzero(gone.any(axis=0))],
        categories,
        [train.categories[i] for i in categories],
    )


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
    wide = many * (1 + WAVED) + len(form.missing) + len(form.categories) * sizes.embedding
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
                self.waves = _waves(many, sizes.waves)
            if form.categories:
                self.table = nn.Embedding(int(offsets[-1]), sizes.embedding)

        def forward(self, x: Tensor) -> Tensor:
            found: list[Tensor] = []
            if many:
                scaled = (x.index_select(1, self.numbers) - self.mean) / self.deviation
                scaled = scaled.nan_to_num(0.0)
                found.append(self.waves(scaled / (scaled * scaled * BENT**-2 + 1.0).sqrt()))
            if form.missing:
                found.append(x.index_select(1, self.missing).isnan().float())
            if form.categories:
                codes = x.index_select(1, self.categories).nan_to_num(-1.0) + self.first
                rows = self.table(codes.long())
                found.append(rows.reshape(-1, len(form.categories) * sizes.embedding))
            return torch.cat(found, 1)

    return Columns(), wide


WAVED = 3
"""Numbers that are made of the waves of one."""


def _waves(many: int, waves: int) -> nn.Module:
    """Each number beside what is made of its cosines: (rows, many) to (rows, many x 4)."""
    import torch
    from torch import nn

    class Waves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frequency, self.phase = (nn.Parameter(torch.zeros(many, waves)) for _ in range(2))
            self.weight = nn.Parameter(torch.zeros(many, waves, WAVED))
            self.offset = nn.Parameter(torch.zeros(many, WAVED))

        def start(self, generator: torch.Generator) -> None:
            self.frequency.normal_(0, 2 * math.pi * SLOW, generator=generator)
            self.phase.uniform_(-math.pi, math.pi, generator=generator)
            self.weight.uniform_(-(waves**-0.5), waves**-0.5, generator=generator)
            self.offset.zero_()

        def forward(self, x: Tensor) -> Tensor:
            x = x.reshape(-1, many, 1)
            waved = (x * self.frequency + self.phase).cos().permute(1, 0, 2)
            made = waved.matmul(self.weight).permute(1, 0, 2) + self.offset
            return torch.cat((x, made), 2).reshape(-1, many * (1 + WAVED))

    return Waves()


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
