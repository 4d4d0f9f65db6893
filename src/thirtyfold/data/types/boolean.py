"""boolean: yes or no, in the pairs of words that people write."""

from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array, Feature, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.transform import Fill, IsMissing, Scale

__all__ = ["Boolean"]

_PAIRS = (("yes", "no"), ("true", "false"), ("y", "n"), ("t", "f"), ("1", "0"), ("on", "off"), ("1.0", "0.0"))
_WORDS = {**{t: 1.0 for t, _ in _PAIRS}, **{f: 0.0 for _, f in _PAIRS}}


class Boolean:
    """Two answers, yes or no, kept as 1 and 0: yes/no, true/false, y/n, t/f, on/off, 1/0 in any case."""

    forms: ClassVar[tuple[Form, ...]] = ("levels", "vector")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "number"

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """Both words of one pair and no other value."""
        if sample.values.dtype == pl.Boolean:
            return 0.98
        if sample.distinct != 2 or sample.values.dtype.is_temporal():
            return 0.0
        seen = {_plain(v) for v in sample.values.to_list()}
        return 0.95 if any(seen == set(pair) for pair in _PAIRS) else 0.0

    def read(self, value: object) -> object:
        """1.0 or 0.0; raises ValueError for anything but yes and no."""
        if value is None:
            return None
        found = _WORDS.get(_plain(value))
        if found is None:
            raise ValueError(f"'{str(value)[:40]}' is not yes or no")
        return found

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """How many are false and true."""
        del like
        known = column.drop_nulls()
        true = int(known.sum() or 0)
        bins = {"false": len(known) - true, "true": true}
        share = true / len(known) if len(known) else 0.0
        return ColumnProfile(
            name, "boolean", len(column), column.null_count(), bins, (), {"distinct": known.n_unique(), "true": share}
        )

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """One number, and one more that says where it was missing for forms that must be complete."""
        del signal
        known = column[~np.isnan(column)]
        if not len(known) or (known.min() == known.max() and len(known) == len(column)):
            return Fitted((), why="constant in the training rows")
        if form == "levels":
            return Fitted((Feature(name, (name,), ()),))
        features: list[Feature] = []
        if known.min() < known.max():
            mean = float(known.mean())
            chain = (Fill(value=float(mean >= 0.5)), Scale(center=mean, scale=float(known.std())))
            features.append(Feature(name, (name,), chain))
        if len(known) < len(column):
            features.append(Feature(name, (f"{name}:missing",), (IsMissing(),)))
        return Fitted(tuple(features))

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """True or false; the words and 1 and 0 are read too."""
        del column
        return {"type": ["boolean", "string", "number", "null"], "description": "yes or no", "examples": [True]}


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip().lower()
