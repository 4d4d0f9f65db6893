"""Sequences: three ways to read a row of tokens, frames, rows of points or numbers, each to one embedding.

``convolved`` looks for short patterns wherever they stand (Kim 2014), ``recurrent`` reads in both directions with a
memory (Cho et al. 2014; Hochreiter and Schmidhuber 1997), ``attended`` lets every place look at all others (Vaswani et
al. 2017, normalized before each part as in Xiong et al. 2020). Padding takes no part in any of them, so that a text
means the same whatever the longest of its batch is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "FAR",
    "attended",
    "convolved",
    "embedded",
    "lined",
    "looking",
    "patched",
    "placed",
    "recurrent",
    "thinking",
]

FAR = 1e4
"""What a place of padding is below all others before a softmax or a maximum."""
WIDTHS = (1, 3, 5)
"""Places that a pattern spans."""


def embedded(codes: int, length: int, width: int, dropout: float) -> nn.Module:
    """(rows, length) codes, 0 for padding, to (rows, length, width + 1); the last number is 1 where a token is."""
    import torch
    from torch import nn

    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(codes, width)
            self.hidden = nn.Dropout(dropout)

        def forward(self, x: Tensor) -> Tensor:
            there = x.sign().reshape(-1, length, 1)
            found: Tensor = self.hidden(self.table(x.long()))
            return torch.cat((found * there, there), 2)

    return Embedded()


def placed(centered: nn.Module, length: int, inside: int) -> nn.Module:
    """(rows, length x inside) frames to (rows, length, inside + 1): every one of them is there."""
    import torch
    from torch import nn

    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centered = centered

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.centered(x.reshape(-1, length, inside))
            return torch.cat((found, found[:, :, :1] * 0.0 + 1.0), 2)

    return Placed()


def lined(centered: nn.Module, size: tuple[int, int, int]) -> nn.Module:
    """(rows, channels x height x width) pictures line by line: (rows, height, channels x width + 1)."""
    import torch
    from torch import nn

    channels, height, width = size

    class Lined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centered = centered

        def forward(self, x: Tensor) -> Tensor:
            found = self.centered(x.reshape(-1, channels, height, width)).permute(0, 2, 1, 3)
            found = found.reshape(-1, height, channels * width)
            return torch.cat((found, found[:, :, :1] * 0.0 + 1.0), 2)

    return Lined()


def patched(centered: nn.Module, size: tuple[int, int, int], patch: int, width: int) -> tuple[nn.Module, int]:
    """(rows, channels x height x width) pictures cut into squares, each made (width,) by one layer (Dosovitskiy et al.
    2021): (rows, squares, width + 1), and how many squares there are. What does not fill a square at the border is cut.
    """
    import torch
    from torch import nn

    channels, height, wide = size
    side = min(patch, height, wide)
    squares = (height // side) * (wide // side)

    class Patched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centered = centered
            self.cut = nn.Conv2d(channels, width, side, stride=side)

        def forward(self, x: Tensor) -> Tensor:
            found = self.cut(self.centered(x.reshape(-1, channels, height, wide)))
            found = found.reshape(-1, width, squares).permute(0, 2, 1)
            return torch.cat((found, found[:, :, :1] * 0.0 + 1.0), 2)

    return Patched(), squares


def convolved(length: int, inside: int, width: int, dropout: float) -> tuple[nn.Module, int]:
    """(rows, length, inside + 1) to the strongest answer of each pattern anywhere: (rows, 3 x width)."""
    import torch
    from torch import nn

    class Convolved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for span in WIDTHS:
                self.add_module(f"span{span}", nn.Conv1d(inside, width, span, padding=span // 2))
            self.curve = nn.ReLU()
            self.hidden = nn.Dropout(dropout)

        def forward(self, x: Tensor) -> Tensor:
            places, there = _parted(x, length, inside)
            places, there = places.permute(0, 2, 1), there.permute(0, 2, 1)
            found = [(self.curve(getattr(self, f"span{s}")(places)) * there).amax(2) for s in WIDTHS]
            answer: Tensor = self.hidden(torch.cat(found, 1))
            return answer

    return Convolved(), len(WIDTHS) * width


def recurrent(
    length: int, inside: int, width: int, depth: int, dropout: float, cell: Literal["gru", "lstm"]
) -> tuple[nn.Module, int]:
    """(rows, length, inside + 1), read from both ends, to mean and maximum of the memory: (rows, 4 x width)."""
    import torch
    from torch import nn

    kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for level in range(depth):
                wide = inside if level == 0 else 2 * width
                self.add_module(f"memory{level + 1}", kind(wide, width, batch_first=True, bidirectional=True))
            self.hidden = nn.Dropout(dropout)

        def forward(self, x: Tensor) -> Tensor:
            places, there = _parted(x, length, inside)
            for level in range(depth):
                places = self.hidden(getattr(self, f"memory{level + 1}")(places)[0]) * there
            return torch.cat((_mean(places, there), _most(places, there)), 1)

    return Recurrent(), 4 * width


def attended(length: int, inside: int, width: int, depth: int, heads: int, dropout: float) -> tuple[nn.Module, int]:
    """(rows, length, inside + 1) to mean and maximum of what the places found out: (rows, 2 x width)."""
    import torch
    from torch import nn

    class Attended(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into = nn.Linear(inside, width)
            self.place = nn.Parameter(torch.zeros(length, width))
            self.hidden = nn.Dropout(dropout)
            for level in range(depth):
                self.add_module(f"look{level + 1}", looking(length, width, heads, dropout))
                self.add_module(f"think{level + 1}", thinking(width, dropout))
            self.normal = nn.LayerNorm(width)

        def forward(self, x: Tensor) -> Tensor:
            given, there = _parted(x, length, inside)
            places = self.hidden(self.into(given) + self.place)
            hole = (there.reshape(-1, 1, 1, length) - 1.0) * FAR
            for level in range(depth):
                places = places + getattr(self, f"look{level + 1}")(places, hole)
                places = places + getattr(self, f"think{level + 1}")(places)
            places = self.normal(places)
            return torch.cat((_mean(places, there), _most(places, there)), 1)

    return Attended(), 2 * width


def looking(length: int, width: int, heads: int, dropout: float) -> nn.Module:
    """Attention of every place to all places, in several heads."""
    from torch import nn

    own = width // heads

    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normal = nn.LayerNorm(width)
            self.asked, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
            self.out = nn.Linear(width, width)
            self.hidden, self.skip = nn.Dropout(dropout), nn.Identity()

        def forward(self, x: Tensor, hole: Tensor) -> Tensor:
            x = self.normal(x)
            asked, key, value = (
                part(x).reshape(-1, length, heads, own).permute(0, 2, 1, 3)
                for part in (self.asked, self.key, self.value)
            )
            looks = (asked.matmul(key.permute(0, 1, 3, 2)) * (1 / math.sqrt(own)) + hole).softmax(3)
            found = self.hidden(looks).matmul(value).permute(0, 2, 1, 3).reshape(-1, length, width)
            answer: Tensor = self.skip(self.hidden(self.out(found)))
            return answer

    return Looking()


def thinking(width: int, dropout: float) -> nn.Module:
    """Two dense layers at every place."""
    from torch import nn

    class Thinking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normal, self.wide, self.curve = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU()
            self.narrow, self.hidden, self.skip = nn.Linear(4 * width, width), nn.Dropout(dropout), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.skip(self.hidden(self.narrow(self.curve(self.wide(self.normal(x))))))
            return answer

    return Thinking()


def _parted(x: Tensor, length: int, inside: int) -> tuple[Tensor, Tensor]:
    """The numbers of every place, (rows, length, inside), and whether there is something: (rows, length, 1)."""
    return x[:, :, :inside], x[:, :, inside:].reshape(-1, length, 1)


def _mean(places: Tensor, there: Tensor) -> Tensor:
    return (places * there).sum(1) / (there.sum(1) + 1e-6)


def _most(places: Tensor, there: Tensor) -> Tensor:
    """The largest number of any place that is there; 0 for an empty row."""
    return (places + (there - 1.0) * FAR).amax(1) * there.amax(1)
