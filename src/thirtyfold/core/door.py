"""Door: raw values to typed ones, the same in training and at serving, and strict.

For each column: what means "missing" becomes missing, the value is read as the column's field type, and a known
spelling becomes the one that is kept. What cannot be read is a fault that names row, column and value.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Family, nearest
from thirtyfold.core.fieldtype import Array, FieldType
from thirtyfold.core.figures import moments_of
from thirtyfold.core.late import np, pl
from thirtyfold.core.mending import mend_frame, mend_rows
from thirtyfold.core.table import Column, Table

__all__ = ["Door", "Unreadable", "fingerprint", "instants", "read_column", "typed"]

TYPES: Family[FieldType] = Family("data.types")

_AMOUNTS = (float, int)
"""The types of JSON that are amounts; a truth is none, though Python counts it among whole numbers."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - moments are kept in UTC, without a zone
DTYPES: dict[str, Any] = {"number": pl.Float64, "text": pl.String, "moment": pl.Datetime("us")}


@dataclass(frozen=True)
class Unreadable:
    """One value that cannot be of its column's type: its position, the value, and why."""

    at: int
    value: str
    why: str


def fingerprint(text: str) -> str:
    """A spelling without case, accents, punctuation and extra spaces: 'São  Paulo.' and 'sao paulo' are one.

    Signs that carry meaning stay: '<=50K' is not '>50K', 'C++' not 'C', 'A-' not 'A', '-1' not '1', '1.5' not '15'.
    """
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(_kept(plain, at, c) for at, c in enumerate(plain) if not unicodedata.combining(c))
    return " ".join(letters.casefold().split())


def _kept(text: str, at: int, char: str) -> str:
    """The character in a fingerprint: itself, nothing, or a space."""
    if char.isalnum() or char in "<>=+#%&":
        return char
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if char in ".," and before.isdigit() and after.isdigit():
        return "."
    if char in "-\u2212":
        negative = after.isdigit() and not before.isalnum()
        grade = before.isalpha() and not after.strip() and not text[max(0, at - 3) : max(0, at - 2)].isalnum()
        return "-" if negative or grade else " "
    return "" if char in "'\u2019`" else " "


_SEPARATORS = "[\\x1c-\\x1f]"
"""What Python takes for blank and Polars does not."""


def read_column(column: Column, raw: pl.Series) -> tuple[pl.Series, list[Unreadable]]:
    """A raw column as typed (Float64, String or Datetime), and what could not be read (missing in the result).

    Each distinct value is read once, so that a column of few values costs little at any length.
    """
    kind = typed(column)
    dtype = DTYPES[kind.dtype]
    if raw.dtype == pl.Duration:
        raw = (raw.dt.total_microseconds() / 1e6).alias(raw.name)  # in seconds, as it was learned from
    if raw.dtype == pl.Null:
        return pl.Series(raw.name, [None] * len(raw), dtype=dtype), []
    if kind.dtype == "number" and raw.dtype.is_numeric() and not column.markers and column.type == "number":
        number = raw.cast(pl.Float64)
        return number.set(number.is_nan() | number.is_infinite(), None), []
    if raw.dtype == pl.String and getattr(kind, "as_written", False) and not raw.str.contains(_SEPARATORS).any():
        text = raw.str.strip_chars() if raw.str.contains(r"^\s|\s$").any() else raw
        missing = text.is_in(["", *column.markers])
        text = text.set(missing, None) if missing.any() else text
        return (text.replace(column.spellings) if column.spellings else text).alias(raw.name), []
    plain = _plain_values(column, raw)
    distinct = (raw if plain is None else raw.filter(plain.is_null())).unique(maintain_order=True)
    values: list[Any] = []
    wrong: dict[Any, str] = {}
    for value in distinct.to_list():
        try:
            values.append(_read(column, kind, value))
        except ValueError as error:
            values.append(None)
            wrong[value] = str(error)
    known = pl.Series(values, dtype=dtype)
    if plain is None:
        mapped = raw.replace_strict(distinct, known, return_dtype=dtype)
    else:
        mapped = plain.fill_null(raw.replace_strict(distinct, known, default=None, return_dtype=dtype))
    if not wrong:
        return mapped.alias(raw.name), []
    bad = raw.is_in(distinct.filter(distinct.is_in(list(wrong))).implode()).fill_null(value=False).arg_true()
    found = zip(bad.to_list(), raw.gather(bad).to_list(), strict=True)
    return mapped.alias(raw.name), [Unreadable(at, str(v), wrong[v]) for at, v in found]


_DATE = r"^(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])-\d{2}-\d{2}"
_ISO = _DATE + r"T\d{2}:[0-5]\d:[0-5]\d(\.\d{3}(\d{3})?)?$"
"""What Polars takes beyond it (a second 60, a year 0) one row at the door is not."""
_DAY = 10
"""The length of a date without a time of day."""
_CLOCKS = (("%Y-%m-%dT%H:%M:%S", 19), ("%Y-%m-%dT%H:%M:%S.%3f", 23), ("%Y-%m-%dT%H:%M:%S.%6f", 26))
"""Patterns by length: read so, a million moments take a sixth of the time that "%.f" takes."""


def _plain_values(column: Column, raw: pl.Series) -> pl.Series | None:
    """Plain decimals and ISO moments read all at once, the others null; None where this is not for the column.

    A million different values take 0.1 s instead of 2 s for numbers and 15 s for moments; whatever is not plain is
    read one by one.
    """
    if raw.dtype != pl.String or column.type not in ("number", "moment"):
        return None
    if column.type == "moment":
        text = raw.str.strip_chars()
        plain = None if column.markers else moments_of(text)
        if plain is not None:
            return plain
        found = _iso(text)
        if found is None:
            return None
    elif column.options.get("decimal", ".") == ".":
        text = raw.str.strip_chars()
        shape = text.str.contains(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?$")
        found = pl.select(pl.when(shape).then(text.cast(pl.Float64, strict=False))).to_series()
    else:
        return None
    return pl.select(pl.when(~text.is_in(list(column.markers))).then(found)).to_series() if column.markers else found


def instants(text: pl.Series) -> pl.Series:
    """Texts that begin with an ISO date as moments in UTC, null for what is none: quicker than a column is read."""
    plain = moments_of(text)
    if plain is not None:
        return plain
    text = text.str.strip_suffix("Z").str.strip_suffix("+00:00")
    long = text.str.len_bytes()
    moments = _clocked(text.str.replace(" ", "T", literal=True), long)
    if not (long == _DAY).any():
        return moments
    days = pl.when(long == _DAY).then(text.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us"))
    return pl.select(pl.coalesce(moments, days)).to_series()


def _iso(text: pl.Series) -> pl.Series | None:
    """Moments in ISO 8601, and null for what is none; None where nothing is."""
    whole = text.str.contains(_ISO.replace("T", "[T ]"))
    day = text.str.contains(_DATE + "$")
    if not (whole.any() or day.any()):
        return None
    long = pl.select(pl.when(whole).then(text.str.len_bytes())).to_series()
    moments = _clocked(text.str.replace(" ", "T", literal=True), long)
    days = pl.when(day).then(text.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us"))
    return pl.select(pl.coalesce(moments, days)).to_series()


def _clocked(text: pl.Series, long: pl.Series) -> pl.Series:
    """Days with clock times by the pattern for their length; null where ``long`` is."""
    parts = [
        pl.when(long == size).then(text.str.to_datetime(pattern, strict=False, time_unit="us"))
        for pattern, size in _CLOCKS
        if (long == size).any()
    ]
    if not parts:
        return pl.repeat(None, len(text), dtype=pl.Datetime("us"), eager=True)
    return pl.select(pl.coalesce(parts)).to_series()


def typed(column: Column) -> FieldType:
    """The field type of a column, made with its options."""
    return TYPES.build({column.type: column.options}, f"fields.{column.name}")


def _read(column: Column, kind: FieldType, value: object) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
        if not value or value in column.markers:
            return None
    elif column.markers and _plain(value) in column.markers:
        return None
    read = kind.read(value)
    return column.spellings.get(read, read) if isinstance(read, str) and column.spellings else read


def _strict(column: Column, value: object) -> None:
    """Raise ValueError for a value whose JSON type is wrong for the column: read on, it would be a confident guess."""
    if isinstance(value, dict | list):
        raise ValueError(f"must be one value, not {'a list' if isinstance(value, list) else 'an object'}")
    if column.type == "number" and isinstance(value, bool):
        raise ValueError(f"'{str(value).lower()}' is not a number")
    if isinstance(value, float) and math.isinf(value):
        raise ValueError("is too large or infinite; a missing number is null")


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@dataclass(frozen=True)
class Door:
    """The way in for the rows of a Package: its input columns as they were cleaned in training.

    ``aside`` are columns that the training table had and the model does not look at: rows may have them all the same.
    """

    columns: tuple[Column, ...]
    aside: frozenset[str] = frozenset()

    @cached_property
    def _types(self) -> dict[str, FieldType]:
        return {c.name: typed(c) for c in self.columns}

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(c.name for c in self.columns)

    @cached_property
    def _amounts(self) -> tuple[str, ...]:
        """The columns in which a finite number is read as itself, because none of them means missing."""
        return tuple(c.name for c in self.columns if c.type == "number" and not c.markers)

    @cached_property
    def _mends(self) -> bool:
        return any(c.mending is not None for c in self.columns)

    @cached_property
    def _by_print(self) -> dict[str, dict[str, str]]:
        """For each column with learned spellings, the one kept by fingerprint, where all agree on one."""
        out: dict[str, dict[str, str]] = {}
        for column in self.columns:
            kept: dict[str, set[str]] = {}
            for written, canon in column.spellings.items():
                kept.setdefault(fingerprint(written), set()).add(canon)
                kept.setdefault(fingerprint(canon), set()).add(canon)
            out[column.name] = {key: next(iter(canon)) for key, canon in kept.items() if len(canon) == 1}
        return out

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Array]:
        """Rows of JSON values to typed arrays; raises DataError with every fault of every row."""
        rows = list[Mapping[str, Any]](rows)
        faults: list[Fault] = []
        out: dict[str, Array] = {}
        known = [c.name for c in self.columns]
        for at, row in enumerate(rows):
            if row.keys() == self._names:
                continue
            where = f"rows.{at}." if len(rows) > 1 else ""
            faults += [
                Fault(f"{where}{n}", "there is no such field.", ", ".join(known), nearest(n, known))
                for n in row
                if n not in self._names and n not in self.aside
            ]
            faults += [Fault(f"{where}{n}", "this field is missing.") for n in known if n not in row]
        if self._mends:
            rows = [*mend_rows(self.columns, rows)]
        amounts = self._amounts_of(rows)
        for column in self.columns:
            out[column.name] = amounts[column.name] if column.name in amounts else self._column(column, rows, faults)
        if faults:
            raise DataError(sorted(faults, key=lambda f: f.where))
        return out

    def _amounts_of(self, rows: list[Mapping[str, Any]]) -> dict[str, Array]:
        """The columns whose values are all read as themselves: at once, for one row is most often asked."""
        named: Sequence[str] = self._amounts
        for row in rows:
            named = [n for n in named if type(row.get(n)) in _AMOUNTS]
        try:
            array = np.array([[row[n] for row in rows] for n in named], dtype=np.float64).reshape(len(named), len(rows))
        except OverflowError:
            return {}
        return dict(zip(named, array, strict=True)) if np.isfinite(array).all() else {}

    def _column(self, column: Column, rows: list[Mapping[str, Any]], faults: list[Fault]) -> Array:
        kind, kept = self._types[column.name], self._by_print[column.name]
        values: list[Any] = []
        for at, row in enumerate(rows):
            try:
                given = row.get(column.name)
                _strict(column, given)
                if (ask := getattr(kind, "request", None)) is not None:
                    ask(given)
                value = _read(column, kind, given)
                values.append(kept.get(fingerprint(value), value) if kept and isinstance(value, str) else value)
            except ValueError as error:
                faults.append(Fault(f"rows.{at}.{column.name}" if len(rows) > 1 else column.name, f"{error}."))
                values.append(None)
        if kind.dtype == "text":
            array = np.empty(len(values), dtype=object)
            array[:] = values
            return array
        if kind.dtype == "number":
            return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        return np.array([np.nan if v is None else (v - _EPOCH).total_seconds() for v in values], dtype=np.float64)

    def table(self, frame: pl.DataFrame) -> tuple[Table, list[Fault]]:
        """A whole frame to a typed Table, and its faults: columns that are not there, values that cannot be read.

        Columns that the Package does not know are left out. Raises DataError when a column is missing.
        """
        names = frame.columns
        missing = [
            Fault(c.name, "this column is missing.", ", ".join(names), nearest(c.name, names))
            for c in self.columns
            if c.name not in names
        ]
        if missing:
            raise DataError(missing)
        faults: list[Fault] = []
        done = []
        frame = mend_frame(self.columns, frame)
        for column in self.columns:
            values, wrong = read_column(column, frame[column.name])
            faults += [Fault(f"rows.{u.at}.{column.name}", f"{u.why}.") for u in wrong]
            kept = self._by_print[column.name]
            if kept and values.dtype == pl.String:
                seen = values.drop_nulls().unique()
                known = {v: kept.get(fingerprint(v), v) for v in seen.to_list()}
                values = values.replace_strict(known, return_dtype=pl.String, default=None) if known else values
            done.append(values)
        return Table.of(pl.DataFrame(done), {c.name: c for c in self.columns}), faults
