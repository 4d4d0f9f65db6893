"""Associations are those of scipy and scikit-learn; leaks are found, strong honest columns are not taken for them."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from thirtyfold.core.quiet import Quiet
from thirtyfold.data.analyze import Analyze, Analyzed
from thirtyfold.data.measures import Coded, association, coded, cramer, gives_away, information, ratio, spearman

RNG = np.random.default_rng(0)
REAL = "adult telco titanic pima mammography ames bike taxi hospital sms chinook".split()  # noqa: SIM905


def analyze(ran) -> Analyzed:
    labeled, rest, lineage = ran.label(), ran.split().validation, ran.collected.lineage
    return Analyze(ran.spec).run(labeled.learning, rest, ran.aim(), labeled.goal, lineage, Quiet())


def test_rank_correlation_is_scipys():
    a = RNG.normal(size=500).round(1)
    b = a + RNG.normal(size=500).round(1)
    assert spearman(coded(a).ranks, coded(b).ranks) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_cramer_is_that_of_scipy_without_the_correction():
    a, b = RNG.integers(0, 4, 400), RNG.integers(0, 3, 400)
    b[a == 2] = 1
    n, chi = 400, stats.chi2_contingency(np.histogram2d(a, b, (4, 3))[0], correction=False).statistic
    phi = max(0.0, chi / n - 3 * 2 / (n - 1))
    expected = np.sqrt(phi / (min(4 - 9 / (n - 1), 3 - 4 / (n - 1)) - 1))
    assert cramer(a, b, (4, 3)) == pytest.approx(expected)
    assert cramer(a, a, (4, 4)) == pytest.approx(1.0)


def test_correlation_ratio_is_by_hand():
    codes, values = np.array([0, 0, 1, 1, 2, 2]), np.array([1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
    between, total, n, k = 2 * (4**2 + 0 + 4**2), 70.0, 6, 3
    assert ratio(codes, values, 3) == pytest.approx(np.sqrt(1 - (1 - between / total) * (n - 1) / (n - k)))
    assert ratio(RNG.integers(0, 300, 500), RNG.normal(size=500), 300) < 0.35  # many groups by chance explain little


def test_information_is_scikit_learns_less_what_chance_gives():
    a = RNG.integers(0, 6, 5000)
    b = (a + RNG.integers(0, 3, 5000)) % 5
    chance = 5 * 4 / (2 * 5000 * np.log(2))
    assert information(a, 6, b, 5) == pytest.approx(mutual_info_score(a, b) / np.log(2) - chance)
    assert information(RNG.integers(0, 6, 5000), 6, b, 5) < 0.002


def test_missing_is_a_value_of_its_own():
    x = np.where(RNG.random(1000) < 0.5, np.nan, RNG.normal(size=1000))
    answer = Coded(ranks=None, codes=np.isnan(x).astype(np.int64) + 1, levels=3)
    half = np.arange(1000) % 2 == 0
    assert gives_away(coded(x), answer.codes - 1, 2, half) == 1.0
    assert association(coded(np.array([None, "a"] * 500, dtype=object)), answer)[1] == "Cramer's V"


@pytest.mark.step(3, 9)
def test_a_column_that_gives_the_answer_away_is_set_aside(clean):
    n = 400
    y = RNG.integers(0, 2, n)
    frame = pl.DataFrame(
        {
            "x": RNG.normal(size=n) + y,
            "paid_back": np.where(y == 1, "paid", "default"),
            "amount_lost": np.where(y == 1, 0.0, RNG.uniform(10, 100, n)),
            "y": np.where(y == 1, "good", "bad"),
        }
    )
    found = analyze(clean(frame))
    assert found.inputs == ["x"]
    assert set(found.evidence[1].numbers["leaks"]) == {"paid_back", "amount_lost"}
    assert "set aside" in found.evidence[1].why
    kept = analyze(clean(frame, clean={"keep": ["amount_lost"]}))
    assert kept.inputs == ["x", "amount_lost"]
    alone = analyze(clean(frame.select("paid_back", "y")))
    assert alone.inputs == ["paid_back"] and "nothing else is left" in alone.evidence[1].why


@pytest.mark.step(9)
@pytest.mark.parametrize("name", REAL)
def test_real_sets(name, real):
    ran = real(name)
    found = analyze(ran)
    assert found.evidence[1].numbers["leaks"] == {}  # none of these sets has one that is known
    assert set(found.inputs) == set(ran.table.inputs)
    assert set(found.profile.columns) == set(ran.table.columns)
    nine = found.evidence[0]
    assert nine.step == 9 and nine.pictures and all(p.svg.startswith("<svg") for p in nine.pictures)
    for evidence in found.evidence:
        json.dumps([evidence.numbers, [t.rows for t in evidence.tables]], allow_nan=False)
    for profile in found.profile.columns.values():
        assert not profile.bins or sum(profile.bins.values()) + profile.missing == profile.rows


def test_what_is_known_of_the_sets(real):
    ames = analyze(real("ames")).evidence[0].numbers["association"]
    assert max(ames, key=lambda n: ames[n]["value"]) == "OverallQual"  # De Cock (2011) and every kernel since
    adult = analyze(real("adult")).evidence[0].numbers
    assert ["c3", "c4"] in [sorted(p[:2]) for p in adult["alike"]]  # education and its number
    assert ["c1", "c6"] in [sorted(p[:2]) for p in adult["missing_together"]]  # work class and occupation


def test_breast_cancer_and_iris_have_no_leak(clean):
    for name in ("breast_cancer", "iris", "wine", "digits", "diabetes"):
        found = analyze(clean(None, collect={"sklearn": name}, target="target"))
        assert found.evidence[1].numbers["leaks"] == {}


def test_large_tables_are_drawn_by_lot(clean, monkeypatch):
    from thirtyfold.data import analyze as stage

    monkeypatch.setattr(stage, "PROFILED", 300)
    monkeypatch.setattr(stage, "ROWS", 200)
    rng = np.random.default_rng(0)
    ran = clean(pl.DataFrame({"x": rng.normal(size=1000), "y": rng.choice(["a", "b"], 1000)}))
    found, rows = analyze(ran), len(ran.label().learning)
    nine = found.evidence[0]
    assert (nine.numbers["rows"], nine.numbers["profiled_on"], nine.numbers["measured_on"]) == (rows, 300, 200)
    assert f"300 training rows of {rows:,}, drawn by lot," in nine.why and "measured on 200 of them" in nine.why
    assert found.profile.rows == 300


@pytest.mark.parametrize(
    "columns",
    [
        {},  # one input, and that all but empty
        {"x": [1.0] * 50 + [None] * 10},
        {"x": [None, "a"] * 30, "t": ["2024-01-01"] * 59 + ["2024-01-02"]},
        {"x": [float(i) for i in range(60)], "id": [f"k{i}" for i in range(60)]},
        {"x": ["\\", "/", "..", "a/b.png", "é.jpg", ".png"] * 10},
        {"x": [f"{'x' * (i % 9)} {i}" for i in range(60)]},
    ],
)
@pytest.mark.parametrize("amount", [True, False])
def test_odd_tables(clean, columns, amount):
    y = [float(i % 37) + 0.5 for i in range(60)] if amount else ["a", "b", "c"] * 20
    frame = pl.DataFrame({"few": [None] * 57 + [1, 2, 3], **columns, "y": y})
    found = analyze(clean(frame, clean={"duplicates": "keep", "near": "keep"}))
    for evidence in found.evidence:
        json.dumps([evidence.numbers, [t.rows for t in evidence.tables]], allow_nan=False)
    assert found.inputs
