"""Memo: large answers that were worked out a moment ago, kept within a bound of memory."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

from thirtyfold.core.late import Array, np

__all__ = ["Memo", "key_of"]


def key_of(name: str, matrix: Array) -> str:
    """A key for what ``name`` (a hash) answers to a matrix: a hash of both, some milliseconds for a million numbers."""
    told = hashlib.blake2b(f"{name} {matrix.shape} {matrix.dtype}".encode(), digest_size=20)
    told.update(np.ascontiguousarray(matrix).view(np.uint8).data)
    return told.hexdigest()


class Memo:
    """Arrays by key; the least recently asked go first when there are more than ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[str, Array] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, key: str, make: Callable[[], Array]) -> Array:
        """What was made for this key, or ``make()``; a copy, for the caller to change as it likes."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found.copy()
        made = make()
        with self._lock:
            self._kept[key] = made.copy()
            while sum(a.nbytes for a in self._kept.values()) > self.most:
                self._kept.popitem(last=False)
        return made
