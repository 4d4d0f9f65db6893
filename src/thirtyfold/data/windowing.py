"""Windowing: series cut in time into training, validation and test rows, so that no row knows what it is to tell."""

from dataclasses import dataclass, replace
from math import gcd
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.charts import lines
from thirtyfold.core.door import typed
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.family import Choice, Family, nearest
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.frequency import Frequency
from thirtyfold.core.row import ROW
from thirtyfold.core.table import Column, Table, to_array
from thirtyfold.core.windows import ORIGIN, Series, Windows, clocked
from thirtyfold.data.parts import ASIDE, NAMES
from thirtyfold.data.seasons import Season, frequency_of, season_of

__all__ = ["Windowed", "windowed"]

MADE, LOOKED = 300_000, 12_000
"""Rows at most that are made to learn from, and to choose by or to test on; windows start further apart where there
would be more.
"""
USUAL = 12
"""The horizon where none is said and nothing comes round."""
LOST = 0.1
"""The share of rows that may be doubled in time or stand off the grid before it is no slip."""


class Windowed(NamedTuple):
    """The parts as windows, how they were made, and the part (``core.sealed`` order) of every row of the table."""

    train: Table
    validation: Table
    test: Table
    windows: Windows
    parts: Array
    evidence: Evidence
    options: dict[str, Any]


def windowed(table: Table, aim: Aim, shares: tuple[float, float, float], how: Choice) -> Windowed:
    """Cut all series at the same two moments, find frequency and season before the first, and make the rows.

    A row belongs to the part in which the time lies that it foretells; windows to choose by and to test on lie wholly
    in their part, and those that are learned from end before the next one begins. Raises DataError that says why there
    can be no forecast.
    """
    if how not in ("auto", "chronological"):
        raise SpecError(Fault("split.how", "a forecast is tested on what comes later.", "auto, chronological"))
    said: Any = Family("aim.tasks").build({aim.task: aim.options} if aim.options else aim.task, "task")
    history = _history(table, aim, said)
    arrays = {n: _array(history, n, c) for n, c in history.items()}
    columns = tuple(c for c, _ in history.values())
    draft = _Draft(columns, arrays, table.rows, shares, said.hour)
    cut = draft.cut()
    frequency = frequency_of(draft.times(before=cut[0]), said.frequency)
    windows = Windows(columns, frequency, 1, 1, 0, tuple(said.known), {}, said.hour)
    series, aside = draft.series(windows)
    season = season_of(
        frequency, _until(series, _place(frequency, cut[0])), None if said.season == "auto" else said.season
    )
    horizon = season.steps if said.horizon == "auto" and season.steps > 1 else said.horizon
    horizon = USUAL if horizon == "auto" else int(horizon)
    windows = replace(windows, horizon=horizon, season=season.steps, long=season.long)
    cuts = _cuts(windows, series, cut)
    windows = replace(windows, units=_units(series, cuts[0], season.steps))
    _names(windows)
    every = None if said.every == "auto" else said.every
    made = _Made(windows, series, cuts, every, said.rows)
    tables = made.tables()
    parts = _parts(table, series, cuts)
    evidence = _evidence(made, tables, season, aside)
    found = {"horizon": horizon, "season": season.steps, "frequency": _spelled(frequency)}
    return Windowed(*tables, windows, parts, evidence, {**aim.options, **found})


def _history(table: Table, aim: Aim, said: Any) -> dict[str, tuple[Column, pl.Series]]:
    """The columns of a history with their values: time, series, target, covariates; raises DataError."""
    times = table.named("time") or [n for n in table.inputs if table.columns[n].type == "moment"]
    faults = []
    if len(times) != 1:
        found = f"{len(times)} columns could be ({', '.join(times)})" if times else "no column holds times"
        hint = "Say it: 'roles: {time: COLUMN}'."
        raise DataError(Fault("roles.time", f"a forecast needs the time of each row: {found}.", hint=hint))
    time = table.columns[times[0]]
    if time.type != "moment":
        hint = f"Write times as dates (2024-01-31, a year as 2024-01-01), or say 'fields: {{{time.name}: moment}}'."
        raise DataError(Fault(time.name, f"is {time.type}, not a time.", "moment", hint))
    free = [n for n in table.inputs if n != time.name]
    named = {f"task.forecasting.known.{at}": n for at, n in enumerate(said.known)}
    if said.hour is not None:
        named["task.forecasting.hour"] = said.hour
    for where, name in named.items():
        if name not in free:
            why = "is the time: it is known anyway." if name == time.name else "is no input column."
            faults.append(Fault(where, f"'{name}' {why}", ", ".join(free), nearest(name, free)))
    if faults:
        raise DataError(faults)
    out = {time.name: (replace(time, role="time"), table[time.name])}
    for name in table.named("group"):
        out[name] = (Column(name, "category", "group", why="said: group"), _named(table[name]))
    numbers = [n for n in free if n in said.known or typed(table.columns[n]).dtype == "number"]
    out |= {n: (table.columns[n], table[n]) for n in numbers}
    return out | {aim.target: (table.columns[aim.target], table[aim.target])}


def _named(values: pl.Series) -> pl.Series:
    """The names of series as text: 1.0 is "1"."""
    if values.dtype == pl.String:
        return values
    return values.cast(pl.String).str.strip_suffix(".0")


def _array(history: dict[str, tuple[Column, pl.Series]], name: str, _: Any) -> Array:
    return to_array(history[name][1])


@dataclass(frozen=True)
class _Draft:
    """Typed columns before the frequency is known."""

    columns: tuple[Column, ...]
    arrays: dict[str, Array]
    rows: Array
    shares: tuple[float, float, float]
    hour: str | None

    @property
    def _time(self) -> Array:
        return clocked(self.arrays, self.columns[0].name, self.hour)

    def cut(self) -> tuple[float, float]:
        """The first moment of validation and of test, by the shares of the rows."""
        known = np.sort(self._time[np.isfinite(self._time)])
        if len(np.unique(known)) < 3:
            what = f"has {len(np.unique(known))} different times; a forecast needs many."
            raise DataError(Fault(self.columns[0].name, what))
        at = [min(len(known) - 1, round(share * len(known))) for share in (self.shares[0], sum(self.shares[:2]))]
        return float(known[at[0]]), float(known[at[1]])

    def times(self, before: float) -> list[Array]:
        """The different times of each series before a moment."""
        group = next((c.name for c in self.columns if c.role == "group"), None)
        names = self.arrays[group].astype(str) if group else np.zeros(len(self._time))
        known = np.isfinite(self._time) & (self._time < before)
        return [np.unique(self._time[known & (names == n)]) for n in np.unique(names[known])]

    def series(self, windows: Windows) -> tuple[list[Series], list[Fault]]:
        """The series on their grids, and what had to be left out; raises DataError where that is no slip."""
        series, aside = windows.gathered(self.arrays, self.rows)
        twice = [f for f in aside if "twice" in f.what]
        if len(twice) > LOST * len(self._time):
            what = f"{len(twice):,} of {len(self._time):,} rows have a time that was there before."
            hint = "Is there a column that names the series? Say 'roles: {group: COLUMN}'; or sum the rows by time."
            raise DataError(Fault(windows.time, what, hint=hint))
        if len(aside) > LOST * len(self._time):
            raise DataError(Fault(windows.time, f"{len(aside):,} rows have no time of their own.", hint=str(aside[0])))
        return series, aside


def _place(frequency: Frequency, moment: float) -> int:
    return int(frequency.places(np.array([moment]))[0][0])


def _until(series: list[Series], place: int) -> list[Array]:
    return [s.y[: max(0, place - s.start)] for s in series if place > s.start]


def _cuts(windows: Windows, series: list[Series], cut: tuple[float, float]) -> tuple[int, int, int]:
    """The first places of validation, of test, and after the end; parts hold one whole window at least."""
    horizon = windows.horizon
    first, end = min(s.start for s in series), max(s.start + len(s.y) for s in series)
    test = min(_place(windows.frequency, cut[1]), end - horizon)
    validation = min(_place(windows.frequency, cut[0]), test - horizon)
    left = validation - first - windows.least
    if left < 1:
        need = windows.least + 2 * horizon + 1
        what = (
            f"a horizon of {horizon} and a season of {windows.season} need {need:,} steps at least "
            f"(a season, and {horizon} each to choose by and to test on); the data has {end - first:,}."
        )
        allowed = f"at most {max(1, (end - first - windows.least - 1) // 2)}"
        raise DataError(Fault("task.forecasting.horizon", what, allowed))
    return validation, test, end


def _units(series: list[Series], cut: int, season: int) -> dict[str, float]:
    """The mean absolute error of the seasonal-naive forecast in the training part of each series."""
    errors = {}
    for one in series:
        y = one.y[: max(0, cut - one.start)]
        miss = np.abs(y[season:] - y[:-season]) if len(y) > season else np.zeros(0)
        miss = miss[np.isfinite(miss)]
        if len(miss) and miss.mean() > 0:
            errors[one.name] = float(miss.mean())
    if not errors:
        raise DataError(Fault("target", "the values of the training part never change; there is nothing to forecast."))
    return errors


def _names(windows: Windows) -> None:
    """No column of the data may have the name of one that is made."""
    if wrong := [c.name for c in windows.columns if c.name in (ORIGIN, *windows.made)]:
        what = f"the names {', '.join(wrong)} are those of columns that are made of the history."
        raise DataError(Fault("collect", what, hint="Rename them."))


class _Made:
    """The rows of each part."""

    def __init__(
        self, windows: Windows, series: list[Series], cuts: tuple[int, int, int], every: int | None, most: int
    ) -> None:
        self.windows, self.series, self.cuts = windows, series, cuts
        horizon = windows.horizon
        spans = ((None, cuts[0] - 2, cuts[0]), (cuts[0] - 1, cuts[1] - 1 - horizon, cuts[1]))
        last = (cuts[1] - 1, cuts[2] - 1 - horizon, cuts[2])
        found = [[self._origins(s, *span) for s in series] for span in (*spans, last)]
        self.every = [every or self._every(o, most) for o, most in zip(found, (MADE, LOOKED, LOOKED), strict=True)]
        self.origins = [
            [o[(o + s.start - cut) % step == 0] for o, s in zip(part, series, strict=True)]
            for part, step, cut in zip(found, self.every, (cuts[0], cuts[0] - 1, cuts[1] - 1), strict=True)
        ]
        self.thin = max(1, -(-sum(map(len, self.origins[0])) * horizon // most))

    def _origins(self, one: Series, first: int | None, last: int, end: int) -> Array:
        """Positions with a known value, enough of them before, and a known value ahead."""
        known = np.isfinite(one.y)
        at = np.flatnonzero(known & (np.cumsum(known) >= self.windows.least))
        last = min(last, one.start + len(one.y) - 2) if first is None else last
        del end
        return at[(at + one.start <= last) & ((at + one.start >= first) if first is not None else True)]

    def _every(self, origins: list[Array], most: int) -> int:
        """How many steps apart windows start: every phase of the season has its turn."""
        rows = sum(len(o) for o in origins) * self.windows.horizon
        step = max(1, -(-rows // most))
        while gcd(step, self.windows.season) > 1:
            step += 1
        return step

    def tables(self) -> tuple[Table, Table, Table]:
        """Training, validation and test rows; raises DataError for a part without any."""
        parts = [
            [self._known(s, o, cut, thin) for s, o in zip(self.series, origins, strict=True) if len(o)]
            for origins, cut, thin in zip(self.origins, self.cuts, (self.thin, 1, 1), strict=True)
        ]
        empty = [NAMES[at] for at, p in enumerate(parts) if not sum(len(rows[ROW]) for rows in p)]
        if empty:
            what = f"there is no window of {self.windows.horizon} steps for {' and '.join(empty)}."
            hint = "A shorter horizon, longer series, or other shares of the split."
            raise DataError(Fault("task.forecasting.horizon", what, hint=hint))
        train, validation, test = (self.windows.table(p) for p in parts)
        return train, validation, test

    def _known(self, one: Series, origins: Array, end: int, thin: int) -> dict[str, Array]:
        """The rows whose truth is known and lies before the end of the part; of ``thin`` one, drawn by lot.

        Neighbors in a window say much the same. Counted out, the same times would be foretold again and again.
        """
        rows = self.windows.rows(one, origins)
        place = np.repeat(origins, self.windows.horizon) + one.start + rows["step"].astype(np.int64)
        kept = np.isfinite(rows[self.windows.target]) & (place < end)
        if thin > 1:
            kept &= np.random.default_rng(len(one.y)).integers(0, thin, len(kept)) == 0
        return {n: x[kept] for n, x in rows.items()}


def _parts(table: Table, series: list[Series], cuts: tuple[int, int, int]) -> Array:
    """The part of every row of the table by its time."""
    parts = np.full(len(table), ASIDE, dtype=np.int8)
    place = {int(row): at for at, row in enumerate(table.rows)}
    for one in series:
        here = np.flatnonzero(one.rows >= 0)
        at = [place[int(r)] for r in one.rows[here]]
        parts[at] = np.searchsorted(cuts[:2], here + one.start, side="right")
    return parts


def _spelled(frequency: Frequency) -> str:
    """As ``task.forecasting.frequency`` takes it."""
    name = frequency.name
    return name if name[0].isdigit() else f"1 {name}"


def _evidence(made: _Made, tables: tuple[Table, Table, Table], season: Season, aside: list[Fault]) -> Evidence:
    windows, frequency = made.windows, made.windows.frequency
    rows = [len(t) for t in tables]
    origins = [sum(len(o) for o in part) for part in made.origins]
    moments = [str(np.datetime64(int(t), "s")).replace("T", " ") for t in frequency.times(np.array(made.cuts[:2]))]
    said = [
        f"{len(made.series):,} series with a value every {frequency.name}, forecast {windows.horizon} steps ahead; "
        f"{season.why}.",
        f"What is foretold lies before {moments[0]} in training rows, from there on in validation rows and from "
        f"{moments[1]} on in test rows: no training row has its truth in the time of another part, and no row looks "
        "beyond its origin but at what is known in advance.",
        f"{rows[0]:,} training rows of {origins[0]:,} windows, {rows[1]:,} of {origins[1]:,} to choose by, "
        f"{rows[2]:,} of {origins[2]:,} to test on; windows start {', '.join(map(str, made.every))} steps apart"
        + (f", and of {made.thin} rows to learn from one is drawn." if made.thin > 1 else "."),
    ]
    gone = sum(int((~np.isfinite(s.y)).sum()) for s in made.series)
    said += [f"{counted(gone, 'step')} without a value are gaps; no row has its truth there."] if gone else []
    short = [s.name for s, o in zip(made.series, zip(*made.origins, strict=True), strict=True) if not sum(map(len, o))]
    said += [f"{len(short):,} series too short for one window: {', '.join(short[:5])}."] if short else []
    if aside:
        said.append(f"{counted(len(aside), 'row')} left out, such as: {aside[0].where} {aside[0].what}")
    said.append("The test rows are sealed: every look at them is counted.")
    numbers = {
        "how": "chronological",
        "rows": dict(zip(NAMES, rows, strict=True)),
        "windows": dict(zip(NAMES, origins, strict=True)),
        "every": made.every,
        "thin": made.thin,
        "horizon": windows.horizon,
        "season": season.steps,
        "long_season": season.long,
        "frequency": frequency.name,
        "series": len(made.series),
        "cuts": moments,
        "gaps": gone,
        "left_out": len(aside),
    }
    return Evidence(10, " ".join(said), numbers, (_spans(made, tables),), (_drawn(made),))


def _spans(made: _Made, tables: tuple[Table, Table, Table]) -> TableView:
    time = made.windows.time
    rows = tuple(
        (name, len(t), sum(map(len, o)), str(t[time].min()), str(t[time].max()))
        for name, t, o in zip(NAMES, tables, made.origins, strict=True)
    )
    return TableView("The parts", ("part", "rows", "windows", "first time foretold", "last"), rows)


def _drawn(made: _Made) -> Picture:
    """The longest series in its parts, means of neighbors where it is long."""
    one = max(made.series, key=lambda s: len(s.y))
    size = max(1, len(one.y) // 600)
    many = len(one.y) // size
    known = np.isfinite(one.y[: many * size]).reshape(many, size)
    sums = np.where(known, one.y[: many * size].reshape(many, size), 0).sum(axis=1)
    y = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
    part = np.searchsorted(made.cuts[:2], np.arange(many) * size + one.start, side="right")
    x = (np.arange(many) * size).astype(float).tolist()
    shown = {name: np.where(part == at, y, np.nan).tolist() for at, name in enumerate(NAMES)}
    title = f"'{made.windows.target}'" + (f" of {one.name}" if one.name else "") + " in its parts"
    return lines(title, x, shown, f"steps: every {made.windows.frequency.name}", made.windows.target)
