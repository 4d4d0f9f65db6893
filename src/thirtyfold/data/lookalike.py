"""Lookalike: pictures that show the same and recordings that sound the same, whatever their files are called.

A picture that was resized, saved anew or made a little brighter has other bytes and the same look. Each is made small
(16 x 16 points of gray; 16 moments of 16 bands) and compared by correlation; candidates come from the signs of random
projections (Charikar 2002), so that not every pair has to be looked at.
"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from thirtyfold.core import pixels, sound
from thirtyfold.core.content import each
from thirtyfold.core.fieldtype import Array

__all__ = ["lookalikes"]

ALIKE = 0.995
"""Correlation from which two are one. Saving a photo anew at a tenth of its size leaves 0.999 and more."""
_SIDE = 16
_BITS, _BANDS = 16, 8
"""At a correlation of 0.995 a bit differs once in 31: a pair is missed in all eight bands once in some 1,000."""
_FLAT = 3.0
"""Pictures whose points differ by less than this (of 255) show nothing to be told apart by."""
_BLOCK = 50


def lookalikes(values: pl.Series, kind: str) -> Iterator[tuple[int, int]]:
    """Pairs of rows whose files are nearly the same. ``kind`` is image or audio."""
    small, flat = _small(values.to_list(), kind)
    seen = np.flatnonzero(~flat)
    if len(seen) < 2:
        return
    x = small[seen]
    rng = np.random.default_rng(0)
    signs = (x @ rng.normal(size=(x.shape[1], _BITS * _BANDS)).astype(np.float32) > 0).reshape(len(x), _BANDS, _BITS)
    keys = signs @ (1 << np.arange(_BITS))
    told: set[tuple[int, int]] = set()
    for band in keys.T:
        for block in _blocks(band):
            part = x[block]
            for i, j in np.argwhere(np.triu(part @ part.T >= ALIKE, 1)):
                pair = (int(seen[block[i]]), int(seen[block[j]]))
                if pair not in told:
                    told.add(pair)
                    yield pair


def _blocks(keys: Array) -> Iterator[Array]:
    """Rows of equal keys, at most so many at once, so that a thousand alike cost no million looks."""
    order = np.argsort(keys, kind="stable")
    for block in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        for start in range(0, len(block), _BLOCK - 1):
            part = block[start : start + _BLOCK]  # one row in common with the next, so that chains hold
            if len(part) > 1:
                yield part


def _small(values: list[str | None], kind: str) -> tuple[Array, Array]:
    """Each file as numbers of mean 0 and length 1, and which of them show nothing."""
    make: Callable[[bytes], Array] = _picture if kind == "image" else _recording
    found = each(values, f"look of {kind}", make, np.zeros(_SIDE * _SIDE)).astype(np.float32)
    found = found - found.mean(axis=1, keepdims=True)
    length = np.linalg.norm(found, axis=1)
    flat = length < (_FLAT if kind == "image" else 1.0) * _SIDE
    return found / np.where(flat, 1.0, length)[:, None], flat


def _picture(data: bytes) -> Array:
    return pixels.points(data, _SIDE, _SIDE, color=False, crop=False)


def _recording(data: bytes) -> Array:
    seconds, rate = sound.length_of(data)
    low = min(rate, 8000)
    hop = max(1, int(min(seconds, 30.0) * low / (_SIDE - 1)))
    window = 2 ** max(8, int(np.ceil(np.log2(hop))))
    return sound.log_mel(data, low, _SIDE, window, hop, _SIDE, level=True)
