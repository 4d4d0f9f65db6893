"""Windowing: frequency and season are found, the parts share no truth, and what cannot be foretold is said."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.aim import Aim
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.frequency import DAY, HOUR, Frequency
from thirtyfold.core.table import ROW, Column, Table
from thirtyfold.data.seasons import frequency_of, season_of
from thirtyfold.data.windowing import windowed

SHARES = (0.7, 0.15, 0.15)


def table(n=200, series=None, times=None, seed=0):
    """Daily sales that go with the weekday."""
    rng = np.random.default_rng(seed)
    names = series or [""]
    parts = []
    for at, name in enumerate(names):
        day = np.arange(n) if times is None else times
        sales = 50 + 20 * np.sin(2 * np.pi * np.asarray(day) / 7) + rng.normal(0, 2, len(day)) + 10 * at
        moments = pl.Series("day", (np.asarray(day) * DAY * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
        parts.append(pl.DataFrame([moments, pl.Series("shop", [name] * len(day)), pl.Series("sales", sales)]))
    frame = pl.concat(parts)
    columns = {
        "day": Column("day", "moment", "time"),
        "shop": Column("shop", "category", "group"),
        "sales": Column("sales", "number", "target"),
    }
    if series is None:
        frame, columns = frame.drop("shop"), {n: c for n, c in columns.items() if n != "shop"}
    return Table.of(frame, columns)


def aim(**options):
    return Aim("sales", "forecasting", "mase", False, ("mase",), options)


def bytes_of(rows):
    return [rows[n].to_numpy().tobytes() for n in rows.columns if rows[n].dtype != pl.String]


@pytest.mark.step(10)
def test_nothing_of_validation_and_test_reaches_a_training_row():
    whole = table(series=["a", "b"])
    made = windowed(whole, aim(horizon=5), SHARES, "auto")
    cut = made.validation["day"].min()
    later = whole["day"] >= cut
    spoiled = whole.with_column(
        pl.select(pl.when(later).then(-1e9).otherwise(whole["sales"])).to_series().alias("sales"),
        whole.columns["sales"],
    )
    again = windowed(spoiled, aim(horizon=5), SHARES, "auto")
    assert bytes_of(made.train) == bytes_of(again.train)
    assert made.windows == again.windows  # frequency, season and the unit of MASE come from the training part alone
    assert bytes_of(made.validation) != bytes_of(again.validation)


@pytest.mark.step(10)
def test_parts_follow_each_other_and_windows_are_whole():
    made = windowed(table(), aim(horizon=5), SHARES, "auto")
    train, validation, test = (made.train, made.validation, made.test)
    assert train["day"].max() < validation["day"].min() and validation["day"].max() < test["day"].min()
    for part in (validation, test):
        assert (part.frame.group_by("origin").len()["len"] == 5).all()
        assert part["origin"].min() >= part["day"].min() - timedelta(days=1)
    parts = dict(zip(table().rows.tolist(), made.parts.tolist(), strict=True))
    for at, part in enumerate((train, validation, test)):
        assert {parts[int(r)] for r in part.rows} == {at}
    numbers = made.evidence.numbers
    assert numbers["season"] == 7 and numbers["frequency"] == "day" and numbers["rows"]["test"] == len(test)


@pytest.mark.step(10)
def test_the_unit_of_mase_by_hand():
    whole = table()
    made = windowed(whole, aim(horizon=5), SHARES, "auto")
    y = whole["sales"].filter(whole["day"] < made.validation["day"].min()).to_numpy()
    assert made.windows.units == pytest.approx({"": np.abs(y[7:] - y[:-7]).mean()})


@pytest.mark.step(10)
def test_series_of_different_lengths():
    long, short = table(series=["long"]), table(n=3, series=["short"])
    both = Table.of(pl.concat([long.frame, short.frame]).drop(ROW), long.columns)
    made = windowed(both, aim(horizon=5), SHARES, "auto")
    assert set(made.train["shop"].unique()) == {"long"}
    assert "1 series too short for one window: short." in made.evidence.why


@pytest.mark.parametrize(
    ("data", "options", "how", "said"),
    [
        (lambda: table(n=40), {"horizon": 30}, "auto", r"need \d+ steps at least .* the data has 40"),
        (table, {"horizon": 5, "known": ["prize"]}, "auto", "'prize' is no input column"),
        (table, {"horizon": 5, "frequency": "1 fortnight"}, "auto", "'1 fortnight' is no step of time"),
        (table, {"horizon": 5}, "random", "a forecast is tested on what comes later"),
        (lambda: table().describe(Column("day", "moment", "ignore")), {}, "auto", "needs the time of each row: no"),
        (lambda: table().describe(Column("day", "category", "time")), {}, "auto", "is category, not a time"),
        (lambda: table(series=["a", "b"]).without("shop"), {}, "auto", "names the series"),
        (lambda: table(times=np.arange(200) ** 1.3), {}, "auto", "the times are uneven"),
        (lambda: table(times=np.zeros(200)), {}, "auto", "has 1 different times"),
    ],
)
@pytest.mark.step(3, 10)
def test_what_cannot_be_foretold_is_said(data, options, how, said):
    with pytest.raises((DataError, SpecError), match=said):
        windowed(data(), aim(**options), SHARES, how)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (np.arange(50) * HOUR, Frequency("second", HOUR, 0.0)),
        (np.delete(np.arange(100) * 900.0, [4, 9, 50]), Frequency("second", 900.0, 0.0)),
        (np.array([d for d in range(100) if d % 7 < 5]) * DAY, Frequency("second", DAY, 0.0)),  # no weekends
        (np.arange(0, 240).astype("datetime64[M]").astype("datetime64[s]").astype(float), Frequency("month", 1, 0.0)),
        (
            np.arange(0, 240, 3).astype("datetime64[M]").astype("datetime64[s]").astype(float),
            Frequency("month", 3, 0.0),
        ),
        (np.arange(60) * 28 * DAY, Frequency("second", 28 * DAY, 0.0)),
    ],
)
@pytest.mark.step(10)
def test_the_frequency_is_found(times, expected):
    assert frequency_of([times], "auto") == expected


@pytest.mark.step(10)
def test_a_season_is_believed_only_where_it_shows():
    rng = np.random.default_rng(0)
    hour = Frequency("second", HOUR, 0.0)
    wave = np.sin(np.arange(2000) * 2 * np.pi / 24) * 5 + rng.normal(0, 1, 2000)
    assert season_of(hour, [wave], None)[:2] == (24, 168)
    walk = rng.normal(0, 1, 2000).cumsum()
    assert season_of(hour, [walk], None).steps == 1
    assert season_of(hour, [walk], 12).steps == 12
