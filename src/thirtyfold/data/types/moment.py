"""moment: dates and times, in the notations of the column, kept in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.fieldtype import Array, Feature, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.transform import Calendar, Clip, Cycle, Fill, IsMissing, Scale, Transform

__all__ = ["Moment"]

Part = Literal["year", "month", "day", "weekday", "hour", "minute", "yearday"]

Order = Literal["month_first", "day_first"]

_TIME = (
    r"(?:[T ,:]+(?P<h>\d{1,2})[:.](?P<m>\d{2})(?:[:.](?P<s>\d{2})(?:[.,](?P<f>\d{1,6})\d*)?)?"
    r"\s*(?P<p>[AaPp]\.?[Mm]\.?)?)?\s*(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_PATTERNS = tuple(
    re.compile(r"(?:[A-Za-z]{3,9},?\s+)?" + day + _TIME)
    for day in (
        r"(?P<Y>\d{4})[-/.](?P<M>\d{1,2})(?:[-/.](?P<D>\d{1,2}))?",
        r"(?P<a>\d{1,2})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<Y>\d{4}|\d{2})",
        r"(?P<D>\d{1,2})(?:st|nd|rd|th)?[-/. ](?P<N>[A-Za-z]{3,9})\.?,?[-/. ](?P<Y>\d{4}|\d{2})",
        r"(?P<N>[A-Za-z]{3,9})\.? (?P<D>\d{1,2})(?:st|nd|rd|th)?,? (?P<Y>\d{4})",
    )
)
_MONTHS = {
    m: i for i, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_NAME = re.compile(r"time|date|stamp|epoch|(?:^|_)(?:at|on|when|ts)$")
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}
_SPANS: tuple[tuple[Part, float], ...] = (("month", 12), ("weekday", 7), ("hour", 24))


class Moment:
    """Dates and times: ISO 8601, day or month first, names of months, or seconds since 1970.

    ``order`` says what comes first where a date is written in figures; ``epoch`` is the unit of plain numbers, which
    with ``compact`` are dates without marks instead: 20201026 is the 26th of October 2020.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels", "vector")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "moment"

    def __init__(
        self,
        order: Order = "day_first",
        epoch: Literal["s", "ms", "us"] | None = None,
        bins: Annotated[int, Field(ge=2, le=100)] = 10,
        *,
        compact: bool = False,
    ) -> None:
        self.compact = compact
        self.order: Order = order
        self.epoch: Literal["s", "ms", "us"] | None = epoch
        self.bins = bins

    @classmethod
    def infer(cls, sample: Sample) -> dict[str, Any]:
        """Which of day and month comes first: the order that reads more values, then the one in which rows ascend."""
        if _compact(sample):
            return {"compact": True}
        if sample.values.dtype.is_numeric() or _digits(sample.values):
            return {"epoch": _unit(sample)}
        if sample.values.dtype != pl.String:
            return {}
        scores: dict[str, tuple[int, int]] = {}
        orders: tuple[Order, Order] = ("day_first", "month_first")
        for order in orders:
            found = [_parsed(str(v), order) for v in sample.values.head(400).to_list()]
            read = [f for f in found if f is not None]
            rises = sum(a <= b for a, b in pairwise(read))
            scores[order] = (len(read), rises)
        return {"order": "month_first"} if scores["month_first"] > scores["day_first"] else {}

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """Values in the shape of dates that can be read, or large whole numbers in a column named like a time."""
        if sample.values.dtype.is_temporal():
            return 0.99
        if not len(sample.values):
            return 0.0
        if _compact(sample):
            return 0.96
        if sample.values.dtype.is_numeric() or _digits(sample.values):
            called = _NAME.search(sample.name.lower())
            return 0.96 if called and _unit(sample) else 0.0
        if sample.values.dtype != pl.String:
            return 0.0
        head = sample.values.head(200).to_list()
        if sum(len(v) >= 6 and any(c.isdigit() for c in v) for v in head) < 0.9 * len(head):
            return 0.0
        if sum(v.replace(".", "", 1).isdigit() for v in head) > 0.1 * len(head):
            return 0.0
        kind = cls(**cls.infer(sample))
        share = sum(kind._try(v) is not None for v in head) / len(head)
        return 0.95 * share if share >= 0.9 else 0.0

    def read(self, value: object) -> object:
        """A datetime in UTC without a zone; raises ValueError for what is no date or time."""
        if value is None or value == "":
            return None
        if isinstance(value, datetime):
            return _plain(value)
        if isinstance(value, date):
            return datetime.combine(value, time())
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return self._from_number(float(value))
            except OverflowError:
                raise ValueError("a whole number of more than 308 digits is no date or time") from None
        found = self._try(str(value).strip())
        if found is None:
            raise ValueError(f"'{str(value)[:40]}' is not a date or time")
        return found

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """Rows over intervals of equal shares between the first and the last moment; edges in seconds since 1970."""
        known = column.drop_nulls()
        seconds = known.dt.epoch("us").to_numpy() / 1e6
        inner: Any = np.unique(np.quantile(seconds, np.linspace(0, 1, self.bins + 1)[1:-1])) if len(seconds) else ()
        edges = like.edges if like else tuple(float(e) for e in inner)
        counts = np.bincount(np.searchsorted(np.array(edges), seconds, side="right"), minlength=len(edges) + 1)
        names = [_stamp(e) for e in edges]
        labels = [f"before {names[0]}", *(f"from {n}" for n in names)] if names else ["all"]
        bins = dict.fromkeys(labels, 0)
        for label, count in zip(labels, counts, strict=True):
            bins[label] += int(count)
        numbers: dict[str, Any] = {"distinct": known.n_unique()}
        if len(seconds):
            numbers |= {"first": _stamp(seconds.min()), "last": _stamp(seconds.max())}
        if len(seconds) > 1 and not like:
            steps = np.diff(np.sort(seconds))
            numbers |= {
                "span_days": float(seconds.max() - seconds.min()) / 86400,
                "largest_gap_days": float(steps.max()) / 86400,
                "in_order": float((np.diff(seconds) >= 0).mean()),
                "at_midnight": float((seconds % 86400 == 0).mean()),
            }
        if like and len(bins) != len(like.bins):
            bins = {label: int(c) for label, c in zip(like.bins, counts, strict=True)}
        return ColumnProfile(name, "moment", len(column), column.null_count(), bins, edges, numbers)

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """The parts of the calendar that vary, as numbers or on a circle, and the days since the first moment."""
        del signal
        known = column[~np.isnan(column)]
        if not len(known) or (known.min() == known.max() and len(known) == len(column)):
            return Fitted((), why="constant in the training rows")
        features = _levels(name, known) if form == "levels" else _vector(name, known)
        if form == "vector" and len(known) < len(column):
            features.append(Feature(name, (f"{name}:missing",), (IsMissing(),)))
        return Fitted(tuple(features))

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """A date or time in ISO 8601, or in the notation of the training data."""
        known = column.drop_nulls()
        example = known[0].isoformat() if len(known) else "2026-01-31T12:00:00"
        kinds = ["string", "number", "null"] if self.epoch or self.compact else ["string", "null"]
        return {"type": kinds, "description": "a date or time (ISO 8601)", "examples": [example]}

    def _try(self, text: str) -> datetime | None:
        """The moment, or None."""
        text = text.strip()
        if self.compact and text.removesuffix(".0").isdigit():
            return self._from_number(float(text))
        if self.epoch and text.removesuffix(".0").lstrip("-").isdigit():
            return self._from_number(float(text))
        return _parsed(text, self.order)

    def _from_number(self, value: float) -> datetime | None:
        if np.isnan(value):
            return None
        if self.compact:
            return _parsed(f"{value:.0f}", self.order)
        if self.epoch is None:
            raise ValueError(f"{value:g} is a number, not a date; say 'epoch: s' in fields if it counts seconds")
        try:
            return datetime.fromtimestamp(value / _UNITS[self.epoch], UTC).replace(tzinfo=None)
        except (OverflowError, OSError, ValueError):
            raise ValueError(f"{value:g} is outside the years that can be counted") from None


def _parsed(text: str, order: Order) -> datetime | None:
    """A date and perhaps a time, in UTC; None when the text is none, or names a day that there is not."""
    text = text.strip()
    if not 6 <= len(text) <= 48:
        return None
    try:
        return _plain(datetime.fromisoformat(text))
    except ValueError:
        pass
    for pattern in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            try:
                return _built(match.groupdict(), order)
            except ValueError:
                return None
    return None


def _built(part: dict[str, str | None], order: Order) -> datetime:
    year = int(part["Y"] or 0)
    if len(part["Y"] or "") == 2:
        year += 1900 if year >= 69 else 2000  # as POSIX reads two figures
    if part.get("a"):
        day, month = (part["a"], part["b"]) if order == "day_first" else (part["b"], part["a"])
    else:
        day, month = part.get("D") or "1", part.get("M")
    named = part.get("N")
    if named is not None:
        month = str(_MONTHS.get(named[:3].lower(), 0))
    hour = int(part["h"] or 0)
    if part["p"]:
        if not 1 <= hour <= 12:
            raise ValueError("hour")
        hour = hour % 12 + (12 if part["p"][0] in "pP" else 0)
    micro = int((part["f"] or "0").ljust(6, "0"))
    found = datetime(year, int(month or 0), int(day or 0), hour, int(part["m"] or 0), int(part["s"] or 0), micro, UTC)
    zone = part["z"]
    if zone and zone[0] in "+-":
        shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        found = found - shift if zone[0] == "+" else found + shift
    return found.replace(tzinfo=None)


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _stamp(seconds: float) -> str:
    text = datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%d %H:%M")
    return text.removesuffix(" 00:00")


def _digits(values: pl.Series) -> bool:
    return values.dtype == pl.String and bool(values.str.contains(r"^\d{9,16}(\.0)?$").all())


def _compact(sample: Sample) -> bool:
    """Eight figures that are a day between 1900 and 2100 in every value; of few values only where the name says so.

    Of other numbers of eight figures one in thirty is such a day, so that ten of them are it by no chance.
    """
    values = sample.values.str.strip_suffix(".0") if sample.values.dtype == pl.String else sample.values
    if values.dtype.is_temporal():
        return False
    text = values.cast(pl.Int64, strict=False).cast(pl.String)
    enough = 1 if _NAME.search(sample.name.lower()) else 10
    if len(text) < enough or not text.str.contains(r"^(19|20)\d{6}$").all():
        return False
    return text.null_count() == 0 and text.str.to_date("%Y%m%d", strict=False).null_count() == 0


def _unit(sample: Sample) -> Literal["s", "ms", "us"] | None:
    """The unit in which all numbers lie between 1980 and 2100."""
    numbers = sample.values.cast(pl.Float64).to_numpy()
    for unit, per in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if len(numbers) and ((numbers >= 315532800 * per) & (numbers < 4102444800 * per)).all():
            return unit  # type: ignore[return-value]
    return None


def _elapsed(known: Array) -> Scale:
    return Scale(center=float(known.min()), scale=86400.0)


def _varied(known: Array, part: Part) -> Array | None:
    found = Calendar(part=part).apply(known)
    return found if found.min() < found.max() else None


def _levels(name: str, known: Array) -> list[Feature]:
    parts: tuple[Part, ...] = ("year", "month", "day", "weekday", "hour", "minute")
    made = [Feature(name, (f"{name}:{p}",), (Calendar(part=p),)) for p in parts if _varied(known, p) is not None]
    return [*made, Feature(name, (f"{name}:days",), (_elapsed(known),))]


def _vector(name: str, known: Array) -> list[Feature]:
    features: list[Feature] = []
    for part, period in _SPANS:
        found = _varied(known, part)
        if found is not None:
            chain: tuple[Transform, ...] = (
                Calendar(part=part),
                Fill(value=float(np.median(found))),
                Cycle(period=period),
            )
            features.append(Feature(name, (f"{name}:{part}_sin", f"{name}:{part}_cos"), chain))
    if known.min() < known.max():
        x = _elapsed(known).apply(known)
        ends = Clip(low=float(x.min() - np.ptp(x)), high=float(x.max() + np.ptp(x)))
        scale = Scale(center=float(x.mean()), scale=float(x.std()))
        features.append(
            Feature(name, (f"{name}:days",), (_elapsed(known), Fill(value=float(np.median(x))), ends, scale))
        )
    return features
