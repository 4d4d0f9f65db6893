"""Audits: every member through the published check, and the numbers each must give."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from thirtyfold.aim.tasks.classification import Classification
from thirtyfold.core import tested
from thirtyfold.core.aim import Aim
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import Column, Table
from thirtyfold.prove.audits.personal_data import KINDS
from thirtyfold.prove.score import Scorer, bootstrap, claimed, compare, rounds_of, scorer, slices
from thirtyfold.prove.test import _gates
from thirtyfold.testing import check_audit
from thirtyfold.testing.audits import example_case

pytestmark = pytest.mark.step(27)


@pytest.mark.parametrize("word", Family("prove.audits").words())
def test_every_audit_passes_the_published_check(word):
    check_audit(word)


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [
        ("card number", "4111 1111 1111 1111", "4111 1111 1111 1112"),  # the networks' own test number
        ("account number (IBAN)", "GB82 WEST 1234 5698 7654 32", "GB83 WEST 1234 5698 7654 32"),  # from ISO 13616
        ("e-mail address", "write to ada@example.org today", "ada at example.org"),
        ("social security number", "078-05-1120", "000-12-3456"),
        ("IP address", "from 192.0.2.17 on", "version 1.2.3.4.5"),
        ("telephone number", "(212) 555-0187", "2125550"),
    ],
)
def test_personal_data_by_its_form_and_check_digits(kind, yes, no):
    assert KINDS[kind](yes) and not KINDS[kind](no)


def test_personal_data_names_the_column_and_refuses_when_asked():
    case = example_case()
    mails = pl.Series("sex", [f"user{i}@example.org" for i in range(len(case.learning))])
    learning = case.learning.with_column(mails, Column("sex", "category"))
    case = type(case)(
        case.package, learning, *[getattr(case, n) for n in ("validation", "test", "aim", "winner", "seed")]
    )
    told = Family("prove.audits").build({"personal_data": {"refuse": True}}, "safety").ask(case, Quiet())
    assert not told.verdict.passed and "sex" in told.verdict.why
    fine = Family("prove.audits").build({"personal_data": {"allow": ["sex"], "refuse": True}}, "safety")
    quiet = fine.ask(case, Quiet()).verdict
    assert quiet.passed and quiet.why == "no personal data found in 3 input columns"


def test_privacy_tells_a_model_that_learned_by_heart_from_one_that_did_not():
    from thirtyfold.prove.audits.privacy import _auc

    rng = np.random.default_rng(0)
    assert _auc(np.zeros(500), np.ones(500)) == 1.0
    assert _auc(rng.random(4000), rng.random(4000)) == pytest.approx(0.5, abs=0.02)
    assert _auc(np.ones(10), np.ones(10)) == 0.5, "ties count half"
    told = Family("prove.audits").build("privacy", "safety").ask(example_case(), Quiet())
    assert told.verdict.value < 0.6, "a linear model of three columns remembers nobody"


def test_calibration_error_by_hand():
    """Naeini et al. 2015: the confidences of a bin against its accuracy, weighed by its rows."""
    from thirtyfold.prove.audits.calibration import _confidence

    case = example_case()
    confidence, right = _confidence(case, "test")
    bins = np.minimum((confidence * 10).astype(int), 9)
    by_hand = sum(
        (bins == b).mean() * abs(confidence[bins == b].mean() - right[bins == b].mean()) for b in np.unique(bins)
    )
    told = Family("prove.audits").build("calibration", "safety").ask(case, Quiet())
    assert told.verdict.value == pytest.approx(by_hand)


def test_abstention_reaches_the_accuracy_it_was_set_for():
    case = example_case()
    told = Family("prove.audits").build({"calibration": {"accuracy": 0.9}}, "safety").ask(case, Quiet())
    answers = told.fixed.predict(case.validation)
    truth = case.validation["high"]
    sure = ~answers["unsure"]
    assert 0.2 < sure.mean() < 1
    assert (answers["prediction"] == truth).filter(sure).mean() >= 0.9


def test_robustness_falls_with_noise():
    told = Family("prove.audits").build({"robustness": {"noise": 0.4}}, "safety").ask(example_case(), Quiet())
    assert 0 < told.verdict.value < 1
    strict = {"robustness": {"noise": 0.4, "at_most": 0.0001}}
    assert not Family("prove.audits").build(strict, "safety").ask(example_case(), Quiet()).verdict.passed


class Share:
    """The share of rows that are 1: a metric of one column."""

    tasks, greater, bounds = ("classification",), True, (0.0, 1.0)

    def score(self, truth, raw, decided, weight=None):
        return float(truth.mean())


def share_of(hits):
    return Scorer(Share(), hits, hits[:, None], hits)


@pytest.mark.parametrize("classes", [2, 3])
def test_samples_scored_all_at_once_are_scored_as_one_by_one(classes):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, 60)
    raw = (rng.random((60, classes)) + 0.4 * np.eye(classes)[truth]).round(1)  # rounded, so that many are equal
    task = Classification(tuple("abc"[:classes]))
    found = scorer(task, "roc_auc", truth, raw, {})
    again = np.random.default_rng(7)
    drawn = [again.integers(0, 60, 60) for _ in range(40)]
    weights = [[float((at == i).sum()) for i in range(60)] for at in drawn]
    column = (lambda w: roc_auc_score(truth == 1, raw[:, 1], sample_weight=w)) if classes == 2 else None
    np.testing.assert_allclose(found.drawn(7, 40), [found(at) for at in drawn], rtol=1e-12)
    if column:
        np.testing.assert_allclose(found.drawn(7, 40), [column(w) for w in weights], rtol=1e-12)


def test_the_ends_of_an_interval_hardly_depend_on_the_seed():
    """134 rows, as titanic's test part has: with 200 draws the low end moved by 0.025."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 134)
    score = np.clip(0.3 * truth + 0.3 * rng.normal(size=134), 0, 1)
    found = scorer(Classification(("a", "b")), "roc_auc", truth, np.column_stack([1 - score, score]), {})
    ends = np.array([bootstrap(found, seed) for seed in range(10)])
    assert np.ptp(ends, axis=0).max() < 0.011 and rounds_of(134) == 2000 and rounds_of(10**6) == 200


def test_few_rows_without_an_error_claim_little():
    truth = np.array([0, 0, 1, 1, 1])
    raw = np.column_stack([1.0 - truth, truth])
    found = scorer(Classification(("a", "b")), "roc_auc", truth, raw, {})
    assert bootstrap(found, 0) == (1.0, 1.0)
    assert claimed((1.0, 1.0), 5, "roc_auc") == (pytest.approx(0.4), 1.0)  # three of five may be another way
    assert claimed((1.0, 1.0), 300, "roc_auc") == (pytest.approx(0.99), 1.0)
    assert claimed((0.7, 0.9), 5, "roc_auc") == (0.7, 0.9) and claimed((0.0, 0.0), 5, "rmse") == (0.0, 0.0)
    made = tested.Tested("hash", "roc_auc", 5, 1, {"roc_auc": 1.0}, {"roc_auc": 1.0}, (1.0, 1.0), 0.5)
    verdict = _gates(made, Aim("y", "classification", "roc_auc", greater=True, metrics=("roc_auc",)), {})[0]
    assert not verdict.passed and "(0.4 to 1)" in verdict.why and "only 5 test rows" in verdict.why


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says():
    """A 95 % interval of a share should hold the true share in about 95 of 100 samples."""
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(100):
        hits = rng.random(400) < 0.3
        low, high = bootstrap(share_of(hits), seed)
        held += low <= 0.3 <= high
    assert 88 <= held <= 100


def test_a_paired_comparison_sees_what_two_intervals_cannot():
    rng = np.random.default_rng(2)
    hard = rng.random(500)
    first, second = hard < 0.70, hard < 0.68
    low, high, share = compare(share_of(first), share_of(second), 0)
    assert 0 < low < 0.02 < high or low >= 0
    assert share > 0.95


def test_slices_find_the_group_that_is_worse():
    case = example_case()
    wrong = np.asarray(case.test["sex"] == "male") * 0.6 + 0.1
    worst = slices(case.test, wrong, ["age", "sex"])[0]
    assert worst["column"] == "sex" and worst["slice"] == "male" and worst["error"] == pytest.approx(0.7)


def test_robustness_of_a_model_no_better_than_the_naive_answer_has_no_share():
    case = example_case()
    turned = case.test.frame.with_columns(pl.col("high").replace({"yes": "no", "no": "yes"}))
    worse = replace(case, test=Table(turned, case.test.columns))
    told = Family("prove.audits").build({"robustness": {"at_most": 0.5}}, "safety").ask(worse, Quiet())
    clean, *_ = told.verdict.why.partition(" to ")
    assert float(clean.rsplit(" ", 1)[1]) <= 0.5
    assert "% of what was won" not in told.verdict.why
    assert "no better than the naive answer" in told.verdict.why
    assert told.verdict.value is None and not told.verdict.passed
