"""Categories that come once or twice are no drift when others like them come."""

import numpy as np
import polars as pl

from thirtyfold.data.types.category import Category
from thirtyfold.watch.monitors.drift import _Compared, _limit


def names(rows: int, rng: np.random.Generator) -> pl.Series:
    """Three quarters missing, the rest names of which few come twice: cabins of a ship."""
    drawn = [None if rng.random() < 0.75 else f"c{int(rng.zipf(1.3)) % 5000}" for _ in range(rows)]
    return pl.Series("cabin", drawn, dtype=pl.String)


def test_rare_names_raise_no_alarm_and_more_of_them_do():
    rng = np.random.default_rng(0)
    kind = Category()
    alarms = 0
    for seed in range(20):
        profile = kind.profile("cabin", names(600, rng))
        limit = _limit(profile, 500, 0.001, seed)
        alarms += _Compared(kind, profile, 500)(names(500, rng).to_numpy()) > limit
    assert alarms <= 1
    many = names(500, rng).fill_null("new")
    assert _Compared(kind, profile, 500)(many.to_numpy()) > limit
