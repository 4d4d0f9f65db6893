"""Metrics: every member through the published check, and against scikit-learn or a hand calculation."""

import numpy as np
import pytest
from sklearn import metrics as sk

from thirtyfold.core.family import Family
from thirtyfold.testing.metrics import check_metric

FAMILY = Family("aim.metrics")
RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 2, 400)
P = np.clip(0.5 * TRUTH + RNG.normal(0.25, 0.3, 400), 0.01, 0.99)
RAW = np.c_[1 - P, P]
DECIDED = RAW.argmax(axis=1)
VALUES = RNG.normal(20, 5, 300)
GUESS = VALUES + RNG.normal(0, 2, 300)


@pytest.mark.parametrize("word", FAMILY.words())
def test_every_metric_passes_the_published_check(word):
    check_metric(FAMILY.find(word))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("accuracy", sk.accuracy_score(TRUTH, DECIDED)),
        ("balanced_accuracy", sk.balanced_accuracy_score(TRUTH, DECIDED)),
        ("precision", sk.precision_score(TRUTH, DECIDED)),
        ("recall", sk.recall_score(TRUTH, DECIDED)),
        ("f1", sk.f1_score(TRUTH, DECIDED)),
        ("roc_auc", sk.roc_auc_score(TRUTH, P)),
        ("average_precision", sk.average_precision_score(TRUTH, P)),
        ("log_loss", sk.log_loss(TRUTH, P)),
        ("brier", sk.brier_score_loss(TRUTH, P)),
        ("mcc", sk.matthews_corrcoef(TRUTH, DECIDED)),
    ],
)
@pytest.mark.step(21, 25)
def test_two_classes_as_scikit_learn(word, expected):
    assert FAMILY.build(word, "metric").score(TRUTH, RAW, DECIDED) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("mae", sk.mean_absolute_error(VALUES, GUESS)),
        ("rmse", sk.root_mean_squared_error(VALUES, GUESS)),
        ("r2", sk.r2_score(VALUES, GUESS)),
        ("mape", sk.mean_absolute_percentage_error(VALUES, GUESS)),
    ],
)
@pytest.mark.step(21, 25)
def test_numbers_as_scikit_learn(word, expected):
    assert FAMILY.build(word, "metric").score(VALUES, GUESS[:, None], GUESS) == pytest.approx(expected)


@pytest.mark.step(21, 25)
def test_many_classes_as_scikit_learn():
    truth = RNG.integers(0, 3, 500)
    raw = RNG.dirichlet(np.ones(3), 500) + 0.4 * np.eye(3)[truth]
    raw /= raw.sum(axis=1, keepdims=True)
    score = {w: FAMILY.build(w, "metric").score(truth, raw, raw.argmax(1)) for w in ("roc_auc", "f1", "log_loss")}
    assert score["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, raw, multi_class="ovr", average="macro"))
    assert score["f1"] == pytest.approx(sk.f1_score(truth, raw.argmax(1), average="macro"))
    assert score["log_loss"] == pytest.approx(sk.log_loss(truth, raw))


def test_undefined_is_nan_not_a_number_made_up():
    one = np.zeros(5, dtype=int)
    raw = np.tile([0.6, 0.4], (5, 1))
    assert np.isnan(FAMILY.build("roc_auc", "metric").score(one, raw, one))
    zero = np.zeros(3)
    assert np.isnan(FAMILY.build("mape", "metric").score(zero, zero[:, None], zero))
    assert np.isnan(FAMILY.build("r2", "metric").score(zero, zero[:, None], zero))


@pytest.mark.filterwarnings("ignore:A single label")
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_counts_as_scikit_learn_over_many_drawn_tables(classes, weighted):
    """Classes that never occur, are never answered, ties, zero weights, one class alone."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(2, 40))
        truth = rng.integers(0, int(rng.integers(1, classes + 1)), rows)
        raw = np.round(rng.dirichlet(np.ones(classes), rows), 1)
        decided = rng.integers(0, int(rng.integers(1, classes + 1)), rows)
        weight = rng.integers(0, 3, rows).astype(float) if weighted else None
        if weighted and not weight.sum():
            continue
        average = "binary" if classes == 2 else "macro"
        common = {"average": average, "sample_weight": weight, "zero_division": 0}
        expected = {
            "precision": sk.precision_score(truth, decided, **common),
            "recall": sk.recall_score(truth, decided, **common),
            "f1": sk.f1_score(truth, decided, **common),
            "mcc": sk.matthews_corrcoef(truth, decided, sample_weight=weight),
        }
        for word, value in expected.items():
            ours = FAMILY.build(word, "metric").score(truth, raw, decided, weight)
            assert ours == pytest.approx(value, abs=1e-9), (word, seed)
        if classes == 2 and truth.any() and (weight is None or weight[truth == 1].sum()):
            ours = FAMILY.build("average_precision", "metric").score(truth, raw, decided, weight)
            assert ours == pytest.approx(sk.average_precision_score(truth, raw[:, 1], sample_weight=weight)), seed
