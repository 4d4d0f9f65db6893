"""Errors that share an origin go together: the interval of a score must know it."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from thirtyfold.aim.metrics.mae import Mae
from thirtyfold.core.table import Column, Table
from thirtyfold.prove.forecasts import blocks_of
from thirtyfold.prove.score import Scorer, bootstrap


def rows_of(origins, horizon):
    origin = np.repeat(np.arange(origins), horizon)
    time = origin + np.tile(np.arange(1, horizon + 1), origins)
    moments = {n: pl.Series(n, x * 3_600_000_000).cast(pl.Datetime("us")) for n, x in (("t", time), ("origin", origin))}
    columns = {"t": Column("t", "moment", "time"), "origin": Column("origin", "moment", "ignore")}
    return Table.of(pl.DataFrame(list(moments.values())), columns)


@pytest.mark.step(25)
@pytest.mark.parametrize(("origins", "horizon", "size"), [(200, 12, 12), (50, 12, 5), (5, 12, 1)])
def test_origins_whose_windows_overlap_are_drawn_together(origins, horizon, size):
    place, together = blocks_of(rows_of(origins, horizon))
    assert place.tolist() == np.repeat(np.arange(origins), horizon).tolist()
    assert together == size


@pytest.mark.step(25)
def test_the_interval_holds_the_mean_as_often_as_it_says():
    held, narrow = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shared = rng.exponential(1, 40)  # one error an origin, the same for all of its rows; its mean is 1
        truth, answer = np.repeat(shared, 10), np.zeros(400)
        runs = (np.repeat(np.arange(40), 10), 1)
        whole = bootstrap(Scorer(Mae(), truth, answer[:, None], answer, runs), seed, 400)
        alone = bootstrap(Scorer(Mae(), truth, answer[:, None], answer), seed, 400)
        held += whole[0] <= 1 <= whole[1]
        narrow += alone[0] <= 1 <= alone[1]
    assert held >= 52  # 95 % of 60 is 57
    assert narrow < 40  # rows drawn one by one promise 95 % and hold half of it


@pytest.mark.step(25)
def test_runs_of_origins_keep_neighbors_together():
    place = np.repeat(np.arange(12), 2)
    seen = SimpleNamespace(drawn=[])

    class Spy(Mae):
        def score(self, truth, raw, decided, weight=None):
            seen.drawn.append(truth.astype(int))
            return 0.0

    bootstrap(Scorer(Spy(), place.astype(float), np.zeros((24, 1)), np.zeros(24), (place, 4)), 0, 30)
    for rows in seen.drawn:
        origins = rows[::2].reshape(3, 4)  # three runs of four neighbors, around the end too
        assert (np.diff(origins, axis=1) % 12 == 1).all() and len(rows) == 24
