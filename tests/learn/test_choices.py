"""Threshold, blend, options and search: against brute force and hand calculation."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, matthews_corrcoef

from thirtyfold.core.family import Family
from thirtyfold.core.model import Dial
from thirtyfold.learn.balance import weights
from thirtyfold.learn.blend import select
from thirtyfold.learn.options import fitting, written
from thirtyfold.learn.search import Past, hopeless, values_of
from thirtyfold.learn.threshold import choose
from thirtyfold.testing.models import easy_table

MEASURES = {
    "f1": lambda t, p: f1_score(t, p, zero_division=0),
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "mcc": matthews_corrcoef,
}


@pytest.mark.parametrize("metric", MEASURES)
def test_threshold_is_the_best_of_all_by_scikit_learn(metric: str) -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random(300) < 0.2).astype(int)
    chance = np.round(np.clip(0.3 * truth + rng.random(300) * 0.6, 0, 1), 2)
    found = choose(truth, chance, metric, None)
    measure: Any = MEASURES[metric]
    brute = max(measure(truth, chance >= t) for t in np.arange(0, 1.02, 0.01) - 0.005)
    assert found.value == pytest.approx(brute, abs=1e-9)
    assert measure(truth, chance >= found.at) == pytest.approx(brute, abs=1e-9)
    assert found.at_half == pytest.approx(measure(truth, chance >= 0.5), abs=1e-9)


@pytest.mark.step(22)
def test_threshold_by_costs() -> None:
    """Sorted by chance: 1 0 1 0 0. Missing a positive costs 5, a false alarm 1: best is to call the first three."""
    truth, chance = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.3, 0.1])
    found = choose(truth, chance, "roc_auc", {"false_negative": 5, "false_positive": 1})
    assert 0.3 < found.at <= 0.7
    assert found.value == 1
    strict = choose(truth, chance, "roc_auc", {"false_negative": 1, "false_positive": 5})
    assert 0.8 < strict.at <= 0.9
    assert strict.value == 1


def test_blend_by_hand() -> None:
    """Answers 0, 2 and 10 for a truth of 4: alone 2 is best; 2, 10, 2, 2 have the mean 4 exactly."""
    raws = [np.array([[v]]) for v in (0.0, 2.0, 10.0)]
    blend = select(raws, lambda raw: -abs(float(raw[0, 0]) - 4))
    assert blend.value == 0
    assert dict(zip(blend.members, blend.weights, strict=True)) == {1: 0.75, 2: 0.25}


def test_blend_stays_single_when_nothing_helps() -> None:
    raws = [np.array([[v]]) for v in (4.0, 9.0)]
    assert select(raws, lambda raw: -abs(float(raw[0, 0]) - 4)).members == (0,)


def test_dotted_options() -> None:
    options = {"layers": 2, "optimizer": {"sgd": {"rate": 0.1}}, "schedule": "cosine"}
    out = written(options, {"optimizer.sgd.rate": 0.5, "layers": 3, "schedule.cosine.warmup": 0.2})
    assert out == {"layers": 3, "optimizer": {"sgd": {"rate": 0.5}}, "schedule": {"cosine": {"warmup": 0.2}}}
    assert options["optimizer"] == {"sgd": {"rate": 0.1}}
    space = {"optimizer.adamw.rate": Dial(0, 1), "optimizer.adamw.decay": Dial(0, 1), "layers": Dial(1, 2)}
    assert list(fitting(space, options)) == ["optimizer.sgd.rate", "layers"]


def test_grid_takes_every_combination_once() -> None:
    space = {"a": Dial(1, 3, kind="int"), "b": Dial(choices=("x", "y"), kind="choice")}
    grid: Any = Family("learn.searchers").build("grid", "tune.search")
    past = [Past({"a": 2, "b": "x"}, 0.0, asked=False)]
    while (found := grid.propose(space, past, 0)) is not None:
        past.append(Past(found, 0.0))
    assert [(p.settings["a"], p.settings["b"]) for p in past[1:]] == [(a, b) for a in (1, 2, 3) for b in "xy"]
    assert values_of(Dial(1, 100, log=True), 3) == pytest.approx([1, 10, 100])


@pytest.mark.step(22)
def test_bayesian_beats_random_on_a_narrow_hill() -> None:
    space = {"x": Dial(-5.0, 5.0), "y": Dial(-5.0, 5.0)}

    def best(word: str, seed: int) -> float:
        searcher: Any = Family("learn.searchers").build(word, "tune.search")
        past: list[Past] = []
        for _ in range(30):
            found = searcher.propose(space, past, seed)
            past.append(Past(found, -((found["x"] - 1) ** 2) - (found["y"] + 2) ** 2))
        return max(p.value for p in past)

    seeds = range(4)
    assert np.mean([best("bayesian", s) for s in seeds]) > np.mean([best("random", s) for s in seeds])


def test_hopeless_is_below_the_median_of_four() -> None:
    assert not hopeless(0.1, [0.5, 0.6, 0.7])
    assert hopeless(0.1, [0.5, 0.6, 0.7, 0.2])
    assert not hopeless(0.6, [0.5, 0.6, 0.7, 0.2])


def test_balance_gives_each_class_the_same_total() -> None:
    table = easy_table(2)
    weight = weights(table.take(np.flatnonzero(np.asarray(table.target) == 0)[:50]), balance=False)
    assert weight is None
    some = table.take(np.concatenate([np.flatnonzero(np.asarray(table.target) == c)[: 30 + 60 * c] for c in (0, 1)]))
    weight = weights(some, balance=True)
    assert weight is not None
    totals = np.bincount(np.asarray(some.target), weights=weight)
    assert totals[0] == pytest.approx(totals[1])
    assert weight.mean() == pytest.approx(1)
