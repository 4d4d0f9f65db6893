"""Checks that every field type passes, ours and a stranger's: ``check_field_type(Class, values)``."""

import base64
import json
import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.door import DTYPES
from thirtyfold.core.encoder import Encoder
from thirtyfold.core.fieldtype import Array, FieldType, Fitted, Form, Sample, Signal
from thirtyfold.core.pixels import png
from thirtyfold.core.table import to_array

__all__ = ["EXAMPLES", "check_field_type", "sample_of"]

_CITIES = ("Paris", "São Paulo", "Cape Town", "New York City", "<=50K", ">50K", "A-", "A")


def _file(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _tone(pitch: float, rate: int = 4000, samples: int = 600) -> bytes:
    """A WAV file of eight bits."""
    wave = (128 + 100 * np.sin(2 * np.pi * pitch * np.arange(samples) / rate)).astype(np.uint8).tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + samples, b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    return head + struct.pack("<4sI", b"data", samples) + wave


EXAMPLES: dict[str, tuple[object, ...]] = {
    "number": tuple(f"{i * 1.5 - 20}" for i in range(60)),
    "category": tuple(_CITIES[i * i % 8] for i in range(60)),
    "boolean": tuple("yes" if i % 3 else "no" for i in range(60)),
    "moment": tuple(f"2024-{1 + i % 12:02d}-{1 + i % 28:02d} {i % 24:02d}:{i % 60:02d}:00" for i in range(60)),
    "text": tuple(f"the {w} dog number {i} ran to {w} town" for i, w in enumerate(("quick", "lazy", "old") * 20)),
    "id": tuple(f"AB-{i:05d}-X" for i in range(60)),
}
"""Raw values that are plainly of one kind, by word."""

EXAMPLES |= {
    "image": tuple(_file(png(np.full((6, 9), 4 * (i % 50), dtype=np.uint8))) for i in range(60)),
    "audio": tuple(_file(_tone(200 + 10 * (i % 50))) for i in range(60)),
}

_ODD: tuple[object, ...] = ("", " ", "\x00", "🦆" * 50, 1e308, -1, 10**30, True, "nan", "inf", "1e400", "x" * 10_000)


def sample_of(values: Sequence[object], name: str = "column") -> Sample:
    """What recognition looks at, from raw values."""
    series = pl.Series(name, values, strict=False)
    known = series.drop_nulls()
    seen = known.to_frame().group_by(name, maintain_order=True).len("__count__")
    counts = tuple(int(c) for c in seen.to_series(1))
    return Sample(name, seen.to_series(0), counts, len(series), seen.height)


def check_field_type(member: type[FieldType], values: Sequence[object]) -> None:
    """Run a field type through its contract on raw ``values`` that are of its kind (sixty or so, some of them equal).

    Raises AssertionError that says what is not kept.
    """
    kind = member()
    _declares(member)
    _recognizes(member, values)
    column = _reads(kind, values)
    _profiles(kind, column)
    _describes(kind, column)
    for form in member.forms:
        for signal in _signals(len(column)):
            _fits(kind, column, form, signal)


def _declares(member: type[FieldType]) -> None:
    assert member.dtype in DTYPES, f"dtype must be one of {', '.join(DTYPES)}, got {member.dtype!r}"
    assert member.forms, "forms is empty: no model could use such a column"
    assert (member.__doc__ or "").strip(), "the class has no docstring; its first line is shown to users"


def _recognizes(member: type[FieldType], values: Sequence[object]) -> None:
    sure = member.recognize(sample_of(values))
    assert 0 < sure <= 1, f"recognize gives {sure} for values of its own kind; expected above 0, at most 1"
    assert sure == member.recognize(sample_of(values)), "recognize gives two answers for one sample"
    for other in (*EXAMPLES.values(), (None,) * 5, ("a",), (1.5, None, 2.0)):
        score = member.recognize(sample_of(other))
        assert 0 <= score <= 1, f"recognize gives {score}; expected 0 to 1"


def _reads(kind: FieldType, values: Sequence[object]) -> pl.Series:
    expected = {"number": float, "text": str, "moment": datetime}[kind.dtype]
    assert kind.read(None) is None, "read(None) must be None: missing"
    typed = []
    for value in values:
        found = kind.read(value)
        assert isinstance(found, expected), (
            f"read({value!r}) gives {type(found).__name__}, expected {expected.__name__}"
        )
        assert kind.read(found) == found, f"read({value!r}) gives {found!r}, which read does not give back"
        typed.append(found)
    for odd in _ODD:
        try:
            found = kind.read(odd)
        except ValueError as error:
            assert str(error).strip(), f"read({odd!r}) raises ValueError without a sentence"
            continue
        assert found is None or isinstance(found, expected), f"read({odd!r}) gives {found!r}"
        assert not isinstance(found, float) or np.isfinite(found), f"read({odd!r}) gives {found}; None is missing"
    return pl.Series("column", typed, dtype=DTYPES[kind.dtype])


def _profiles(kind: FieldType, column: pl.Series) -> None:
    holes = pl.Series("column", [None, None, None], dtype=column.dtype)
    base = kind.profile("column", pl.concat([column, holes]))
    assert (base.rows, base.missing) == (len(column) + 3, 3), f"profile counts {base.rows} rows, {base.missing} missing"
    assert not base.bins or sum(base.bins.values()) == len(column), "bins do not add up to the rows that are known"
    json.dumps([base.bins, base.edges, base.numbers], allow_nan=False)
    later = kind.profile("column", column.head(7), like=base)
    assert list(later.bins) == list(base.bins) and later.edges == base.edges, "with like=, the bins must be the same"
    assert not later.bins or sum(later.bins.values()) == 7, "with like=, every known value must fall into a bin"
    for empty in (holes, column.clear()):
        kind.profile("column", empty)
        kind.profile("column", empty, like=base)


def _describes(kind: FieldType, column: pl.Series) -> None:
    for series in (column, column.clear()):
        schema = kind.schema(series)
        json.dumps(schema, allow_nan=False)
        assert schema.get("examples"), "schema has no examples: the playground and the docs show one"
        for example in schema["examples"]:
            assert kind.read(example) is not None, f"the schema's example {example!r} is read as missing"
        assert schema.get("description"), "schema has no description"


def _signals(rows: int) -> list[Signal | None]:
    codes = np.arange(rows, dtype=np.int64)
    folds = codes % 5
    return [None, Signal(codes % 2, 2, folds), Signal(codes % 3, 3, folds), Signal(np.sin(codes), 0, folds)]


def _fits(kind: FieldType, column: pl.Series, form: Form, signal: Signal | None) -> None:
    whole = to_array(column)
    gaps = whole.copy()
    gaps[::7] = None if whole.dtype == object else np.nan
    for x in (whole, gaps):
        fitted = kind.fit("column", x, form, signal)
        again = kind.fit("column", x, form, signal)
        encoder = Encoder(form, fitted.features)
        assert encoder.to_json() == Encoder(form, again.features).to_json(), "fit twice on one column differs"
        assert Encoder.from_json(encoder.to_json()) == encoder, "features do not survive being saved as JSON"
        assert len(set(encoder.names)) == len(encoder.names), f"two features have one name: {encoder.names}"
        _encodes(encoder, x, form, opens=hasattr(kind, "content"))
        _out_of_fold(fitted, len(x))
    nothing = np.full(len(whole), None if whole.dtype == object else np.nan, dtype=whole.dtype)
    same = whole.copy()
    same[:] = whole[0]
    for x in (nothing, same):
        kind.fit("column", x, form, signal)


def _encodes(encoder: Encoder, x: Array, form: Form, *, opens: bool) -> None:
    """Shapes, codes, and a row alone; what stands for a file (``opens``) cannot be any text."""
    if not encoder.features:
        return
    never = None if opens else "\x00 never seen"
    strange = np.array([None, never], dtype=object) if x.dtype == object else np.array([np.nan, 1e15])
    everything = np.concatenate([x, strange])
    matrix = encoder.encode({"column": everything})
    assert matrix.shape == (len(everything), len(encoder.names)), "encode gives another shape than names says"
    if form != "levels":
        assert np.isfinite(matrix).all(), f"the form '{form}' must be complete; not finite: {_bad(encoder, matrix)}"
    for i in (0, len(x) // 2, len(x), len(x) + 1):
        alone = encoder.encode({"column": everything[i : i + 1]})
        assert np.array_equal(alone[0], matrix[i], equal_nan=True), "a row alone is encoded otherwise than among others"
    for code, width in zip(matrix.T, encoder.categories, strict=True):
        known = code[~np.isnan(code)]
        if width:
            assert ((known >= 0) & (known < width)).all(), f"codes outside 0 to {width - 1}"


def _bad(encoder: Encoder, matrix: Array) -> list[str]:
    return [n for n, c in zip(encoder.names, matrix.T, strict=True) if not np.isfinite(c).all()]


def _out_of_fold(fitted: Fitted, rows: int) -> None:
    for at, values in fitted.training.items():
        width = len(fitted.features[at].names)
        shape: Any = np.asarray(values).shape
        assert shape == (rows, width), f"training[{at}] has the shape {shape}, expected {(rows, width)}"
        assert np.isfinite(values).all(), f"training[{at}] is not finite"
