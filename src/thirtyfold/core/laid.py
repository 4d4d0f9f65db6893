"""Laid: frames too large to be carried about as bytes. Each lies in a file, named by its content and never changed.

A file is uncompressed Arrow IPC, so that it is mapped when it is read: memory holds only the pages that are looked at,
and the system may take those back. A frame that lies in a file already is not written again.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from thirtyfold.core.late import np, pl

__all__ = ["LARGE", "Laid", "Laying", "lay", "lies_in", "mapped", "name_of", "rest"]

LARGE = 50 * 1024 * 1024
"""A frame of more bytes than this lies in a file."""
BATCH = 1 << 20
"""Rows in a record batch; fixed, so that the same frame gives the same file however it was put together."""
_BLOCK = 1 << 15
_PIECE = 1 << 23


@dataclass(frozen=True)
class Laid:
    """A frame in a file; ``name`` is made of its content (see ``name_of``)."""

    path: Path
    name: str


class _Mapped(NamedTuple):
    frame: weakref.ref[Any]
    laid: Laid
    data: mmap.mmap


_known: dict[int, _Mapped] = {}


def lay(frame: pl.DataFrame, folder: Path) -> Laid:
    """The frame in a file: the one it lies in, or a new one in ``folder``, flushed to disk."""
    known = lies_in(frame)
    if known is not None:
        return known
    handle, name = _new(folder)
    with os.fdopen(handle, "wb") as file:
        frame.write_ipc(file, compression="uncompressed", record_batch_size=BATCH)
        file.flush()
        os.fsync(file.fileno())
    return Laid(Path(name), name_of(Path(name)))


def _new(folder: Path) -> tuple[int, str]:
    """A new file; those of processes that were killed are swept away."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*-*.arrow"):
        owner = old.name.partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            old.unlink(missing_ok=True)
    return tempfile.mkstemp(prefix=f"{os.getpid()}-", suffix=".arrow", dir=folder)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def mapped(laid: Laid) -> pl.DataFrame:
    """The frame as it lies in its file, without a copy: Polars' own reader would make one."""
    import pyarrow as pa

    with laid.path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(data))).read_all()
    frame = pl.DataFrame(pl.from_arrow(table, rechunk=False))
    key = id(frame)
    _known[key] = _Mapped(weakref.ref(frame, lambda _: _known.pop(key, None)), laid, data)
    return frame


def rest(frame: pl.DataFrame) -> None:
    """A mapped frame is not needed for a while: its pages go back to the system until they are looked at again."""
    known = _known.get(id(frame))
    if known is not None and known.frame() is frame and hasattr(mmap, "MADV_DONTNEED"):
        known.data.madvise(mmap.MADV_DONTNEED)


class Laying:
    """A frame that is laid part by part as it is read, so that memory never holds all of it."""

    def __init__(self, folder: Path) -> None:
        handle, name = _new(folder)
        os.close(handle)
        self.path = Path(name)
        self._file: Any = None
        self._writer: Any = None

    def add(self, part: pl.DataFrame) -> None:
        """Write some rows; every part has the same columns."""
        import pyarrow as pa

        table = part.to_arrow(compat_level=pl.CompatLevel.newest())
        if self._writer is None:
            self._file = pa.OSFile(str(self.path), "wb")  # a file of Python's would be copied to
            self._writer = pa.ipc.new_file(self._file, table.schema)
        self._writer.write_table(table)

    def done(self) -> pl.DataFrame:
        """The whole frame as it lies in the file, which goes when nothing needs it any more."""
        self._writer.close()
        os.fsync(self._file.fileno())
        self._file.close()
        frame = mapped(Laid(self.path, name_of(self.path)))
        weakref.finalize(frame, self.path.unlink, missing_ok=True)
        return frame

    def drop(self) -> None:
        """Nothing is to be kept."""
        if self._file is not None:
            self._file.close()
        self.path.unlink(missing_ok=True)


def lies_in(frame: pl.DataFrame) -> Laid | None:
    """The file that this very frame lies in, if it is still there."""
    known = _known.get(id(frame))
    return known.laid if known is not None and known.frame() is frame and known.laid.path.is_file() else None


def name_of(path: Path) -> str:
    """A name for a file's content: sha256 over a 64-bit sum of each block of 256 KB.

    In the sum each word is first mixed, by its place (xor, multiply, shift: a bijection as in SplitMix64, Steele, Lea
    and Flood 2014), so that other content has another sum but for one chance in 2^64. It guards against mistakes, not
    against forgers, and is four times as fast as sha256 of the bytes where the processor has no instruction for that.
    """
    whole = hashlib.sha256(str(path.stat().st_size).encode())
    waiting: deque[Future[bytes]] = deque()
    with path.open("rb") as file, ThreadPoolExecutor(2) as pool:
        while piece := file.read(_PIECE):  # read, not mapped: what is mapped counts as this process's memory
            waiting.append(pool.submit(_sums, piece))
            if len(waiting) > 2:
                whole.update(waiting.popleft().result())
        for sums in waiting:
            whole.update(sums.result())
    return whole.hexdigest()


def _sums(piece: bytes) -> bytes:
    """The sums of the blocks of a piece, and what is left over; numpy lets other threads run meanwhile."""
    words = np.frombuffer(piece, dtype=np.uint64, count=len(piece) // 8)
    keys, times = _keys()
    work, more = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64)
    out = []
    for at in range(0, len(words), _BLOCK):
        block = words[at : at + _BLOCK]
        n = len(block)
        x, y, key = work[:n], more[:n], keys[:n]
        np.bitwise_xor(block, key, out=x)
        np.multiply(x, times, out=x)
        np.right_shift(x, np.uint64(32), out=y)
        np.bitwise_xor(x, y, out=x)
        np.multiply(x, key, out=x)
        out.append(int(x.sum(dtype=np.uint64)).to_bytes(8, "little"))
    return b"".join([*out, piece[len(words) * 8 :]])


@cache
def _keys() -> tuple[Any, Any]:
    """An odd number for each place in a block, and the one that spreads low bits to high ones."""
    with np.errstate(over="ignore"):
        at = np.arange(1, _BLOCK + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        at = (at ^ (at >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        return (at ^ (at >> np.uint64(27))) | np.uint64(1), np.uint64(0x94D049BB133111EB)
