"""Lots: a number from 0 to 1 for each row that the row itself decides, so that it draws the same one tomorrow.

Dealt by position, a row would change sides as soon as others arrive, and yesterday's test row would be tomorrow's
training row. A lot is the hash of the row's key: its id columns, or everything that stands in it, each value as what
it is and not as it is written: 22, "22.0" and " 22" are one number, so that a table draws the same lots from CSV, JSON
lines, a database or pandas.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache

import numpy as np
import polars as pl

from thirtyfold.core.door import instants
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.load import WORKERS
from thirtyfold.core.table import Table
from thirtyfold.data.looks import copied

__all__ = ["KEY", "key_column", "keys", "lots"]

_NOTHING = np.uint64(0x9E3779B97F4A7C15)
KEY = "__key__"
"""The column in which the stage gives splitters the key of each row."""
_BASE = 0xD6E8FEB86659FD93
_INVERSE = pow(_BASE, -1, 2**64)
_POSITIONS = 64
"""Texts of at most so many bytes are hashed place by place, all rows at a time."""
AT_ONCE = 1 << 15
"""Texts that are hashed at once, so that what is worked on stays in the cache."""
_FEW = 256
"""A column of fewer different texts in its head is hashed by these."""
_EXACT = 2.0**53
"""From here on a double is not the whole number that was written."""
_DAY = r"^\d{4}-\d{2}-\d{2}"
_NONE = ["", "NA", "N/A", "n/a", "<NA>", "NULL", "Null", "null", "None", "none"]
"""What a table that went through pandas or a database has as no value at all."""
_MASKS = np.array([2 ** (8 * n) - 1 for n in range(9)], dtype=np.uint64)


def lots(table: Table, seed: int, by: Sequence[str] | None = None) -> Array:
    """One lot in [0, 1) a row, uniform over different keys; ``by`` are the key's columns, by default the column
    ``KEY`` where the table has it, else all.
    """
    if by is None and KEY in table.columns:
        key = table[KEY].to_numpy()
    else:
        key = keys(table.frame.select(list(by) if by is not None else list(table.columns)))
    mixed = _mix(key ^ _mix(np.array([seed], dtype=np.uint64))[0])
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def keys(frame: pl.DataFrame, done: Callable[[], None] = lambda: None) -> Array:
    """64 bits for each row, by what stands in it; the order of the columns does not matter. ``done`` is called after
    every million rows.
    """
    total = np.zeros(frame.height, dtype=np.uint64)
    with ThreadPoolExecutor(WORKERS) as pool:  # numpy lets the other thread run meanwhile
        places = range(0, frame.height, AT_ONCE)
        pieces = pool.map(lambda at: _add_keys(frame[at : at + AT_ONCE], total[at : at + AT_ONCE]), places)
        for number, _ in enumerate(pieces, 1):
            if number % 32 == 0:
                done()
    return total


def _add_keys(frame: pl.DataFrame, total: Array) -> None:
    with np.errstate(over="ignore"):
        for column in frame.get_columns():
            total += _mixed(_hashed(column) ^ _word(column.name))


def key_column(frame: pl.DataFrame, ids: Sequence[str], done: Callable[[], None] = lambda: None) -> pl.Series:
    """The key of each row as it was collected, before types were chosen and columns set aside: a changed Spec moves no
    row. ``ids`` name the row where they are different in most rows and not missing; else everything in it does.
    """
    frame = frame.with_columns(_without_place(c) for c in frame.get_columns() if c.dtype == pl.String)
    whole = keys(frame, done)
    known = [n for n in ids if n in frame.columns]
    if known:
        named = frame.select(known)
        there = ~named.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy()
        if np.count_nonzero(copied(named) == np.arange(frame.height)) > 0.5 * frame.height and there.mean() > 0.5:
            whole = np.where(there, keys(named), whole)
    return pl.Series(KEY, whole, dtype=pl.UInt64)


def _without_place(column: pl.Series) -> pl.Series:
    """Paths of files without the folder that all of them lie in: a moved folder is the same data."""
    if not column.drop_nulls().head(10).str.starts_with("/").all() or column.null_count() == len(column):
        return column
    if not column.drop_nulls().str.starts_with("/").all():
        return column
    low, high = str(column.min()), str(column.max())  # what these two have in common, all have
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return column.str.slice(low[:same].rfind("/") + 1)


def _hashed(column: pl.Series) -> Array:
    """64 bits for each value; equal values have equal ones, and others hardly ever."""
    if column.dtype == pl.String:
        plain = _plain_numbers(column)
        if plain is not None:
            return plain
        if len(column) > 4096 and column.head(1024).n_unique() < _FEW:
            different = column.drop_nulls().unique()
            if len(different) <= len(column) // 8:
                return _by_value(column, different)
        return _texts(column)
    if column.dtype in (pl.Date, pl.Datetime):
        return _moments(column)
    return _numbers(column.to_physical())


def _plain_numbers(column: pl.Series) -> Array | None:
    """Where all are numbers without a blank; None where one is not."""
    head = column.head(_FEW)
    if head.cast(pl.Float64, strict=False).null_count() > head.null_count():
        return None
    number = column.cast(pl.Float64, strict=False)
    if number.null_count() > column.null_count():
        return None
    return _numbers(number, column.cast(pl.Int64, strict=False) if _large(number) else None)


def _by_value(column: pl.Series, different: pl.Series) -> Array:
    """Of a column of few different texts, each of which is hashed once."""
    ordered = different.sort() if len(different) < _FEW else different
    hashed = _known(tuple(ordered.to_list())) if len(different) < _FEW else _texts(ordered)
    place = column.cast(pl.Enum(ordered)).to_physical().fill_null(len(ordered))
    return np.asarray(np.append(hashed, _NOTHING)[place.to_numpy()])


@lru_cache(maxsize=256)
def _known(texts: tuple[str, ...]) -> Array:
    """Those of a column whose few texts come again in every piece of it."""
    return _texts(pl.Series(texts, dtype=pl.String))


def _texts(column: pl.Series) -> Array:
    """Texts by what they say: a number by its value, an ISO date by its moment, true as 1, and the rest as it is."""
    text = column.str.strip_chars()
    missing = text.null_count()
    day = text.str.contains(_DAY).fill_null(value=False)
    if len(text) and day.all():  # then none is a number
        moments = instants(text)
        if not moments.null_count():
            return _moments(moments)
    number = text.cast(pl.Float64, strict=False)
    whole = text.cast(pl.Int64, strict=False) if _large(number) else None
    if number.null_count() == missing:
        return _numbers(number, whole)
    moments = instants(text.filter(day))
    if len(moments) == len(text) and not moments.null_count():
        return _moments(moments)
    hashed = _short(text, _words(text))
    if number.null_count() < len(text):
        hashed = np.where(number.is_not_null().to_numpy(), _numbers(number, whole), hashed)
    if len(moments):
        at = day.arg_true().to_numpy()
        hashed[at] = np.where(moments.is_not_null().to_numpy(), _moments(moments), hashed[at])
    return hashed


def _short(text: pl.Series, hashed: Array) -> Array:
    """With the words for true, false and nothing."""
    said = [("true", "True", "TRUE"), ("false", "False", "FALSE"), _NONE]
    for words, value in zip(said, (*_numbers(pl.Series([1.0, 0.0])), _NOTHING), strict=True):
        there = text.is_in(list(words)).fill_null(value=False)
        hashed = np.where(there.to_numpy(), value, hashed) if there.any() else hashed
    return hashed


def _moments(column: pl.Series) -> Array:
    micro = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column.dt.cast_time_unit("us")
    return _numbers(micro.to_physical())


def _large(numbers: pl.Series) -> bool:
    return bool((numbers.abs() >= _EXACT).any())


def _numbers(column: pl.Series, whole: pl.Series | None = None) -> Array:
    """By value; ``whole`` are the same as integers where they are, so that long numbers of ids stay apart."""
    floats = column.cast(pl.Float64)
    if whole is None and column.dtype.is_integer() and _large(floats):
        whole = column.cast(pl.Int64, strict=False)
    numbers = floats.fill_null(float("nan")).to_numpy() + 0.0  # -0.0 is 0.0, and it is no longer the column's own
    bits = numbers.view(np.uint64)
    if whole is None:
        missing = np.isnan(numbers)
        return np.where(missing, _NOTHING, _mixed(bits)) if missing.any() else _mixed(bits)
    with np.errstate(invalid="ignore", over="ignore"):
        long = whole.is_not_null().to_numpy() & (np.abs(numbers) >= _EXACT) & (np.abs(numbers) < 2.0**63)
        near = np.where(long, numbers, 0.0).astype(np.int64)
        beyond = np.where(long, whole.fill_null(0).to_numpy() - near, 0)
        bits = bits + _mix(beyond.view(np.uint64))  # the mix of 0 is 0
    return np.where(np.isnan(numbers), _NOTHING, _mix(bits))


def _word(value: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little"))


def _words(column: pl.Series) -> Array:
    """Texts, each as the polynomial of its bytes plus one at ``_BASE`` modulo 2^64 (Karp and Rabin 1987), mixed; all at
    once, because a cryptographic hash one by one takes four seconds for a million.
    """
    known = column.fill_null("")
    length = known.str.len_bytes().to_numpy().astype(np.int64)
    data = np.frombuffer(str(known.str.join("")[0] or "").encode() + bytes(8), dtype=np.uint8)
    eights = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    starts = np.cumsum(length) - length
    hashed = np.zeros(len(length), dtype=np.uint64)
    longest = int(length.max(initial=0))
    with np.errstate(over="ignore"):
        if longest > _POSITIONS:
            hashed = _long(data[:-8], starts, length)
        else:
            for at in range(0, longest, 8):
                there = length > at
                rows = slice(None) if there.all() else np.flatnonzero(there)
                hashed[rows] += _eight(eights[starts[rows] + at], length[rows] - at, at)
        hashed = _mix(hashed + _NOTHING * (length.astype(np.uint64) + np.uint64(1)))
    return np.where(column.is_null().to_numpy(), _NOTHING, hashed) if column.null_count() else hashed


def _eight(words: Array, left: Array, at: int) -> Array:
    """What eight bytes at place ``at`` add to the polynomials, of which ``left`` are of the text."""
    left = np.minimum(left, 8)
    total = _ones(at)[left]
    words = words & _MASKS[left]  # what is beyond the text adds nothing
    work = np.empty_like(words)
    for place in range(8):
        np.right_shift(words, np.uint64(8 * place), out=work)
        np.bitwise_and(work, np.uint64(255), out=work)
        np.multiply(work, _power(at + place), out=work)
        np.add(total, work, out=total)
    return total


@cache
def _ones(at: int) -> Array:
    """The sum of the first 0 to 8 powers from ``at`` on: each byte counts as one more than it is."""
    return np.array([sum(pow(_BASE, at + i, 2**64) for i in range(n)) % 2**64 for n in range(9)], dtype=np.uint64)


@cache
def _power(place: int) -> np.uint64:
    return np.uint64(pow(_BASE, place, 2**64))


def _long(data: Array, starts: Array, length: Array) -> Array:
    """The polynomials of texts of any length, by the sums of all that was before."""
    wide, ends = data.astype(np.uint64), starts + length
    power = np.multiply.accumulate(np.full(len(data) + 1, _BASE, dtype=np.uint64))
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum((wide + np.uint64(1)) * power[:-1])])
    # (total at the end - total at the start) / base^start, the division by the base's inverse modulo 2^64
    back = np.multiply.accumulate(np.full(len(data) + 1, _INVERSE, dtype=np.uint64))
    return np.asarray((total[ends] - total[starts]) * back[starts])


def _mix(x: Array) -> Array:
    """The last step of SplitMix64 (Steele, Lea and Flood 2014): each bit that goes in moves all that come out."""
    return _mixed(x.copy())


def _mixed(x: Array) -> Array:
    """As ``_mix``, in the place of what is mixed."""
    work = np.empty_like(x)
    with np.errstate(over="ignore"):
        for shift, times in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            np.right_shift(x, np.uint64(shift), out=work)
            np.bitwise_xor(x, work, out=x)
            np.multiply(x, np.uint64(times), out=x)
        np.right_shift(x, np.uint64(31), out=work)
        return np.bitwise_xor(x, work, out=x)
