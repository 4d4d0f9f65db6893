"""Frequency: how far the times of a series stand apart, and a whole number for each of its times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from thirtyfold.core.late import Array, np

__all__ = ["DAY", "HOUR", "Frequency"]

HOUR, DAY = 3600.0, 86_400.0
NEAR = 0.01
"""By which part of a step a time may be off and still be meant."""
_NAMES = {1.0: "second", 60.0: "minute", HOUR: "hour", DAY: "day", 7 * DAY: "week"}


@dataclass(frozen=True)
class Frequency:
    """A step of ``every`` seconds or months. ``anchor`` is one of the times, in seconds since 1970; times of months
    keep its day of the month, and the last day of one where it stands on the last.
    """

    unit: Literal["second", "month"]
    every: float
    anchor: float

    def places(self, times: Array) -> tuple[Array, Array]:
        """For times in seconds their places (int64, 0 at the anchor), and whether each is on a place at all."""
        if self.unit == "second":
            exact = (times - self.anchor) / self.every
            places = np.round(exact)
            return places.astype(np.int64), np.abs(exact - places) <= NEAR
        months = _months(times) - int(_months(np.array([self.anchor]))[0])
        every = int(self.every)
        return months // every, months % every == 0

    def times(self, places: Array) -> Array:
        """The times of these places, in seconds since 1970."""
        if self.unit == "second":
            found: Array = self.anchor + places * self.every
            return found
        anchor = np.array([self.anchor])
        month = _months(anchor) + places * int(self.every)
        first, after = (m.astype("datetime64[M]").astype("datetime64[D]") for m in (month, month + 1))
        length = (after - first).astype(np.int64)
        within = float((anchor - _first(_months(anchor)))[0])
        day = int(within // DAY)
        start = int(_months(anchor)[0])
        last = day + 1 == _length(start)
        days = length - 1 if last else np.minimum(day, length - 1)
        seconds: Array = (first.astype(np.int64) + days) * DAY + within % DAY
        return seconds

    @property
    def seconds(self) -> float:
        """How long a step takes, for months on average."""
        return self.every if self.unit == "second" else self.every * 365.2425 / 12 * DAY

    @property
    def name(self) -> str:
        """In words: ``hour``, ``15 minutes``, ``month``, ``quarter``."""
        if self.unit == "month":
            return {1: "month", 3: "quarter", 12: "year"}.get(int(self.every), f"{self.every:g} months")
        size = max((s for s in _NAMES if math.isclose(self.every % s, 0, abs_tol=1e-9)), default=1.0)
        many = self.every / size
        return _NAMES[size] if many == 1 else f"{many:g} {_NAMES[size]}s"


def _months(times: Array) -> Array:
    return np.floor(times).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _first(months: Array) -> Array:
    """The first moment of months, in seconds."""
    return months.astype("datetime64[M]").astype("datetime64[s]").astype(np.float64)


def _length(month: int) -> int:
    """How many days a month has."""
    first = np.array([month, month + 1]).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return int(first[1] - first[0])
