"""Windows: what a row knows, by hand; that it knows nothing later; and that a history alone makes the same rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.core.frequency import DAY, HOUR, Frequency
from thirtyfold.core.table import ROW, Column
from thirtyfold.core.windows import BASE, SCALE, STEP, UNIT, Windows

DAILY = Frequency("second", DAY, 0.0)
COLUMNS = (
    Column("day", "moment", "time"),
    Column("price", "number"),
    Column("weather", "number"),
    Column("sales", "number", "target"),
)


def windows(**changed):
    made = Windows(COLUMNS, DAILY, horizon=3, season=7, long=0, known=("price",), units={"": 2.0})
    return replace(made, **changed)


def history(n, seed=0):
    rng = np.random.default_rng(seed)
    day = np.arange(n) * DAY
    return {"day": day, "price": rng.normal(5, 1, n), "weather": rng.normal(0, 1, n), "sales": rng.normal(50, 9, n)}


@pytest.mark.step(12)
def test_a_row_by_hand():
    made = windows()
    arrays = history(60)
    y = arrays["sales"]
    one = made.gathered(arrays)[0][0]
    rows = made.rows(one, np.array([40]))
    assert rows[STEP].tolist() == [1, 2, 3]
    assert rows[BASE].tolist() == [y[34], y[35], y[36]]  # the same weekday a week before
    assert rows["sales"].tolist() == [y[41], y[42], y[43]]
    assert rows["price"].tolist() == arrays["price"][41:44].tolist()  # known in advance: at the time itself
    assert rows["weather_at_origin"].tolist() == [arrays["weather"][40]] * 3  # not known: as it was at the origin
    spread = y[27:41].std()  # two seasons
    assert rows[SCALE] == pytest.approx([spread] * 3)
    assert rows["recent_1"] == pytest.approx((y[40] - rows[BASE]) / spread)
    assert rows["seasons_back_2"] == pytest.approx((y[27:30] - y[34:37]) / spread)
    assert rows["trend"] == pytest.approx([(y[34:41].mean() - y[27:34].mean()) / spread] * 3)
    assert rows[UNIT].tolist() == [2.0] * 3
    assert rows[ROW].tolist() == [41, 42, 43]
    assert rows["weekday"].tolist() == [(41 + 3) % 7, (42 + 3) % 7, (43 + 3) % 7]  # 1970 began on a Thursday


@pytest.mark.step(10, 12)
@given(st.integers(30, 90), st.integers(0, 5))
def test_what_comes_later_changes_nothing(origin, seed):
    made = windows()
    arrays, other = history(100, seed), history(100, seed)
    other["sales"][origin + 1 :] = -1e6
    other["weather"][origin + 1 :] = 1e6
    one, two = (made.rows(made.gathered(a)[0][0], np.array([origin])) for a in (arrays, other))
    for name in one:
        if name != "sales":
            assert one[name].tobytes() == two[name].tobytes(), name


@pytest.mark.step(29)
@given(st.integers(52, 90), st.integers(0, 5))
def test_the_last_rows_of_a_history_say_the_same_as_all_of_it(origin, seed):
    made = windows()
    arrays = history(100, seed)
    whole = made.rows(made.gathered(arrays)[0][0], np.array([origin]))
    tail = slice(origin - made.reach, origin + 4)
    sent = {n: x[tail].copy() for n, x in arrays.items()}
    sent["sales"][-3:] = np.nan
    alone, faults = made.ahead(sent)
    assert not faults
    for name in whole:
        if name not in ("sales", ROW):
            assert alone[name].tobytes() == whole[name].tobytes(), name


@pytest.mark.step(7)
def test_gaps_doubles_and_times_off_the_grid():
    made = windows()
    arrays = history(40)
    arrays["day"][5] = np.nan
    arrays["day"][6] = 7 * DAY
    arrays["day"][8] += HOUR
    (one,), faults = made.gathered(arrays)
    assert [(f.where, f.what) for f in faults] == [
        ("rows.5.day", "is missing."),
        ("rows.7.day", "1970-01-08 is given twice."),
        ("rows.8.day", "1970-01-09 01:00:00 is not a whole day from the others."),
    ]
    assert np.isnan(one.y[[5, 6, 8]]).all() and one.y[7] == arrays["sales"][6]


@pytest.mark.step(29)
def test_a_short_history_and_a_future_that_is_not_told():
    made = windows()
    with pytest.raises(DataError, match=r"history of 5 known values of 'sales'; 7 are needed"):
        made.ahead(history(5))
    with pytest.raises(DataError, match=r"price must be told for the 3 times after 1970-02-09; 3 of them are missing"):
        made.ahead(history(40))
    with pytest.raises(DataError, match=r"40 times span .* steps of one day"):
        made.ahead({**history(40), "day": np.r_[np.arange(39), 20_000] * DAY})


def test_it_comes_back_equal():
    assert Windows.load(windows(hour="h").save()) == windows(hour="h")


@pytest.mark.parametrize(
    ("frequency", "start", "expected"),
    [
        (Frequency("month", 1, 0.0), "2024-01-31", ["2024-01-31", "2024-02-29", "2024-03-31"]),
        (Frequency("month", 1, 0.0), "2023-12-01", ["2023-12-01", "2024-01-01", "2024-02-01"]),
        (Frequency("month", 3, 0.0), "2023-11-15", ["2023-11-15", "2024-02-15", "2024-05-15"]),
        (Frequency("second", 7 * DAY, 0.0), "2024-02-26", ["2024-02-26", "2024-03-04", "2024-03-11"]),
    ],
)
def test_places_and_times(frequency, start, expected):
    seconds = np.array(expected, dtype="datetime64[s]").astype(np.float64)
    frequency = replace(frequency, anchor=float(np.datetime64(start, "s").astype(np.int64)))
    assert frequency.times(np.arange(3)).tolist() == seconds.tolist()
    places, fits = frequency.places(seconds)
    assert places.tolist() == [0, 1, 2] and fits.all()


@pytest.mark.parametrize(
    ("frequency", "name"),
    [
        (Frequency("month", 3, 0), "quarter"),
        (Frequency("second", HOUR, 0), "hour"),
        (Frequency("second", 900, 0), "15 minutes"),
        (Frequency("second", 14 * DAY, 0), "2 weeks"),
        (Frequency("month", 12, 0), "year"),
    ],
)
def test_names(frequency, name):
    assert frequency.name == name
