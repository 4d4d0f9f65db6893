"""Moments read by their figures: the same as Polars reads, and none that is no moment."""

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thirtyfold.core.figures import moments_of

_PATTERNS = {19: "%Y-%m-%dT%H:%M:%S", 23: "%Y-%m-%dT%H:%M:%S.%3f", 26: "%Y-%m-%dT%H:%M:%S.%6f"}


@given(st.lists(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), min_size=1), st.sampled_from([19, 23, 26]))  # noqa: DTZ001
def test_the_same_as_polars(moments: list[datetime], size: int) -> None:
    text = pl.Series([m.isoformat(timespec="microseconds")[:size] for m in moments])
    read = moments_of(text)
    assert read is not None
    assert read.to_list() == text.str.to_datetime(_PATTERNS[size], time_unit="us").to_list()


def test_more_than_are_read_together() -> None:
    days = pl.datetime_range(datetime(1899, 1, 1), datetime(2101, 1, 1), "1d", eager=True)  # noqa: DTZ001
    read = moments_of(days.dt.strftime("%Y-%m-%d %H:%M:%S"))
    assert read is not None
    assert read.to_list() == days.to_list()


@pytest.mark.parametrize(
    "odd",
    ["2023-02-29T00:00:00", "1900-02-29T00:00:00", "2023-04-31T00:00:00", "2023-13-01T00:00:00", "2023-00-01T00:00:00",
     "2023-01-00T00:00:00", "2023-01-01T24:00:00", "2023-01-01T00:60:00", "2023-01-01T00:00:60", "0000-01-01T00:00:00",
     "2023-01-01_00:00:00", "2023/01-01T00:00:00", "2023-01-0aT00:00:00", "2023-01-é1T00:00:0", "2023-01-01", None],
)  # fmt: skip
def test_what_is_no_moment(odd: str | None) -> None:
    assert moments_of(pl.Series(["2024-02-29T23:59:59", odd])) is None
    assert moments_of(pl.Series([odd, "2024-02-29T23:59:59"])) is None


def test_nothing_at_all() -> None:
    assert moments_of(pl.Series([], dtype=pl.String)) is None
