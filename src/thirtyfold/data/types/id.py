"""id: what names a row and says nothing about it; kept to find rows again, never given to a model."""

import re
from typing import Any, ClassVar, Literal

import polars as pl

from thirtyfold.core.fieldtype import Array, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile

__all__ = ["Id"]

_NAME = re.compile(r"(?:^|[^a-z])(id|ids|uuid|guid|key|index|idx|no|nr|number|num|instant|rownum|code)$")
_CAMEL = re.compile(r"(?<=[a-z])(ID|Id|Key|No|Number|Code)$")


class Id:
    """Names of rows: a different one in every row, in a code or a counter, without a meaning of its own."""

    forms: ClassVar[tuple[Form, ...]] = ("levels", "vector")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "text"
    as_written: ClassVar[bool] = True

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """Different in every row, and a counter, a code of one shape, or named as an id."""
        if sample.distinct < sample.rows or sample.rows < 20 or sample.values.dtype.is_temporal():
            return 0.0
        called = bool(_NAME.search(sample.name.lower()) or _CAMEL.search(sample.name))
        text = sample.values.cast(pl.String) if not sample.values.dtype.is_float() else None
        whole = text is not None and bool(text.str.contains(r"^\d{1,15}$").all())
        if text is None:
            return 0.0
        if whole:
            numbers = text.cast(pl.Int64)
            counter = len(numbers) > 1 and numbers.diff().drop_nulls().n_unique() == 1
            return 0.97 if counter else 0.93 if called else 0.0
        coded = bool((~text.str.contains(r"\s")).all()) and float(str(text.str.contains(r"\d").mean())) > 0.9
        as_number = text.str.contains(r"^[-+(]*\p{Sc}?[-+]?[\d.,' ]*(?:[eE][+-]?\d+)?\s*[%\p{Sc})]*$").mean() or 0.0
        dated = text.str.contains(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}").mean() or 0.0
        if float(str(as_number)) > 0.05 or float(str(dated)) > 0.05:
            return 0.0
        if coded:
            return 0.93
        return 0.85 if called and bool((~text.str.contains(r"\s")).all()) else 0.0

    def read(self, value: object) -> object:
        """The name as text; whole numbers without a decimal point."""
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value).strip() or None

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """How many there are and their shape ("aa-9999"): names of rows are not kept in a profile."""
        del like
        known = column.drop_nulls().cast(pl.String)
        shape = known.str.replace_all(r"\p{L}", "a").str.replace_all(r"\d", "9")
        top = shape.alias("shape").value_counts().sort(["count", "shape"], descending=[True, False]).head(1).rows()
        numbers = {"distinct": known.n_unique()}
        numbers |= {"shape": top[0][0][:60], "shape_share": top[0][1] / len(known)} if top else {}
        return ColumnProfile(name, "id", len(column), column.null_count(), {}, (), numbers)

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """Nothing: what names a row must not be learned from."""
        del name, column, form, signal
        return Fitted((), why="an id is not a feature")

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """Any text or whole number."""
        known = column.drop_nulls()
        return {
            "type": ["string", "integer", "null"],
            "description": "names the row; not used by the model",
            "examples": [known[0] if len(known) else "1"],
        }
