"""Windows: the history of series as rows that a model can learn from: one row a series, origin and step ahead.

The origin is the last moment that is known; a row holds what is known then and nothing later, but for the columns that
are known in advance. The same code makes the rows that are learned from and those that a server answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from thirtyfold.core.door import Door, typed
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.frequency import HOUR, Frequency
from thirtyfold.core.late import Array, np, pl
from thirtyfold.core.lookback import calendar, grown, moments, naive_error, scale
from thirtyfold.core.profile import Profile
from thirtyfold.core.table import ROW, Column, Table, to_array

__all__ = ["BASE", "ORIGIN", "READS", "SCALE", "STEP", "UNIT", "Series", "Windows", "clocked"]

BASE, SCALE, UNIT, STEP, ORIGIN = "seasonal_naive", "window_scale", "naive_error", "step", "origin"
READS = (BASE, SCALE, UNIT, STEP)
"""What the task itself reads of a row: the seasonal-naive forecast, the spread of the window, the mean error of the
seasonal-naive forecast in the training part (what MASE counts in), and the step ahead."""
RECENT = 6
"""How many of the newest values are features of their own."""
BACK = 3
"""How many seasons further back are features of their own."""

_COLUMNS = TypeAdapter(tuple[Column, ...])


class Series(NamedTuple):
    """One series on its grid: ``y`` and covariates have a value a place from ``start`` on, NaN or None where none is.

    ``rows`` are the numbers of the rows in the collected table, -1 where there is none.
    """

    name: str
    start: int
    y: Array
    more: dict[str, Array]
    rows: Array


@dataclass(frozen=True)
class Windows:
    """How rows are made from series. ``columns`` are those of the history, as cleaned, each with its role.

    ``season`` is 1 where there is none, ``long`` a longer season beside it (the week of hours) or 0. ``units`` are the
    mean absolute errors of the seasonal-naive forecast in the training part, by series.
    """

    columns: tuple[Column, ...]
    frequency: Frequency
    horizon: int
    season: int
    long: int
    known: tuple[str, ...]
    units: dict[str, float]
    hour: str | None = None
    """The column with the hour of the day, where the time is a date alone."""

    @property
    def time(self) -> str:
        return next(c.name for c in self.columns if c.role == "time")

    @property
    def target(self) -> str:
        return next(c.name for c in self.columns if c.role == "target")

    @property
    def series(self) -> str | None:
        """The column that names the series, where there is more than one."""
        return next((c.name for c in self.columns if c.role == "group"), None)

    @property
    def past(self) -> tuple[str, ...]:
        """Numbers that are known up to the origin alone."""
        return tuple(
            c.name
            for c in self.columns
            if c.role == "input" and c.name not in (*self.known, self.hour) and typed(c).dtype == "number"
        )

    @property
    def reach(self) -> int:
        """How many values before the origin a row looks back at; more change nothing."""
        seasons = -(-self.horizon // self.season) + BACK
        weeks = self.long * -(-self.horizon // self.long) if self.long else 0
        return max(self.season * seasons, weeks, 2 * RECENT, self.spread) + 1

    @property
    def least(self) -> int:
        """How many values a history must have: one season, and two values at least."""
        return max(2, self.season)

    @property
    def spread(self) -> int:
        """Over how many values the spread of a window is taken."""
        return max(2 * self.season, 10)

    @cached_property
    def door(self) -> Door:
        """The way in for histories."""
        return Door(self.columns)

    def steady(self, profile: Profile) -> Profile:
        """Without what moves with time by itself, the level and the calendar: nobody is to be alarmed by that."""
        moving = {*READS, *(name for name, _ in calendar(self.frequency, np.zeros(1)))}
        return replace(profile, columns={n: c for n, c in profile.columns.items() if n not in moving})

    def inner(self) -> dict[str, Column]:
        """The columns of the rows that are made, in order, with type and role."""
        out: dict[str, Column] = {}
        by = {c.name: c for c in self.columns}
        out[self.time] = replace(by[self.time], role="time")
        out[ORIGIN] = Column(ORIGIN, "moment", "ignore", why="the last moment that is known")
        if self.series:
            out[self.series] = replace(by[self.series], role="input")
        for name in self.made:
            out[name] = Column(name, "number", why="made of the history")
        out |= {n: replace(by[n], role="input") for n in self.known}
        out[self.target] = by[self.target]
        return out

    @property
    def made(self) -> list[str]:
        """The columns that are made of a history, in order."""
        names = [*READS, *(f"recent_{j + 1}" for j in range(RECENT))]
        names += [f"seasons_back_{k}" for k in range(2, 2 + BACK)] if self.season > 1 else []
        names += ["long_season_back"] if self.long else []
        names += ["mean_of_season", "mean_of_last_six", "trend", "trend_ahead", "naive_miss", "naive_miss_fading"]
        names += ["trend_of_base", "miss_of_base"]
        names += [name for name, _ in calendar(self.frequency, np.zeros(1))]
        return names + [f"{n}_at_origin" for n in self.past]

    def gathered(self, arrays: Mapping[str, Array], rows: Array | None = None) -> tuple[list[Series], list[Fault]]:
        """Typed history rows as series on their grids, in order of first appearance; of doubled times the first stays.

        A fault names a row by its place: a time that is missing, given twice, or off the grid.
        """
        times = clocked(arrays, self.time, self.hour)
        names = arrays[self.series] if self.series else np.full(len(times), "", dtype=object)
        places, fits = self.frequency.places(np.nan_to_num(times, nan=self.frequency.anchor))
        faults = [Fault(f"rows.{at}.{self.time}", "is missing.") for at in np.flatnonzero(np.isnan(times))]
        odd = np.flatnonzero(~fits & ~np.isnan(times))
        faults += [
            Fault(f"rows.{at}.{self.time}", f"{_told(times[at])} is not a whole {self.frequency.name} from the others.")
            for at in odd
        ]
        codes: dict[str, int] = {}
        own = np.array([codes.setdefault("" if n is None else str(n), len(codes)) for n in names], dtype=np.int64)
        good = np.flatnonzero(fits & ~np.isnan(times))
        key = np.stack([own[good], places[good]], axis=1)
        _, first = np.unique(key, axis=0, return_index=True)
        twice = np.setdiff1d(np.arange(len(good)), first)
        faults += [Fault(f"rows.{good[at]}.{self.time}", f"{_told(times[good[at]])} is given twice.") for at in twice]
        good = good[np.sort(first)]
        numbers = np.arange(len(times)) if rows is None else rows
        found = [self._series(name, good[own[good] == code], places, arrays, numbers) for name, code in codes.items()]
        return [s for s in found if s is not None], sorted(faults, key=lambda f: int(f.where.split(".")[1]))

    def _series(
        self, name: str, at: Array, places: Array, arrays: Mapping[str, Array], numbers: Array
    ) -> Series | None:
        if not len(at):
            return None
        start = int(places[at].min())
        size = int(places[at].max()) - start + 1
        if size > max(10_000, 100 * len(at)):
            where = f" of '{name}'" if name else ""
            what = f"the {len(at):,} times{where} span {size:,} steps of one {self.frequency.name}."
            raise DataError(Fault(self.time, what, hint="Is a date wrong, or the frequency?"))

        def laid(values: Array) -> Array:
            empty: Any = None if values.dtype == object else np.nan
            out = np.full(size, empty, dtype=values.dtype)
            out[places[at] - start] = values[at]
            return out

        own = np.full(size, -1, dtype=np.int64)
        own[places[at] - start] = numbers[at]
        more = {n: laid(arrays[n]) for n in (*self.past, *self.known)}
        return Series(name, start, laid(arrays[self.target].astype(np.float64)), more, own)

    def rows(self, series: Series, origins: Array) -> dict[str, Array]:
        """Every column of ``inner`` for each origin (a position in the series) and step, origins in order, as arrays of
        shape (origins x horizon,), with ``__row__`` the collected row of the target, or -1.
        """
        m, pad = self.season, self.reach + 1
        y = np.concatenate([np.full(pad, np.nan), series.y, np.full(self.horizon, np.nan)])
        origin, step = np.repeat(origins, self.horizon), np.tile(np.arange(1, self.horizon + 1), len(origins))
        target = origin + step
        base = y[pad + target - m * -(-step // m)]
        for k in range(1, BACK + 1):
            base = np.where(np.isnan(base), y[np.maximum(pad + target - m * (-(-step // m) + k), 0)], base)
        base = np.where(np.isnan(base), y[pad + origin], base)
        spread = np.repeat(scale(y, pad, origins, self.spread), self.horizon)
        unit = np.full(len(origins), self.units.get(series.name, np.nan))
        unit = unit if series.name in self.units else naive_error(y, pad, origins, m, self.spread)
        out: dict[str, Array] = {BASE: base, SCALE: spread, STEP: step.astype(np.float64)}
        out[UNIT] = np.repeat(unit, self.horizon)
        out |= {n: (x - base) / spread for n, x in self._levels(y, pad, origins, step).items()}
        out |= {n: x / spread for n, x in self._changes(y, pad, origins, (step, base)).items()}
        out |= self._others(series, origin, target)
        ended = np.concatenate([series.rows, np.full(self.horizon, -1, dtype=np.int64)])
        out[self.target], out[ROW] = y[pad + target], ended[target]
        return out

    def _levels(self, y: Array, pad: int, origins: Array, step: Array) -> dict[str, Array]:
        """Levels of the target in the history, which are told as their distance from the seasonal-naive forecast."""
        m, origin = self.season, np.repeat(origins, self.horizon)
        target = pad + origin + step
        out = {f"recent_{j + 1}": y[pad + origin - j] for j in range(RECENT)}
        if m > 1:
            out |= {
                f"seasons_back_{k}": y[np.maximum(target - m * (-(-step // m) + k - 1), 0)] for k in range(2, 2 + BACK)
            }
        if self.long:
            out["long_season_back"] = y[np.maximum(target - self.long * -(-step // self.long), 0)]
        for name, size in (("mean_of_season", m), ("mean_of_last_six", RECENT)):
            out[name] = np.repeat(moments(y, pad, origins, size)[0], self.horizon)
        return out

    def _changes(self, y: Array, pad: int, origins: Array, ahead: tuple[Array, Array]) -> dict[str, Array]:
        """How the target moved lately."""
        m, (step, base) = self.season, ahead
        size = m if m > 1 else RECENT
        now, before = (moments(y, pad, ends, size)[0] for ends in (origins, origins - size))
        trend = np.repeat(now - before, self.horizon)
        miss = np.repeat(y[pad + origins] - y[np.maximum(pad + origins - m, 0)], self.horizon)
        return {
            "trend": trend,
            "trend_ahead": trend * step / size,
            "naive_miss": miss,
            "naive_miss_fading": miss / step,
            "trend_of_base": grown(base, np.repeat(before, self.horizon), trend),
            "miss_of_base": grown(base, np.repeat(y[np.maximum(pad + origins - m, 0)], self.horizon), miss),
        }

    def _others(self, series: Series, origin: Array, target: Array) -> dict[str, Array]:
        """Times, the series' name, covariates."""
        times = self.frequency.times(series.start + target)
        out: dict[str, Array] = {self.time: times, ORIGIN: self.frequency.times(series.start + origin)}
        out |= dict(calendar(self.frequency, times))
        if self.series:
            out[self.series] = np.full(len(target), series.name, dtype=object)
        last = len(series.y) - 1
        for name in self.past:
            out[f"{name}_at_origin"] = series.more[name][origin]
        for name in self.known:
            values = series.more[name][np.minimum(target, last)]
            empty: Any = None if values.dtype == object else np.nan
            out[name] = np.where(target <= last, values, empty)
        return out

    def table(self, parts: Iterable[dict[str, Array]]) -> Table:
        """Rows as a typed Table."""
        columns = self.inner()
        parts = list(parts)
        whole = {n: np.concatenate([p[n] for p in parts]) for n in (*columns, ROW)}
        frame = pl.DataFrame([_as_column(n, whole[n], columns.get(n)) for n in (ROW, *columns)])
        return Table(frame, columns)

    def ahead(self, arrays: Mapping[str, Array]) -> tuple[dict[str, Array], list[Fault]]:
        """The rows of the forecast that follows each history: ``horizon`` steps from its last known value.

        A history that is too short, or without what must be known in advance, has a fault instead; so has each row
        whose time is missing, doubled or off the grid. Raises DataError where there is no history at all.
        """
        found, faults = self.gathered(arrays)
        parts = []
        for one in found:
            known = np.flatnonzero(~np.isnan(one.y))
            where = f"'{one.name}'" if self.series else "rows"
            if len(known) < self.least:
                what = f"has a history of {len(known)} known values of '{self.target}'; {self.least} are needed."
                faults.append(Fault(where, what, hint=f"{self.reach} or more let it answer as it was tested."))
                continue
            made = self.rows(one, known[-1:])
            absent = int((made[ROW] < 0).sum())
            if self.known and absent:
                what = f"{', '.join(self.known)} must be told for the {self.horizon} times after "
                what += f"{_told(made[ORIGIN][0])}; {absent} of them are missing."
                faults.append(Fault(where, what, hint=f"Send a row for each, '{self.target}' null in it."))
                continue
            parts.append(made)
        if not parts:
            raise DataError(faults or Fault("rows", "hold no history."))
        return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}, faults

    def since(self, arrays: Mapping[str, Array], moment: float) -> Table:
        """The rows of all windows whose truths lie at or after a moment, those of known truth."""
        first = int(self.frequency.places(np.array([moment]))[0][0])
        parts = []
        for one in self.gathered(arrays)[0]:
            known = np.isfinite(one.y)
            able = np.flatnonzero(known & (np.cumsum(known) >= self.least))
            origins = able[(able + one.start >= first - 1) & (able < len(one.y) - 1)]
            made = self.rows(one, origins)
            kept = np.isfinite(made[self.target])
            parts.append({n: x[kept] for n, x in made.items()})
        return self.table(parts)

    def heads(self, made: Mapping[str, Array]) -> pl.DataFrame:
        """What stands before each answer: the series, the time and the step."""
        names = [n for n in (self.series, self.time) if n]
        columns = self.inner()
        frame = pl.DataFrame([_as_column(n, made[n], columns[n]) for n in names])
        return frame.with_columns(pl.Series(STEP, made[STEP], dtype=pl.Float64).cast(pl.Int64))

    def typed(self, table: Table) -> dict[str, Array]:
        """The columns of a cleaned history as arrays."""
        return {c.name: to_array(table[c.name]) for c in self.columns}

    def schema(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The JSON schema of an answer with what stands before it."""
        heads: dict[str, Any] = {self.series: {"type": "string"}} if self.series else {}
        heads |= {self.time: {"type": "string", "format": "date-time"}, STEP: {"type": "integer", "minimum": 1}}
        names = [*heads, *answer["properties"]]
        return {**answer, "properties": heads | answer["properties"], "required": names}

    def example(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A made-up history that can be answered: ``row`` again and again, a wave as the target."""
        many = self.reach + 1 + (self.horizon if self.known else 0)
        times = self.frequency.times(np.arange(many)).astype("datetime64[s]").astype(str)
        unit = float(np.mean(list(self.units.values())))
        level = row.get(self.target) or 0.0
        wave = level + unit * np.sin(np.arange(many) * 2 * np.pi / max(2, self.season))
        given = [float(v) if at <= self.reach else None for at, v in enumerate(wave)]
        rows = [{**row, self.time: t, self.target: v} for t, v in zip(times.tolist(), given, strict=True)]
        if self.hour is None:
            return rows
        return [{**r, self.time: r[self.time][:10], self.hour: int(r[self.time][11:13])} for r in rows]

    @staticmethod
    def plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
        """Answers as JSON says them: times as ISO text."""
        times = [n for n, dtype in frame.schema.items() if dtype.is_temporal()]
        texts = [frame[n].dt.to_string("iso:strict").str.strip_suffix(".000000").alias(n) for n in times]
        return frame.with_columns(texts).to_dicts()

    def save(self) -> dict[str, bytes]:
        """As a file of JSON."""
        state = {n: v for n, v in asdict(self).items() if n != "columns"}
        state["columns"] = json.loads(_COLUMNS.dump_json(self.columns))
        return {"windows.json": json.dumps(state, indent=1, sort_keys=True).encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Windows:
        state = json.loads(files["windows.json"])
        state["frequency"] = Frequency(**state["frequency"])
        state["known"] = tuple(state["known"])
        state["columns"] = _COLUMNS.validate_python(state["columns"])
        return cls(**state)


def clocked(arrays: Mapping[str, Array], time: str, hour: str | None) -> Array:
    """The times in seconds, with the hour where it stands in a column of its own."""
    return arrays[time] if hour is None else arrays[time] + HOUR * arrays[hour]


def _as_column(name: str, values: Array, column: Column | None) -> pl.Series:
    if column is None:
        return pl.Series(name, values.astype(np.int64))
    kind = typed(column).dtype
    if kind == "moment":
        return pl.Series(name, np.round(values * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
    if kind == "text":
        return pl.Series(name, values.tolist(), dtype=pl.String)
    return pl.Series(name, values.astype(np.float64)).fill_nan(None)


def _told(seconds: float) -> str:
    text = str(np.datetime64(int(np.floor(seconds)), "s"))
    return text.removesuffix("T00:00:00").replace("T", " ")
