"""Groups against known shares and validation rows, by scipy; rows far away and cells missing together, by hand."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import special, stats
from sklearn.metrics import mutual_info_score

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Column, Table
from thirtyfold.data.analyze import Analyze, Analyzed
from thirtyfold.data.measures import Coded, chi_tail, explained, pearson
from thirtyfold.data.oddities import far_rows, gaps
from thirtyfold.data.represented import _unlike, against_shares, small_groups

RNG = np.random.default_rng(3)


def analyze(ran, validation=None) -> Analyzed:
    labeled, lineage = ran.label(), ran.collected.lineage
    rest = ran.split().validation if validation is None else validation
    return Analyze(ran.spec).run(labeled.learning, rest, ran.aim(), labeled.goal, lineage, Quiet())


@pytest.mark.parametrize("df", [1, 2, 3, 7, 30, 199, 999])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.5, 3.84, 10.0, 61.2, 400.0, 2000.0])
def test_the_tail_is_scipys(x, df):
    assert chi_tail(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-8, abs=1e-14)


def test_pearson_leaves_out_what_is_missing():
    a = RNG.normal(size=300)
    b = a**3 + RNG.normal(size=300)
    a[5], b[9] = np.nan, np.nan
    both = np.isfinite(a) & np.isfinite(b)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a[both], b[both]).statistic)
    assert pearson(a, np.ones(300)) == 0.0


def test_explained_is_mutual_information_over_entropy():
    a = RNG.integers(0, 5, 8000)
    b = np.where(RNG.random(8000) < 0.7, a // 2, RNG.integers(0, 3, 8000))
    chance = 4 * 2 / (2 * 8000 * math.log(2))
    entropy = special.entr(np.bincount(b) / 8000).sum() / math.log(2)
    assert explained(a, 5, b, 3) == pytest.approx((mutual_info_score(a, b) / math.log(2) - chance) / entropy)
    assert explained(b, 3, b, 3) == pytest.approx(1, abs=0.001)


def test_two_parts_are_compared_as_by_scipy():
    here, there = np.array([500.0, 300.0, 200.0]), np.array([80.0, 70.0, 50.0])
    found = _unlike("c", "validation", ["a", "b", "c"], here, there)
    assert found.p == pytest.approx(stats.chi2_contingency(np.array([here, there]), correction=False).pvalue)
    assert found.distance == pytest.approx((0.1 + 0.05 + 0.05) / 2)
    assert (found.group, found.here, found.there) == ("a", 0.5, 0.4)


@pytest.mark.step(9)
def test_shares_that_are_known(clean):
    n = 2000
    sex = np.where(RNG.random(n) < 0.3, "Female", "Male")
    frame = pl.DataFrame({"sex": sex, "x": RNG.normal(size=n), "y": RNG.choice(["a", "b"], n)})
    ran = clean(frame, analyze={"shares": {"sex": {"Female": 0.51, "Male": 0.49}}})
    found = analyze(ran).evidence[0]
    (share,) = found.numbers["shares"]
    train = ran.label().learning["sex"]
    women = int((train == "Female").sum())
    expected = stats.chisquare([women, len(train) - women], [0.51 * len(train), 0.49 * len(train)])
    assert share["p"] == pytest.approx(expected.pvalue, abs=1e-6)
    assert share["distance"] == pytest.approx(abs(women / len(train) - 0.51), abs=1e-6)
    assert "51.0 % where it should be" in found.why
    rest = against_shares(ran.label().learning, {"sex": {"Female": 0.51}})
    assert rest[0].distance == pytest.approx(share["distance"], abs=1e-6)  # what is not named has the rest
    fit = analyze(clean(frame, analyze={"shares": {"sex": {"Female": 0.3, "Male": 0.7}}})).evidence[0]
    assert "where it should be" not in fit.why


def test_shares_of_what_is_not_there_are_faults(clean):
    frame = pl.DataFrame({"sex": ["Female", "Male"] * 100, "x": RNG.normal(size=200), "y": ["a", "b", "b", "a"] * 50})
    said = {"sex": {"Femal": 0.5}, "sexx": {"a": 0.5}, "x": {"1": 0.5}}
    with pytest.raises(DataError) as raised:
        analyze(clean(frame, analyze={"shares": said}))
    text = str(raised.value)
    assert "analyze.shares.sex.Femal" in text and "Female" in text and "has no groups" in text and "sexx" in text
    with pytest.raises(SpecError, match="add up to"):
        Spec.of({"target": "y", "collect": "x", "analyze": {"shares": {"sex": {"a": 0.7, "b": 0.5}}}})


@pytest.mark.step(9)
def test_training_rows_unlike_the_validation_rows_are_told(clean):
    n = 3000
    frame = pl.DataFrame(
        {"city": RNG.choice(["Ulm", "Bonn", "Kiel"], n), "x": RNG.normal(size=n), "y": RNG.choice(["a", "b"], n)}
    )
    ran = clean(frame)
    like = analyze(ran).evidence[0]
    assert like.numbers["unlike_validation"] == [] and "like the validation rows in every column" in like.why
    moved = ran.split().validation
    moved = moved.with_column(moved["x"] + 1, moved.columns["x"])
    unlike = analyze(ran, moved).evidence[0]
    assert [u["column"] for u in unlike.numbers["unlike_validation"]] == ["x"]
    assert "in 2 of 3 columns" in unlike.why


def test_no_more_false_alarms_than_promised():
    """Of 3,000 pairs of samples of one distribution, about three are unlike at one in a thousand."""
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    loud = 0
    for _ in range(3000):
        here, there = RNG.multinomial(1400, shares), RNG.multinomial(300, shares)
        loud += _unlike("c", "validation", list("abcd"), here.astype(float), there.astype(float)).p < 0.001
    assert loud <= 10


def test_small_groups_are_named(clean):
    n = 1000
    sex = np.array(["m", "f"] * (n // 2), dtype=object)
    sex[:20] = "x"
    ran = clean(pl.DataFrame({"sex": sex, "x": RNG.normal(size=n), "y": RNG.choice(["a", "b"], n)}))
    learning = ran.label().learning
    many = int((learning["sex"] == "x").sum())
    assert small_groups(learning) == [("sex", "x", many, pytest.approx(many / len(learning)))]
    assert "1 group of fewer than 30 rows" in analyze(ran).evidence[0].why


def test_rows_far_from_all_others():
    x = RNG.normal(size=500)
    x[17] = 40.0
    tail = np.exp(2 * RNG.normal(size=500))  # a long tail is no mistake: on its own scale nothing is far
    z = RNG.normal(size=500)
    z[17], z[3] = -30.0, 12.0
    frame = pl.DataFrame({"x": x, "tail": tail, "z": z})
    table = Table.of(frame, {n: Column(n, "number") for n in frame.columns})
    rows, many = far_rows(table)
    assert many == 2 and [r["row"] for r in rows] == [17, 3] and set(rows[0]["values"]) == {"x", "z"}
    low, high = np.quantile(z, [0.25, 0.75])
    assert rows[1]["far"] == pytest.approx((12 - high) / (high - low) - 3, abs=0.01)


def test_what_is_missing_together_and_with_the_target():
    n = 400
    y = RNG.integers(0, 2, n)
    hole = np.where(y == 1, RNG.random(n) < 0.6, RNG.random(n) < 0.1)
    a = np.where(hole, np.nan, RNG.normal(size=n))
    b = np.where(hole, np.nan, RNG.normal(size=n))
    c = np.where(RNG.random(n) < 0.95, np.nan, 1.0)  # nearly always missing, and so with a and b too
    d = np.where(RNG.random(n) < 0.95, np.nan, 1.0)
    frame = pl.DataFrame({"a": a, "b": b, "c": c, "d": d}).fill_nan(None)
    table = Table.of(frame, {m: Column(m, "number") for m in frame.columns})
    found = gaps(table, Coded(ranks=None, codes=y + 1, levels=3), {m: table[m].null_count() for m in frame.columns})
    assert found.together == [(["a", "b"], int(hole.sum()))]
    phi = np.corrcoef(hole, y)[0, 1]
    assert found.telling["a"] == pytest.approx(phi, abs=0.01)
    i, j = found.names.index("a"), found.names.index("c")
    assert found.alike[i, j] == pytest.approx(np.corrcoef(np.isnan(a), np.isnan(c))[0, 1])


def test_balance_is_by_hand(clean):
    y = ["a"] * 600 + ["b"] * 300 + ["c"] * 100
    found = analyze(clean(pl.DataFrame({"x": RNG.normal(size=1000), "y": RNG.permutation(y)}))).evidence[0]
    n = found.numbers["imbalance"]
    counts = np.array(sorted(found.numbers["classes"].values()))
    p = counts / counts.sum()
    assert (
        n["rarest"] == "c" and n["share"] == pytest.approx(p[0]) and n["ratio"] == pytest.approx(p[2] / p[0], abs=0.01)
    )
    assert n["effective_classes"] == pytest.approx(np.exp(special.entr(p).sum()), abs=0.001)
