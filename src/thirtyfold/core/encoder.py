"""Encoder: typed columns to the matrix that a model takes. Fitted on training rows alone; saved as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from thirtyfold.core.expression import Expression
from thirtyfold.core.fieldtype import Array, Feature, Form
from thirtyfold.core.late import np
from thirtyfold.core.transform import Elementwise, abreast

__all__ = ["Block", "Encoded", "Encoder"]

FEW = 64
"""Rows up to which features of the same chain are computed together: for one row, what costs is the number of calls."""

_FEATURES: TypeAdapter[tuple[Feature, ...]] = TypeAdapter(tuple[Feature, ...], config=ConfigDict(defer_build=True))


@dataclass(frozen=True)
class Block:
    """Columns of the matrix, side by side, that belong together.

    ``shape`` of one row: (channels, height, width) of an ``image``, with 0 to 255; (time, bands) of ``frames``;
    (length,) of ``tokens``, codes below ``codes`` with 0 for padding; (width,) of a ``vector`` or of ``levels``.
    """

    form: Form
    shape: tuple[int, ...]
    column: str = ""
    codes: int = 0

    @property
    def width(self) -> int:
        """How many columns of the matrix it takes."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Encoded:
    """What a model learns from and predicts on.

    ``matrix`` is float32 of shape (rows, features); ``target`` int64 class codes or float64 values, or None;
    ``classes`` is 0 for regression. ``categories[i]`` is how many codes feature i has, or 0 for a plain number.
    ``layout`` says which columns belong together, in order and without gaps; empty when all are plain numbers.
    """

    matrix: Array
    names: tuple[str, ...]
    categories: tuple[int, ...]
    target: Array | None = None
    weight: Array | None = None
    classes: int = 0
    layout: tuple[Block, ...] = ()
    reads: dict[str, Array] = field(default_factory=dict)
    """The columns that the task itself reads, where it does."""

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The layout, spelled out: one vector where there is none."""
        return self.layout or (Block("vector", (len(self.names),)),)

    def take(self, which: Array) -> Encoded:
        """The rows at these positions."""
        target = None if self.target is None else self.target[which]
        weight = None if self.weight is None else self.weight[which]
        reads = {n: x[which] for n, x in self.reads.items()}
        return Encoded(
            self.matrix[which], self.names, self.categories, target, weight, self.classes, self.layout, reads
        )


@dataclass(frozen=True)
class _Lanes:
    """Features of one number each that go through the same kinds of transforms, side by side.

    ``places`` are their columns in the matrix, ``given`` the places of the columns that they read among all that are
    read so; ``chain`` computes an array of shape (features, rows).
    """

    places: Array
    given: Array
    chain: tuple[Elementwise, ...]


@dataclass(frozen=True)
class Encoder:
    """Features in order; ``derived`` are the user's expressions, computed first and then columns like any other."""

    form: Form
    features: tuple[Feature, ...]
    derived: tuple[tuple[str, str], ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of every column of the matrix; a column of a shape is named by its place in it."""
        return tuple(name for feature in self.features for name in _names(feature))

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """The codes of every column of the matrix; columns of a shape have none of their own."""
        return tuple(0 if f.shape else f.categories for f in self.features for _ in range(f.width))

    @cached_property
    def layout(self) -> tuple[Block, ...]:
        """The blocks of the matrix, plain neighbors together as one; empty when all are plain."""
        if not any(f.shape for f in self.features):
            return ()
        blocks: list[Block] = []
        for shaped, group in groupby(self.features, key=lambda f: bool(f.shape)):
            if shaped:
                blocks += [Block(f.form, f.shape, f.column, f.categories) for f in group]
            else:
                blocks.append(Block("vector", (sum(f.width for f in group),)))
        return tuple(blocks)

    @cached_property
    def _expressions(self) -> tuple[tuple[str, Expression], ...]:
        return tuple((name, Expression(text)) for name, text in self.derived)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The input columns that the encoder reads, expressions' own columns included."""
        made = {name for name, _ in self.derived}
        used = [c for _, e in self._expressions for c in e.names] + [f.column for f in self.features]
        return tuple(dict.fromkeys(c for c in used if c not in made))

    def derive(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """The columns with the user's expressions added; a later expression may use an earlier one."""
        out = dict(columns)
        for name, expression in self._expressions:
            out[name] = expression.evaluate(out)
        return out

    @cached_property
    def _lanes(self) -> tuple[tuple[str, ...], tuple[_Lanes, ...], tuple[tuple[int, Feature], ...]]:
        """The features that can be computed together and the columns they read, and the others with their places."""
        together: dict[tuple[type, ...], list[tuple[int, Feature]]] = {}
        alone: list[tuple[int, Feature]] = []
        at = 0
        for feature in self.features:
            plain = not feature.shape and feature.width == 1 and all(isinstance(t, Elementwise) for t in feature.chain)
            (together.setdefault(tuple(map(type, feature.chain)), []) if plain else alone).append((at, feature))
            at += feature.width
        read = {name: n for n, name in enumerate(dict.fromkeys(f.column for g in together.values() for _, f in g))}
        lanes = (
            _Lanes(
                np.array([at for at, _ in group]),
                np.array([read[f.column] for _, f in group]),
                abreast([f.chain for _, f in group]),
            )
            for group in together.values()
        )
        return tuple(read), tuple(lanes), tuple(alone)

    def encode(self, columns: Mapping[str, Array]) -> Array:
        """Typed columns (see ``to_array``) to a float32 matrix of shape (rows, features); what is too large for it is
        infinite there.
        """
        with np.errstate(over="ignore"):
            return self._encode(columns)

    def _encode(self, columns: Mapping[str, Array]) -> Array:
        known = self.derive(columns) if self.derived else columns
        rows = len(next(iter(known.values())))
        out = np.empty((rows, len(self.names)), dtype=np.float32)
        if rows > FEW:
            at = 0
            for feature in self.features:
                at = _put(out, at, feature, known)
            return out
        read, lanes, alone = self._lanes
        given = np.array([known[name] for name in read], dtype=np.float64)
        for lane in lanes:
            x = given[lane.given]
            for transform in lane.chain:
                x = transform.apply(x)
            out[:, lane.places] = x.T
        for at, feature in alone:
            _put(out, at, feature, known)
        return out

    def encoded(self, columns: Mapping[str, Array], **rest: Any) -> Encoded:
        """``encode`` with names and categories, and with ``target``, ``weight`` and ``classes`` as given."""
        return Encoded(self.encode(columns), self.names, self.categories, layout=self.layout, **rest)

    def to_json(self) -> str:
        state = {
            "form": self.form,
            "derived": self.derived,
            "features": _FEATURES.dump_python(self.features, mode="json"),
        }
        return json.dumps(state, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Encoder:
        state = json.loads(text)
        derived = tuple((str(n), str(e)) for n, e in state["derived"])
        return cls(state["form"], _FEATURES.validate_python(state["features"]), derived)

    def save(self) -> dict[str, bytes]:
        return {"encoder.json": self.to_json().encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Encoder:
        return cls.from_json(files["encoder.json"])


def _put(out: Array, at: int, feature: Feature, known: Mapping[str, Array]) -> int:
    """Write a feature's columns from ``at`` on; where the next begins."""
    x = known[feature.column]
    for transform in feature.chain:
        x = transform.apply(x)
    out[:, at : at + feature.width] = x.reshape(len(out), feature.width)
    return at + feature.width


def _names(feature: Feature) -> Iterator[str]:
    if not feature.shape:
        yield from feature.names
        return
    for at in range(feature.width):
        place = ",".join(map(str, np.unravel_index(at, feature.shape)))
        yield f"{feature.names[0]}[{place}]"
