"""Forecasting: metrics against hand calculations, intervals against what they promise."""

import numpy as np
import pytest

from thirtyfold.aim.tasks.forecasting import Forecasting
from thirtyfold.core.aim import evaluate
from thirtyfold.core.windows import BASE, SCALE, STEP, UNIT

COLUMNS = {
    BASE: np.array([10.0, 20.0, 30.0, 0.0]),
    SCALE: np.array([2.0, 2.0, 4.0, 1.0]),
    UNIT: np.array([2.0, 2.0, 4.0, 4.0]),
    STEP: np.array([1.0, 2.0, 1.0, 2.0]),
}
TRUTH = np.array([12.0, 19.0, 40.0, 0.0])


@pytest.mark.step(21, 25)
def test_metrics_by_hand():
    found = evaluate(Forecasting(), ("mase", "mae", "wape", "smape"), TRUTH, np.zeros((4, 1)), COLUMNS)
    assert found["mae"] == pytest.approx((2 + 1 + 10 + 0) / 4)
    assert found["mase"] == pytest.approx((2 / 2 + 1 / 2 + 10 / 4 + 0) / 4)
    assert found["wape"] == pytest.approx(13 / 71)
    assert found["smape"] == pytest.approx((2 * 2 / 22 + 2 / 39 + 20 / 70 + 0) / 4)  # 0 and 0: no error


@pytest.mark.step(17)
def test_what_is_learned_comes_back_as_the_truth():
    task = Forecasting()
    learned = task.learned(TRUTH, COLUMNS)
    assert learned.tolist() == [1.0, -0.5, 2.5, 0.0]
    assert task.decide(learned[:, None], COLUMNS).tolist() == TRUTH.tolist()
    assert task.decide(np.tile(task.baseline(TRUTH), (4, 1)), COLUMNS).tolist() == COLUMNS[BASE].tolist()


@pytest.mark.step(22, 25)
def test_the_rank_of_split_conformal_by_step():
    misses = np.arange(1.0, 21.0)  # 20 of each of two steps: 21 * 0.9 = 18.9, so the 19th smallest
    columns = {
        BASE: np.zeros(40),
        SCALE: np.ones(40),
        UNIT: np.ones(40),
        STEP: np.repeat([1.0, 2.0], 20),
    }
    task = Forecasting(interval=0.9).calibrated(np.r_[misses, -10 * misses], np.zeros((40, 1)), columns)
    assert task.widths == (19.0, 190.0)
    low, high = task.ends(np.zeros((4, 1)), COLUMNS)
    assert (high - low).tolist() == [2 * 19 * 2, 2 * 190 * 2, 2 * 19 * 4, 2 * 190]
    assert Forecasting.restore(task.state()) == task


@pytest.mark.step(25)
def test_intervals_hold_the_share_that_they_promise():
    rng = np.random.default_rng(0)

    def draw(n):
        scale, step = rng.lognormal(0, 1, n), rng.integers(1, 4, n).astype(float)
        columns = {BASE: rng.normal(0, 9, n), SCALE: scale, UNIT: np.ones(n), STEP: step}
        return columns, columns[BASE] + scale * step * rng.standard_t(4, n)

    columns, truth = draw(3000)
    task = Forecasting(interval=0.8).calibrated(truth, np.zeros((3000, 1)), columns)
    columns, truth = draw(20_000)
    low, high = task.ends(np.zeros((20_000, 1)), columns)
    for step in (1, 2, 3):  # each on its own, not only on the whole; the standard error is 0.013
        inside = ((low <= truth) & (truth <= high))[columns[STEP] == step]
        assert inside.mean() == pytest.approx(0.8, abs=0.04)
