"""Seasons: how far the times of series stand apart, and after how many steps their values come round."""

import re
from typing import NamedTuple

import numpy as np

from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.frequency import DAY, HOUR, Frequency

__all__ = ["Season", "frequency_of", "season_of"]

UNEVEN = 0.05
"""The share of times that may stand off the grid of all others."""
_SPAN = re.compile(r"(\d+)?\s*([A-Za-z]+)")
_UNITS: dict[tuple[str, ...], float] = {
    ("s", "sec", "second", "seconds"): 1.0,
    ("min", "minute", "minutes"): 60.0,
    ("h", "hour", "hours", "hourly"): HOUR,
    ("d", "day", "days", "daily"): DAY,
    ("w", "week", "weeks", "weekly"): 7 * DAY,
}
_MONTHS: dict[tuple[str, ...], int] = {
    ("mo", "month", "months", "monthly"): 1,
    ("q", "quarter", "quarters", "quarterly"): 3,
    ("y", "year", "years", "yearly"): 12,
}


class Season(NamedTuple):
    """``steps`` is 1 where nothing comes round; ``long`` a longer season beside it, or 0; and why."""

    steps: int
    long: int
    why: str


def frequency_of(times: list[Array], said: str) -> Frequency:
    """The step between the times of series (each sorted, in seconds), as said or the usual one.

    Raises DataError where times stand so unevenly that there is no step.
    """
    longest = max(times, key=len)
    anchor = float(longest[0])
    gaps = np.concatenate([np.diff(t) for t in times])
    gaps = gaps[gaps > 0]
    if said != "auto":
        return _said(said, anchor)
    if not len(gaps):
        raise DataError(Fault("roles.time", "no series has two different times.", hint="Is this the time?"))
    usual = float(np.median(gaps))
    for months in (1, 3, 6, 12):
        if 28 * months <= usual / DAY <= 31 * months + 1 and (months > 1 or _by_month(longest)):
            return _even(Frequency("month", months, anchor), times)
    return _even(Frequency("second", usual, anchor), times)


def _said(text: str, anchor: float) -> Frequency:
    found = _SPAN.fullmatch(text.strip())
    many, word = (int(found[1] or 1), found[2].lower()) if found else (1, "")
    months = next((m for words, m in _MONTHS.items() if word in words), None)
    seconds = next((s for words, s in _UNITS.items() if word in words), None)
    if months is not None:
        return Frequency("month", many * months, anchor)
    if seconds is not None:
        return Frequency("second", many * seconds, anchor)
    allowed = "such as 15 minutes, 1 hour, day, week, month, quarter"
    raise SpecError(Fault("task.forecasting.frequency", f"'{text}' is no step of time.", allowed))


def _by_month(times: Array) -> bool:
    """Whether each time is in a month of its own; four weeks come twice into one now and then."""
    months = np.floor(times).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return bool((np.diff(months) > 0).all())


def _even(frequency: Frequency, times: list[Array]) -> Frequency:
    off = np.concatenate([~frequency.places(t)[1] for t in times])
    share = float(off.mean())
    if share > UNEVEN:
        what = f"the times are uneven: {share:.0%} of them are not a whole {frequency.name} from the first."
        hint = "Sum or average them over even steps first (by hour, by day); or say task.forecasting.frequency."
        raise DataError(Fault("roles.time", what, hint=hint))
    return frequency


def season_of(frequency: Frequency, series: list[Array], said: int | None) -> Season:
    """After how many steps values come round: as said, or by the calendar where training values bear it out.

    ``series`` are training values on their grids, NaN where none is. A season holds when values go with those of a
    season before, beyond noise: the autocorrelation at that lag, the moving mean taken off, is above 1.645 standard
    errors (Bartlett's formula, as the seasonality test of the M4 competition has it).
    """
    steps, long = _calendar(frequency)
    size = max(len(y) for y in series)
    long = long if size >= 3 * long else 0
    if said is not None:
        return Season(said, long if long > said else 0, f"a season of {said} steps was said")
    if steps > 1:
        tested = [_comes_round(y, steps) for y in series if np.isfinite(y).sum() >= 4 * steps]
        strength = [s for s, _ in tested]
        if tested and np.mean([beyond for _, beyond in tested]) >= 0.5:
            found = f"autocorrelation {np.mean(strength):.2f} in the training part"
            return Season(steps, long, f"values go with those {steps} steps before ({found})")
    why = f"no season of {steps} steps shows in the training part" if steps > 1 else "the calendar has no season for it"
    return Season(1, long, f"{why}, so the naive forecast is the last value")


def _calendar(frequency: Frequency) -> tuple[int, int]:
    """Steps in a day, a week or a year, and in the next longer one."""
    if frequency.unit == "month":
        return max(1, round(12 / frequency.every)), 0
    day, week, year = (span / frequency.every for span in (DAY, 7 * DAY, 364 * DAY))
    if day >= 2 and day == round(day):
        return round(day), round(week)
    if frequency.every == DAY:
        return 7, round(year)
    if frequency.every == 7 * DAY:
        return 52, 0
    return 1, 0


def _comes_round(y: Array, steps: int) -> tuple[float, bool]:
    """The autocorrelation at this lag of what is left without the moving mean of a season, and whether it is beyond
    noise; gaps are bridged by straight lines.
    """
    at, known = np.arange(len(y)), np.isfinite(y)
    whole = np.interp(at, at[known], y[known])
    kernel = np.ones(steps) if steps % 2 else np.r_[0.5, np.ones(steps - 1), 0.5]
    half = len(kernel) // 2
    rest = whole[half : len(whole) - half] - np.convolve(whole, kernel / kernel.sum(), mode="valid")
    rest = rest - rest.mean()
    spread = float((rest**2).mean())
    if spread <= 0:
        return 0.0, False
    lags = [*np.unique(np.linspace(1, steps - 1, min(steps - 1, 60)).astype(int)).tolist(), steps]
    own = np.array([float((rest[k:] * rest[:-k]).sum()) / (spread * len(rest)) for k in lags])
    error = np.sqrt((1 + 2 * float((own[:-1] ** 2).mean()) * (steps - 1)) / len(rest))
    return float(own[-1]), bool(own[-1] > 1.645 * error)
