"""Lookback: what a row knows of the values before its origin, and of the calendar at its time."""

from __future__ import annotations

from thirtyfold.core.frequency import DAY, HOUR, Frequency
from thirtyfold.core.late import Array, np

__all__ = ["calendar", "grown", "moments", "naive_error", "scale"]

AT_ONCE = 20_000
"""Origins whose windows are held at once."""
TINY = 1e-12


def moments(y: Array, pad: int, ends: Array, size: int) -> tuple[Array, Array]:
    """The mean and the standard deviation of the ``size`` values up to and with each end, NaN where none is known.

    Each from its own values alone: of running sums the last digits would depend on where a history begins.
    """
    mean, spread = np.full(len(ends), np.nan), np.full(len(ends), np.nan)
    for at in range(0, len(ends), AT_ONCE):
        part = slice(at, at + AT_ONCE)
        values = y[np.maximum(pad + ends[part, None] - np.arange(size), 0)]
        known = ~np.isnan(values)
        count = known.sum(axis=1)
        some = np.maximum(count, 1)
        own = np.where(known, values, 0.0).sum(axis=1) / some
        off = np.where(known, values - own[:, None], 0.0)
        mean[part] = np.where(count > 0, own, np.nan)
        spread[part] = np.where(count > 0, np.sqrt((off**2).sum(axis=1) / some), np.nan)
    return mean, spread


def scale(y: Array, pad: int, ends: Array, size: int) -> Array:
    """The standard deviation of the last values, a hundredth of their mean at least, 1 where all are 0."""
    mean, spread = moments(y, pad, ends, size)
    out = np.nan_to_num(np.maximum(spread, 0.01 * np.abs(mean)))
    return np.where(out > TINY, out, 1.0)


def grown(base: Array, before: Array, change: Array) -> Array:
    """The change as a share of what was before, for the forecast itself; as it is where no share makes sense."""
    able = (before > TINY) & (base > 0) & (np.abs(change) < before)
    return np.where(able, change / np.where(able, before, 1.0) * base, change)


def naive_error(y: Array, pad: int, ends: Array, season: int, size: int) -> Array:
    """The mean absolute difference from a season before over the last values; the spread where there is none."""
    errors = np.abs(y - np.concatenate([np.full(season, np.nan), y[:-season]]))
    mean, _ = moments(errors, pad, ends, size)
    return np.where(np.nan_to_num(mean) > TINY, mean, scale(y, pad, ends, size))


def calendar(frequency: Frequency, times: Array) -> list[tuple[str, Array]]:
    """Where in the year, the week and the day the times are, as far as the frequency lets them differ."""
    stamp = np.floor(times).astype("datetime64[s]")
    day, year = stamp.astype("datetime64[D]"), stamp.astype("datetime64[Y]")
    out: list[tuple[str, Array]] = []
    if frequency.seconds < 300 * DAY:
        turn = (day - year.astype("datetime64[D]")).astype(np.int64) * (2 * np.pi / 365.25)
        out += [("month", stamp.astype("datetime64[M]").astype(np.int64) % 12 + 1.0)]
        out += [("year_sine", np.round(np.sin(turn), 6)), ("year_cosine", np.round(np.cos(turn), 6))]
    if frequency.seconds <= DAY:
        out += [("weekday", (day.astype(np.int64) + 3.0) % 7)]
    if frequency.seconds <= 12 * HOUR:
        out += [("hour", np.floor(times / HOUR) % 24)]
    return out
