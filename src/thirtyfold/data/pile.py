"""Pile: rows that come batch by batch, each with whatever columns it has, as one frame.

Memory holds a few batches. What is more lies in a file as soon as it has come: a source of any size can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.laid import LARGE, Laying
from thirtyfold.core.late import pl
from thirtyfold.core.row import ROW
from thirtyfold.data.nested import COLUMNS, series_of
from thirtyfold.data.reading import kept_at, named

__all__ = ["SLICE", "Batch", "Mixed", "Pile", "Piled", "batch_of", "in_batches", "piled", "relaid"]

Batch = Sequence[Mapping[str, Any]]
"""Some flat rows, of plain values."""
SLICE = 1 << 17
"""Rows that are looked at together."""


class Piled(NamedTuple):
    """All rows; ``numbered`` are the same with their numbers (the last column) where they lie in a file."""

    frame: pl.DataFrame
    numbered: pl.DataFrame | None


class Mixed(Exception):
    """Columns that hold words as well as fractions: how these were written is known only to who reads them as words."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names


class Pile:
    """Batches in order. ``add`` each, then ``done``; ``drop`` where nothing comes of it."""

    def __init__(self, where: str, folder: Path | None = None) -> None:
        self.where, self.height = where, 0
        self._folder = folder or kept_at("store", "laying")
        self._kinds: dict[str, set[Any]] = {}
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._laid: list[tuple[Laying, Any]] = []

    def add(self, part: pl.DataFrame) -> None:
        """Some more rows; columns may be others, and of other types, than before."""
        if ROW in part.columns:
            raise DataError(Fault(ROW, "this column name is used by Thirtyfold itself.", hint="Rename the column."))
        for name, kind in part.schema.items():
            self._kinds.setdefault(name, set()).update({kind} - {pl.Null()})
        if len(self._kinds) > COLUMNS:
            what = f"has more than {COLUMNS:,} different paths, which means that keys are data."
            raise DataError(Fault(self.where, what, hint="Name the record, or turn the keys into values."))
        numbers = pl.int_range(self.height, self.height + part.height, dtype=pl.Int64)
        self._held.append(part.with_columns(numbers.alias(ROW)))
        self.height += part.height
        self._size += int(part.estimated_size())
        if self._size > LARGE:
            self._put_down()

    def done(self) -> Piled:
        """All rows, each column in the one type that holds all its values."""
        schema = self._schema()
        names = dict(zip(schema, named([*schema], self.where), strict=True))
        if not self._laid:
            parts = [_as(p.drop(ROW), schema, names) for p in self._held]
            return Piled(pl.concat(parts) if parts else pl.DataFrame(), None)
        self._put_down()
        parts = [laying.done() for laying, _ in self._laid]
        self._laid = []
        if len(parts) > 1 or dict(parts[0].drop(ROW).schema) != {names[n]: t for n, t in schema.items()}:
            parts = [relaid(parts, lambda p: _as(p, {**schema, ROW: pl.Int64()}, {**names, ROW: ROW}), self._folder)]
        return Piled(parts[0].drop(ROW), parts[0])

    def drop(self) -> None:
        """Nothing is to be kept."""
        for laying, _ in self._laid:
            laying.drop()

    def _put_down(self) -> None:
        """What is held goes into a file, or several where the columns change."""
        for part in self._held:
            if not self._laid or self._laid[-1][1] != part.schema:
                self._laid.append((Laying(self._folder), part.schema))
            self._laid[-1][0].add(part)
        self._held, self._size = [], 0

    def _schema(self) -> dict[str, Any]:
        wrong = [n for n, kinds in self._kinds.items() if _common(kinds) == pl.String() and pl.Float64() in kinds]
        if wrong:
            raise Mixed(wrong)
        return {n: _common(kinds) for n, kinds in self._kinds.items()}


def piled(batches: Callable[[], Iterable[Batch]], where: str, before: pl.DataFrame | None = None) -> Piled:
    """The rows of all batches, after those that were there ``before``. They are asked for again where a column of
    fractions turns out to hold words as well.
    """
    text: set[str] = set()
    while True:
        pile = Pile(where)
        try:
            if before is not None:
                pile.add(before.drop(ROW, strict=False))
            for rows in batches():
                pile.add(batch_of(rows, text))
            return pile.done()
        except Mixed as mixed:
            pile.drop()
            if not text.isdisjoint(mixed.names):  # those of before are fractions, and stay so
                raise
            text |= {*mixed.names}
        except BaseException:
            pile.drop()
            raise


def relaid(parts: Iterable[pl.DataFrame], change: Callable[[pl.DataFrame], pl.DataFrame], folder: Path) -> pl.DataFrame:
    """Frames under each other, changed slice by slice, as one that lies in a file."""
    laying = Laying(folder)
    try:
        for part in parts:
            for piece in part.iter_slices(SLICE):
                laying.add(change(piece))
        return laying.done()
    except BaseException:
        laying.drop()
        raise


def batch_of(rows: Batch, text: set[str]) -> pl.DataFrame:
    """Flat rows as a frame; a column in which nothing is known has no type yet; ``text`` are kept as written."""
    names = dict.fromkeys(k for r in rows for k in r)
    columns: dict[str, pl.Series] = {}
    for name in names:
        values = [r.get(name) for r in rows]
        known = any(v is not None for v in values)
        columns[name] = series_of(values, text=name in text) if known else pl.Series(values, dtype=pl.Null)
    return pl.DataFrame(columns)


def in_batches(rows: Iterable[Mapping[str, Any]], most: int = 16_000_000) -> Iterator[list[Mapping[str, Any]]]:
    """Rows in lists of about ``most`` bytes, counted as a hundred a value and one a character."""
    held: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += 100 * len(row) + sum(len(v) for v in row.values() if isinstance(v, str)) + 1
        if size >= most:
            yield held
            held, size = [], 0
    if held:
        yield held


def _common(kinds: set[Any]) -> Any:
    """The type that holds values of all of these; numbers where nothing is known, as for a column of gaps."""
    if kinds <= {pl.Int64(), pl.Float64()}:
        return pl.Int64() if kinds == {pl.Int64()} else pl.Float64()
    return next(iter(kinds)) if len(kinds) == 1 else pl.String()


def _as(part: pl.DataFrame, schema: Mapping[str, Any], names: Mapping[str, str]) -> pl.DataFrame:
    there = set(part.columns)
    return part.select(
        (pl.col(n).cast(kind) if n in there else pl.lit(None, dtype=kind)).alias(names[n]) for n, kind in schema.items()
    )
