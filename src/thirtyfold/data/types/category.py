"""category: one of a set of words, kept exactly as they are written."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.fieldtype import Array, Feature, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.transform import IsMissing, Lookup, OneHot, Scale

__all__ = ["Category"]

_OTHER = "(other)"
_SMOOTH = 10.0
"""How many rows of prior a target encoding starts from (Micci-Barreca 2001, an m-estimate)."""


class Category:
    """One of a set of values without an order: codes for trees, one column each for the rest.

    Above ``codes`` values trees get target encodings made out of fold, above ``columns`` values the rest does.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels", "vector")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "text"
    as_written: ClassVar[bool] = True

    def __init__(
        self,
        codes: Annotated[int, Field(ge=2, le=1000)] = 64,
        columns: Annotated[int, Field(ge=2, le=500)] = 24,
        bins: Annotated[int, Field(ge=2, le=1000)] = 50,
    ) -> None:
        self.codes, self.columns, self.bins = codes, columns, bins

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """Values that come again and again."""
        if sample.values.dtype in (pl.Categorical, pl.Enum):
            return 0.97
        if not len(sample.values) or sample.values.dtype.is_temporal():
            return 0.0
        if sample.values.dtype != pl.String:
            return 0.6
        share = sample.distinct / max(1, sum(sample.counts) if sample.distinct <= len(sample.counts) else sample.rows)
        if sample.distinct <= 20 or share <= 0.1:
            return 0.7
        return 0.55 if share <= 0.6 else 0.4

    def read(self, value: object) -> object:
        """The value as text, as it is written; whole numbers without a decimal point."""
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            if np.isnan(value):
                return None
            return str(int(value)) if value.is_integer() else repr(value)
        return str(value).strip() or None

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """Rows of each value, the most frequent ones by name and the rest together."""
        counts = _counted(column) if like else _ordered(_counted(column))
        known = sum(counts.values())
        kept = [k for k in like.bins if k != _OTHER] if like else list(counts)[: self.bins]
        bins = {k: counts.get(k, 0) for k in kept}
        rest = known - sum(bins.values())
        if rest or (like and _OTHER in like.bins):
            bins[_OTHER] = rest
        numbers: dict[str, Any] = {} if like else {"distinct": len(counts)}
        if counts and not like:
            top, times = next(iter(counts.items()))
            numbers |= {"top": top, "top_share": times / known, "rare": sum(1 for c in counts.values() if c < 5)}
            share = np.array(list(counts.values())) / known
            numbers["effective"] = float(
                np.exp(-(share * np.log(share)).sum())
            )  # how many equal values would say as much
        return ColumnProfile(name, "category", len(column), len(column) - known, bins, (), numbers)

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """Codes or columns when there are few values, out-of-fold target encodings when there are many."""
        counts = _counts(column)
        missing = len(column) - sum(counts.values())
        if not counts or (len(counts) == 1 and not missing):
            return Fitted((), why="constant in the training rows")
        if form == "levels":
            if len(counts) <= self.codes:
                return Fitted((_coded(name, counts, len(column)),))
            return self._many(name, column, counts, signal, scaled=False)
        fewest = max(2, min(10, len(column) // 100))
        kept = [k for k, c in counts.items() if c >= fewest][: self.columns]
        other = missing > 0 or len(kept) < len(counts)
        features: list[Feature] = []
        if kept:
            ends = (f"{name}={k}" for k in kept)
            names = (*ends, f"{name}={_OTHER}") if other else tuple(ends)
            features.append(Feature(name, tuple(names), (OneHot(categories=tuple(kept), other=other),)))
        if missing and other:
            features.append(Feature(name, (f"{name}:missing",), (IsMissing(),)))
        if len(counts) <= len(kept) + 2:
            return Fitted(tuple(features))
        many = self._many(name, column, counts, signal, scaled=True)
        return Fitted((*features, *many.features), {i + len(features): v for i, v in many.training.items()}, many.why)

    def _many(self, name: str, column: Array, counts: dict[str, int], signal: Signal | None, *, scaled: bool) -> Fitted:
        """How often the value came, and what the target was like there (out of fold on the training rows)."""
        rate = Lookup(table={k: float(np.log1p(c)) for k, c in counts.items()}, unknown=0.0, missing=0.0)
        often = rate.apply(column)
        tail = (Scale(center=float(often.mean()), scale=float(often.std()) or 1.0),) if scaled else ()
        features = [Feature(name, (f"{name}:count",), (rate, *tail))]
        training: dict[int, Array] = {}
        if signal is not None and signal.classes <= 20:
            codes, known = _codes(column, counts)
            for label, answer in _answers(signal):
                table, inner = _encoding(codes, known, answer, signal.folds)
                prior = float(answer.mean())
                words = dict(zip(counts, table.tolist(), strict=True))
                lookup = Lookup(table=words, unknown=prior, missing=float(inner[1]) if inner[1] is not None else prior)
                center, scale = (prior, float(inner[0].std()) or 1.0) if scaled else (0.0, 1.0)
                chain = (lookup, Scale(center=center, scale=scale)) if scaled else (lookup,)
                training[len(features)] = ((inner[0] - center) / scale)[:, None]
                features.append(Feature(name, (f"{name}:target{label}",), chain))
        why = f"{len(counts)} values: encoded by what the target was like in other rows of the same value"
        return Fitted(tuple(features), training, why)

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """Text; the values seen in training are listed when they are few, others are read as unknown."""
        counts = _counts(column.to_numpy().astype(object))
        few = list(counts)[:100]
        schema: dict[str, Any] = {"type": ["string", "number", "null"], "examples": few[:1] or ["a"]}
        schema["description"] = f"one of {len(counts)} values seen in training; others are read as unknown"
        return schema | ({"x-values": few} if len(counts) <= 100 else {})


def _counts(column: Array) -> dict[str, int]:
    """Values with their counts, the most frequent first, then by name."""
    return _ordered(_counted(pl.Series(column.tolist(), dtype=pl.String)))


def _ordered(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda p: (-p[1], p[0])))


def _counted(values: pl.Series) -> dict[str, int]:
    """Values with their counts, in no order."""
    seen = values.drop_nulls().value_counts()
    return dict(zip(seen.to_series(0).to_list(), seen.to_series(1).to_list(), strict=True))


def _coded(name: str, counts: dict[str, int], rows: int) -> Feature:
    """Codes by frequency; values too rare to learn from share the last code with values never seen."""
    fewest = 1 if rows < 200 else 3
    kept = [k for k, c in counts.items() if c >= fewest]
    rare = len(counts) - len(kept)
    last = float(len(kept))
    table = {k: float(i) for i, k in enumerate(kept)}
    unknown = last if rare and kept else None
    return Feature(name, (name,), (Lookup(table=table, unknown=unknown),), len(kept) + (1 if unknown else 0))


def _codes(column: Array, counts: dict[str, int]) -> tuple[Array, Array]:
    place = {k: i for i, k in enumerate(counts)}
    codes = np.array([-1 if v is None else place[v] for v in column], dtype=np.int64)
    return codes, codes >= 0


def _answers(signal: Signal) -> list[tuple[str, Array]]:
    """One target a class (the last of two for two classes), or the value itself."""
    if not signal.classes:
        return [("", signal.values.astype(np.float64))]
    if signal.classes == 2:
        return [("", (signal.values == 1).astype(np.float64))]
    return [(f"_{c}", (signal.values == c).astype(np.float64)) for c in range(signal.classes)]


def _encoding(codes: Array, known: Array, answer: Array, folds: Array) -> tuple[Array, tuple[Array, float | None]]:
    """The table from all rows; the values on the rows themselves from the other folds, and the one for missing."""
    size = int(codes.max()) + 2
    at = np.where(known, codes, size - 1)
    total = np.bincount(at, answer, size)
    rows = np.bincount(at, minlength=size)
    prior = answer.mean()
    table = (total + _SMOOTH * prior) / (rows + _SMOOTH)
    inner = np.empty(len(answer))
    for fold in np.unique(folds):
        here = folds == fold
        t = total - np.bincount(at[here], answer[here], size)
        n = rows - np.bincount(at[here], minlength=size)
        rest = answer[~here].mean() if (~here).any() else prior
        inner[here] = ((t + _SMOOTH * rest) / (n + _SMOOTH))[at[here]]
    return table[: size - 1], (inner, float(table[-1]) if (~known).any() else None)
