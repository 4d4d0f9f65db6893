"""Feed: batches of rows on their way to the network, from memory or from a file that is larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.learn.parts import Rows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "Feed"]

LOOKED = 2**21
"""Numbers in one batch that is only judged: more rows at once would save nothing and hold all their activations."""


class Batch(NamedTuple):
    """float32 (rows, features), (rows, outputs) and (rows,), on the device; no weights where rows count the same."""

    x: Tensor
    y: Tensor
    weight: Tensor | None
    total: Tensor | float
    """What all rows of the batch weigh, those of other processes included."""

    def parts(self, many: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """The rows in ``many`` parts."""
        if many == 1:
            yield self.x, self.y, self.weight
            return
        size = max(1, -(-len(self.x) // many))
        for at in range(0, len(self.x), size):
            end = at + size
            yield self.x[at:end], self.y[at:end], None if self.weight is None else self.weight[at:end]


class Feed:
    """Rows by their numbers.

    Plain float32 rows are gathered by PyTorch, on the device itself where they take under a quarter of its memory.
    Rows of a memory map or of uint8 are read batch by batch in the order in which they lie in the file.
    """

    def __init__(self, rows: Rows, device: str, share: slice = slice(None)) -> None:
        """``share`` is the part of every batch that this process takes."""
        self.rows, self.device, self.share = rows, device, share
        self.plain = rows.x.dtype == np.float32 and rows.x.flags.writeable and not isinstance(rows.x, np.memmap)
        self.near = self.plain and _fits(rows.x, device)
        self.even = bool((rows.weight == 1).all())
        self._y, self._weight = (_tensor(a).to(device) for a in (rows.y, rows.weight))
        if self.plain:
            x = _tensor(rows.x)
            self._x = x.to(device) if self.near else x

    def __len__(self) -> int:
        return len(self.rows.x)

    def shuffled(self, size: int) -> tuple[Tensor, ...]:
        """The numbers of the rows of each batch of an epoch, drawn with PyTorch's random numbers."""
        import torch

        order = torch.randperm(len(self))
        return torch.split(order.to(self.device) if self.near else order, size)

    def take(self, chosen: Tensor) -> Batch:
        """This process's share of the rows ``chosen``."""
        if not self.near:
            chosen = chosen.sort().values
        mine = chosen[self.share] if self.share.step else chosen
        if self.even:
            return Batch(self._gather(mine), self._y[mine], None, float(len(chosen)))
        total = self._weight[chosen].sum().clamp_min(1e-12)
        return Batch(self._gather(mine), self._y[mine], self._weight[mine], total)

    def first(self, many: int) -> Batch:
        """The first rows, to be looked at."""
        return self._between(0, many)

    def truth(self, many: int) -> tuple[Tensor, Tensor]:
        """Targets and weights of the first rows."""
        return self._y[:many], self._weight[:many]

    def looked(self) -> Iterator[Batch]:
        """All rows in order, in batches that are only judged."""
        size = max(1, min(8192, LOOKED // max(1, self.rows.x.shape[1])))
        for start in range(0, len(self), size):
            yield self._between(start, start + size)

    def _between(self, start: int, end: int) -> Batch:
        x = self._x[start:end].to(self.device) if self.plain else self._read(slice(start, end))
        weight = self._weight[start:end]
        return Batch(x, self._y[start:end], weight, float(weight.sum()))

    def _gather(self, chosen: Tensor) -> Tensor:
        if self.near:
            return self._x[chosen]
        return self._x[chosen].to(self.device) if self.plain else self._read(chosen.numpy())

    def _read(self, which: slice | Array) -> Tensor:
        """Rows out of the file, in their own type as far as the device: a quarter of the way for uint8."""
        return _tensor(np.array(self.rows.x[which])).to(self.device).float()


def _tensor(array: Array) -> Tensor:
    """The array itself as a tensor; of one that may not be written, a copy, because PyTorch has no such tensors."""
    import torch

    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _fits(array: Array, device: str) -> bool:
    import torch

    return device == "cpu" or array.nbytes < torch.cuda.mem_get_info()[0] / 4
