"""Several annotators: the figures of the papers, of scikit-learn, and of the votes on real tweets."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.data.votes import Votes, alpha, dawid_skene, kappa, majority

# Dawid and Skene (1979), table 1: 45 patients, five anaesthetists, the first of whom looked three times.
DAWID_SKENE = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3|232 2 2 2 3
444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1|222 2 2 2 1|222 1 3 2 2
222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1
111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3|221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1
111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""


def anaesthetists():
    row, voter, said = [], [], []
    for i, patient in enumerate(DAWID_SKENE.strip().replace("\n", "|").split("|")):
        for v, answers in enumerate(patient.split()):
            for c in answers:
                row.append(i), voter.append(v), said.append(int(c) - 1)
    return Votes(np.array(row), np.array(voter), np.array(said), np.ones(len(row)), 45, 5, 4)


@pytest.mark.step(8)
def test_the_shares_and_errors_of_the_paper():
    """The estimates of the paper's tables 2 to 4: class shares .40 .42 .11 .07; anaesthetist 1 says 1 in .89 of 1."""
    found = dawid_skene(anaesthetists())
    assert np.round(found.shares, 2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert found.errors[0, 0, 0] == pytest.approx(0.89, abs=0.01)
    assert found.errors[0, 1, 1] == pytest.approx(0.88, abs=0.01)
    assert np.allclose(found.errors.sum(axis=2), 1) and np.allclose(found.chances.sum(axis=1), 1)
    # Patient 3, of whom most say 2: majority and the model agree; patient 1 is 1 for certain.
    assert found.chances[2].argmax() == 1 and found.chances[0, 0] > 0.999


@pytest.mark.step(8)
def test_krippendorffs_own_example():
    """ "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units, alpha 0.743."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    codes = np.array([[-1 if c == "." else int(c) - 1 for c in o.split()] for o in observers]).T
    found = alpha(Votes.of(codes, 5))
    assert found.value == pytest.approx(0.743, abs=0.0005)
    assert found.low < found.value < found.high and found.rows == 11


@pytest.mark.step(8)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5, max_size=60))
def test_cohens_kappa_is_that_of_scikit_learn(pairs):
    first, second = (np.array(c) for c in zip(*pairs, strict=True))
    if len(set(first) | set(second)) > 1 and not (len(set(first)) == len(set(second)) == 1):
        ours = kappa(first, second, 4)
        assert ours.value == pytest.approx(
            cohen_kappa_score(first, second, labels=sorted({*first, *second})), abs=1e-12
        )


def voted(accuracies, rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, rows)
    codes = np.stack([np.where(rng.random(rows) < a, truth, rng.integers(0, 3, rows)) for a in accuracies], axis=1)
    codes[rng.random(codes.shape) < 0.2] = -1
    return truth, codes


@pytest.mark.step(8)
def test_who_is_good_is_found_out_and_counts_more():
    truth, codes = voted([0.95, 0.9, 0.3, 0.2, 0.1])
    votes = Votes.of(codes, 3)
    ours, theirs = dawid_skene(votes), majority(votes)
    assert (ours.chances.argmax(axis=1) == truth).mean() > (theirs.chances.argmax(axis=1) == truth).mean() + 0.05
    quality = np.einsum("k,vkk->v", ours.shares, ours.errors)
    meant = [a + (1 - a) / 3 for a in (0.95, 0.9, 0.3, 0.2, 0.1)]
    assert np.abs(quality - meant).max() < 0.05


def test_an_interval_covers_what_it_should():
    """The 95 % interval of alpha holds the value of a large sample in nearly all of forty small ones."""
    whole = alpha(Votes.of(voted([0.8, 0.8, 0.8], rows=200_000)[1], 3), draws=50).value
    inside = sum(
        low <= whole <= high
        for _, low, high, _ in (alpha(Votes.of(voted([0.8] * 3, rows=150, seed=s)[1], 3)) for s in range(40))
    )
    assert inside >= 35


def frame(rows=300, seed=0):
    truth, codes = voted([0.95, 0.9, 0.5], rows, seed)
    names = ["no", "yes", "maybe"]
    columns = {n: [None if c < 0 else names[c] for c in codes[:, i]] for i, n in enumerate(("ann", "bob", "eve"))}
    return pl.DataFrame({"x": truth + np.random.default_rng(1).normal(0, 0.3, rows), **columns}), truth, names


@pytest.mark.step(8)
@pytest.mark.parametrize("how", ["dawid_skene", "majority"])
def test_columns_rows_and_counts_say_the_same(clean, how):
    wide, truth, names = frame()
    one = clean(wide, label={"annotators": {"columns": ["ann", "bob", "eve"], "how": how}})
    right = np.mean([names[truth[r]] == y for r, y in zip(one.table.rows, one.table["y"], strict=True)])
    assert right > 0.85
    long = (
        wide.with_row_index("item")
        .unpivot(["ann", "bob", "eve"], index=["item", "x"])
        .sample(fraction=1, shuffle=True, seed=0)
    )
    told = {"item": "item", "annotator": "variable", "vote": "value", "how": how}
    two = clean(long, label={"annotators": told}, roles={"id": ["item"]})
    assert len(two.table) == len(one.table)
    by = dict(zip(two.table["item"].cast(pl.Float64).to_list(), two.table["y"], strict=True))
    same = [by[float(r)] == y for r, y in zip(one.table.rows, one.table["y"], strict=True)]
    assert np.mean(same) == 1.0 if how == "dawid_skene" else np.mean(same) > 0.95  # a tie goes by the order of rows
    evidence = one.label().evidence[0]
    assert {n["annotator"] for n in evidence.numbers["annotators"]} == {"ann", "bob", "eve"}
    kappas = {(a, b): k for a, b, k, *_ in evidence.numbers["kappas"]}
    assert min(kappas, key=kappas.get) != ("ann", "bob") == max(kappas, key=kappas.get)
    assert any(t.title == "Who disagrees with whom" for t in evidence.tables)
    assert two.label().evidence[0].numbers["alpha"][0] == pytest.approx(evidence.numbers["alpha"][0], abs=0.12)
    said = [wide.select(pl.sum_horizontal(pl.col("ann", "bob", "eve") == n)).to_series() for n in names]
    counts = pl.DataFrame({"x": wide["x"], **dict(zip(names, said, strict=True))})
    three = clean(counts, label={"annotators": {"counts": {n: n for n in names}, "how": how}})
    assert len(three.table) == len(one.table)


def test_what_annotators_said_is_no_input(clean):
    wide, *_ = frame()
    ran = clean(wide, label={"annotators": {"columns": ["ann", "bob", "eve"]}})
    assert ran.table.inputs == ["x"] and ran.table.target == "y" and ran.table.named("weight")
    plain = clean(wide, label={"annotators": {"columns": ["ann", "bob", "eve"], "weigh": False}})
    assert not plain.table.named("weight")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"columns": ["ann", "bbo"]}, DataError, "Did you mean 'bob'?"),
        ({"columns": ["ann"]}, SpecError, "at least two"),
        ({}, SpecError, "exactly one way"),
        ({"columns": ["ann", "bob"], "counts": {"a": "x"}}, SpecError, "exactly one way"),
        ({"item": "x"}, SpecError, "exactly one way"),
        ({"counts": {"yes": "x"}}, DataError, "not a count"),
    ],
)
def test_what_cannot_be_is_said(clean, options, error, says):
    with pytest.raises(error, match=says.replace("?", r"\?")):
        clean(frame()[0], label={"annotators": options})


def test_a_target_that_is_there_already_is_refused(clean):
    with pytest.raises(DataError, match="already"):
        clean(frame()[0], target="x", label={"annotators": {"columns": ["ann", "bob"]}})


@pytest.mark.step(8)
def test_the_votes_on_real_tweets(clean, mirror):
    """Davidson and others (2017): 1,430 hate, 19,190 offensive, 4,163 neither by majority; 29.5 % not unanimous."""
    tweets = pl.read_csv(mirror / "hate_offensive_davidson" / "labeled_data.csv").drop("")
    counts = {"hate": "hate_speech", "offensive": "offensive_language", "neither": "neither"}
    ran = clean(
        tweets,
        target="kind",
        label={"annotators": {"counts": counts, "how": "majority"}},
        roles={"ignore": ["class", "count"]},
    )
    names = {0.0: "hate", 1.0: "offensive", 2.0: "neither"}
    theirs = [names[float(v)] for v in ran.table["class"].to_list()]
    assert np.mean([a == b for a, b in zip(theirs, ran.table["kind"].to_list(), strict=True)]) > 0.995
    numbers = ran.label().evidence[0].numbers
    assert numbers["unanimous"] == pytest.approx(1 - 0.295, abs=0.01)
    value, low, high, _ = numbers["alpha"]
    assert low < value < high and 0.5 < value < 0.6
