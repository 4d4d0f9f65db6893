"""Contents: what the field types of pictures, sounds and videos have in common."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.content import bytes_of, each, find, inline
from thirtyfold.core.fieldtype import Array, Sample
from thirtyfold.core.profile import ColumnProfile

__all__ = ["ROOM", "asked_of_request", "evenly", "intervals", "profile_of", "reads", "recognized", "schema_of"]

ROOM = 700_000_000
"""Bytes that one column of contents may take of the matrix that networks learn from."""
_LOOKED = 40
_SEVERAL = 5


def recognized(sample: Sample, endings: Sequence[str], magic: Callable[[bytes], bool]) -> float:
    """How sure that a column holds contents of a kind: references with one of the endings that are there, or files as
    base64 that begin as such files do.
    """
    if sample.values.dtype != pl.String or not len(sample.values):
        return 0.0
    values = [str(v) for v in sample.values.head(_LOOKED).to_list()]
    right = sum(_is(v, endings, magic) for v in values)
    return 0.99 if right > 0.8 * len(values) else 0.0


def _is(value: str, endings: Sequence[str], magic: Callable[[bytes], bool]) -> bool:
    if PurePosixPath(value).suffix.lower() in endings:
        try:
            return find(value) is not None
        except ValueError:
            return True
    if len(value) < 48 or "\0" in value:
        return False
    text = value.split(",", 1)[-1] if value.startswith("data:") else value
    try:
        return magic(base64.b64decode(text[:48], validate=True))
    except (binascii.Error, ValueError):
        return False


def reads(value: object, check: Callable[[bytes], object]) -> str | None:
    """A value as it is kept: a reference that can be opened, or a file as text that ``check`` can read.

    Files of a folder are decoded wholly when they are collected, so that here only their being there is asked.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise ValueError("must be the file as base64 or as a data URI")
    text = value.strip()
    if find(text) is None:
        check(bytes_of(text))
    return text


def asked_of_request(value: object) -> None:
    """Raise ValueError for what a request may not hold: nothing in it is ever taken for the name of a file."""
    if value is None or value == "":
        return
    if not isinstance(value, str) or inline(value.strip()) is None:
        raise ValueError("must be the file itself, as base64 or as a data URI; no path or address is opened")


def evenly(values: Array, most: int) -> list[str]:
    """At most so many of the known values, evenly taken."""
    known = [str(v) for v in values if v is not None]
    if len(known) <= most:
        return known
    return [known[int(i)] for i in np.linspace(0, len(known) - 1, most)]


def intervals(numbers: Array) -> tuple[float, ...]:
    """Borders of five intervals with as many values each."""
    if not len(numbers):
        return ()
    return tuple(float(e) for e in np.unique(np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]).round(6)))


def profile_of(
    name: str,
    column: pl.Series,
    like: ColumnProfile | None,
    kind: str,
    facts: tuple[str, Callable[[bytes], Array], Mapping[str, int]],
) -> ColumnProfile:
    """Rows over intervals of the first fact (brightness, loudness), so that drift is seen in the content, not in the
    names of files. ``facts``: a name for the measure, the measure, and its numbers' names with digits.
    """
    how, measure, names = facts
    known = column.drop_nulls()
    found = each(known.to_list(), how, measure, np.full(len(names), np.nan)).astype(np.float64)
    first, word = found[:, 0], next(iter(names))
    edges = like.edges if like else intervals(first)
    counts = np.bincount(np.searchsorted(np.array(edges), first, side="right"), minlength=len(edges) + 1)
    ends = [f"{e:.{names[word]}f}" for e in edges]
    labels = [
        f"{word} from {a} to {b} ({at + 1})"
        for at, (a, b) in enumerate(zip(["lowest", *ends], [*ends, "highest"], strict=True))
    ]
    bins = {label: int(c) for label, c in zip(labels, counts, strict=True)} if len(known) or like else {}
    numbers: dict[str, Any] = {"distinct": known.n_unique()}
    if len(known):
        low, middle, high = (np.quantile(found, q, axis=0) for q in (0.0, 0.5, 1.0))
        for at, (each_name, digits) in enumerate(names.items()):
            numbers[each_name] = [round(float(x[at]), digits) for x in (low, middle, high)]
    return ColumnProfile(name, kind, len(column), column.null_count(), bins, edges, numbers)


def schema_of(what: str, media: str, example: bytes) -> dict[str, Any]:
    """The JSON schema of a file as text, with a small made-up file as the example: no training row is given away."""
    return {
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "contentMediaType": media,
        "description": f"{what}: the file as base64, or as a data URI",
        "examples": [base64.b64encode(example).decode("ascii")],
    }
