"""Content: the pictures, sounds and videos behind a value of a table.

A value is a reference (the path of a file in a folder that ``collect`` names) or the file itself, as base64 or as a
data URI. References are opened only while a run reads its own folders (``reading``), and only inside of them; what
comes in a request is never taken for a reference.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import Array, np

__all__ = ["bytes_of", "each", "embedded", "find", "inline", "reading", "roots_of", "told_of"]

LARGEST = 256 * 1024 * 1024
"""Bytes of one file at most."""
KEPT = 256 * 1024 * 1024
"""Bytes of decoded rows that are kept for the next stage that asks for them."""
_URI = re.compile(r"data:[\w.+-]*/?[\w.+-]*(;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
_LEAST = 24
"""Fewer letters than this are no file in base64."""

_roots: tuple[Path, ...] = ()


def roots_of(lineage: Mapping[str, Any]) -> list[Path]:
    """The folders of files that a table was collected from."""
    own: list[Path] = []
    if lineage.get("kept"):  # fetched from somewhere, and kept under the home
        own = [Path(os.environ.get("THIRTYFOLD_HOME") or ".thirtyfold") / str(lineage["kept"])]
    elif lineage.get("format") == "folder" and lineage.get("address"):
        own = [Path(str(lineage["address"]))]
    return [*own, *(r for p in lineage.get("parts") or () for r in roots_of(p))]


def told_of(lineage: Mapping[str, Any]) -> list[str]:
    """The hashes of the files in those folders: what decides the content that references stand for."""
    own = [str(lineage.get("sha256"))] if lineage.get("format") == "folder" else []
    return [*own, *(h for p in lineage.get("parts") or () for h in told_of(p))]


@contextmanager
def reading(roots: Iterable[Path | str]) -> Iterator[None]:
    """While this lasts, references are opened in these folders, and nowhere else."""
    global _roots  # noqa: PLW0603 - stages ask from many threads, so it can be no context variable
    before, _roots = _roots, tuple(dict.fromkeys(Path(r).resolve() for r in roots))
    try:
        yield
    finally:
        _roots = before


def inline(value: str) -> bytes | None:
    """The file that a text is, as a data URI or as base64; None where it is neither. Raises ValueError."""
    found = _URI.match(value)
    text = value[found.end() :] if found else value
    if len(text) * 3 // 4 > LARGEST:
        raise ValueError(f"a file of more than {LARGEST // 1024 // 1024} MB")
    if found is None and (len(value) < _LEAST or len(value) % 4):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        if found:
            raise ValueError("the data URI is not base64") from None
        return None


def find(reference: str) -> Path | None:
    """The file that a reference names in the folders that are being read; never one outside of them.

    Raises ValueError where several folders have a file of this name.
    """
    if not _roots or "\0" in reference or len(reference) > 4096:
        return None
    found = [path for root in _roots if (path := _inside(root, reference)) is not None]
    if len(found) > 1:
        raise ValueError(f"'{reference}' stands in {len(found)} folders: it is not clear which one is meant")
    return found[0] if found else None


def _inside(root: Path, reference: str) -> Path | None:
    try:
        path = (root / reference).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except OSError:  # a name that is too long for a file
        return None


def bytes_of(value: str) -> bytes:
    """The file behind a value. Raises ValueError with a sentence where there is none."""
    path = find(value)
    if path is not None:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"a file of more than {LARGEST // 1024 // 1024} MB")
        return path.read_bytes()
    data = inline(value)
    if data is None:
        shown = value if len(value) <= 60 else value[:59] + "…"
        raise ValueError(f"'{shown}' is neither a file of a folder that is being read nor base64 of one")
    return data


def embedded(value: str | None) -> str | None:
    """The value as base64, for where no folder is read: a request, an example."""
    if value is None or find(value) is None:
        return value
    return base64.b64encode(bytes_of(value)).decode("ascii")


def _key(value: str) -> tuple[Any, ...]:
    """Names the content: a file by its path, size and time, a text by its hash."""
    path = find(value)
    if path is None:
        return (hashlib.blake2b(value.encode(errors="surrogatepass"), digest_size=20).digest(),)
    stat = path.stat()
    return (str(path), stat.st_size, stat.st_mtime_ns)


class _Kept:
    """Rows by key, the least recently asked gone first."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[Any, ...], Array] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...]) -> Array | None:
        with self._lock:
            row = self._rows.get(key)
            if row is not None:
                self._rows.move_to_end(key)
            return row

    def put(self, key: tuple[Any, ...], row: Array) -> None:
        with self._lock:
            if key in self._rows:
                return
            self._rows[key] = row
            self._bytes += row.nbytes + 200
            while self._bytes > KEPT and len(self._rows) > 1:
                self._bytes -= self._rows.popitem(last=False)[1].nbytes + 200


_kept = _Kept()


def each(values: Sequence[Any] | Array, how: str, make: Callable[[bytes], Array], blank: Array) -> Array:
    """``make`` of the file behind every value, side by side: float32 (rows, width); ``blank`` for a missing one.

    ``how`` names what ``make`` does: what was made of a file is kept for the next who asks for the same. Files are
    read by a few threads. Raises DataError with every value that cannot be read, at most 20.
    """
    place: dict[Any, int] = {}
    index = [place.setdefault(value, len(place)) for value in values]
    if len(place) < len(values):  # rows that were drawn again and again are opened once
        once: Array = each(list(place), how, make, blank)[np.array(index)]
        return once
    out, blank = np.empty((len(values), blank.size), dtype=np.float32), blank.ravel()
    faults: list[Fault] = []

    def one(at: int) -> None:
        value = values[at]
        if value is None:
            out[at] = blank
            return
        try:
            key = (how, *_key(value))
            row = _kept.get(key)
            if row is None:
                row = make(bytes_of(value)).ravel()
                _kept.put(key, row)
            out[at] = row
        except ValueError as error:
            faults.append(Fault(value[:60], f"{error}."))

    if len(values) < 8:
        for at in range(len(values)):
            one(at)
    else:
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(one, range(len(values)), chunksize=16))
    if faults:
        raise DataError(sorted(faults, key=lambda f: f.where)[:20])
    return out
