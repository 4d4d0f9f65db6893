"""Labels that were made wrong on purpose are found, as well as by cleanlab."""

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_wine, make_regression

from thirtyfold.core.aim import Goal
from thirtyfold.core.family import Family
from thirtyfold.data.label import Labeler
from thirtyfold.testing.labelers import check_labeler

LABELERS: Family[Labeler] = Family("data.labelers")


def _noisy(load, share, seed=0):
    """A set with some labels changed, and which rows they are."""
    found = load()
    rng = np.random.default_rng(seed)
    names = found.target_names
    codes = found.target.copy()
    wrong = rng.choice(len(codes), int(share * len(codes)), replace=False)
    codes[wrong] = (codes[wrong] + rng.integers(1, len(names), len(wrong))) % len(names)
    frame = pl.DataFrame({**{f"f{i}": c for i, c in enumerate(found.data.T)}, "y": [str(names[c]) for c in codes]})
    return frame, {int(i) for i in wrong}


def _example(tmp_path):
    """Flowers with a few labels missing, three people's votes, and labels by hand: something for every labeler."""
    found = load_wine()
    rng = np.random.default_rng(0)
    truth = np.array([f"kind {v}" for v in found.target], dtype=object)
    votes = [np.where(rng.random(len(truth)) < p, truth, rng.permutation(truth)).tolist() for p in (0.95, 0.9, 0.6)]
    lacking = rng.random(len(truth)) < 0.2
    frame = pl.DataFrame(
        {
            **{f"f{i}": c for i, c in enumerate(found.data.T)},
            **dict(zip(("ann", "bob", "eve"), votes, strict=True)),
            "y": [None if m else v for m, v in zip(lacking, truth, strict=True)],
        }
    )
    rows = np.flatnonzero(lacking)[:10]
    path = tmp_path / "hand.csv"
    pl.DataFrame({"row": rows, "label": truth[rows].tolist()}).write_csv(path)
    options = {
        "given": {},
        "annotators": {"columns": ["ann", "bob", "eve"]},
        "rules": {
            "rules": [
                {"label": "kind 0", "where": "f12 > 900"},
                {"label": "kind 1", "where": "f9 < 3.5"},
                {"label": "kind 2", "where": "f6 < 1.2"},
            ]
        },
        "self_training": {"always": True, "precision": 0.8},
        "by_hand": {"store": str(path)},
    }
    return frame, options


@pytest.mark.step(8)
@pytest.mark.parametrize("word", LABELERS.words())
def test_every_member_keeps_the_contract(word, clean, tmp_path):
    frame, options = _example(tmp_path)
    assert word in options, f"say in _example how '{word}' is asked for"
    frame = frame.drop("y") if word == "annotators" else frame.drop("ann", "bob", "eve")
    ran = clean(frame, label={word: options[word]})
    labeled = ran.label()
    train = ran.split().train
    check_labeler(LABELERS.build({word: options[word]}, "label"), train, labeled.goal, ran.collected.collected)
    assert labeled.evidence[0].step == 8 and str(len(train)) in labeled.evidence[0].why


@pytest.mark.step(8)
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_planted_errors_are_found(load, clean):
    frame, wrong = _noisy(load, 0.06)
    labeled = clean(frame).label()
    suspects = check_labeler(LABELERS.build("given", "label"), labeled.learning, labeled.goal)
    planted = wrong & set(labeled.learning.rows.tolist())
    found = set(suspects["row"].to_list()) & planted
    assert len(found) >= 0.8 * len(planted)
    assert len(found) >= 0.5 * suspects.height  # no more than half are false alarms


@pytest.mark.step(8)
def test_as_many_as_cleanlab_finds(clean):
    cleanlab_filter = pytest.importorskip("cleanlab.filter")
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import cross_val_predict

    frame, wrong = _noisy(load_breast_cancer, 0.06)
    labeled = clean(frame).label()
    train = labeled.learning
    x = np.column_stack([train[n].to_numpy() for n in train.inputs])
    truth = labeled.goal.truth(train)
    model = LGBMClassifier(n_estimators=40, num_leaves=15, learning_rate=0.15, verbose=-1, n_jobs=1)
    model.set_params(min_child_samples=7)
    guess = cross_val_predict(model, x, truth, cv=3, method="predict_proba")
    peer = cleanlab_filter.find_label_issues(truth, guess, filter_by="prune_by_noise_rate", n_jobs=1)
    planted = np.isin(train.rows, list(wrong))
    ours = np.isin(train.rows, labeled.suspects["row"].to_list())
    assert (ours & planted).sum() >= (peer & planted).sum() - 2


@pytest.mark.step(8)
def test_amounts_far_from_their_rows(clean):
    x, y = make_regression(800, 5, noise=5, random_state=0)
    y[::100] += 3000
    frame = pl.DataFrame({**{f"f{i}": c for i, c in enumerate(x.T)}, "y": y})
    labeled = clean(frame).label()
    planted = set(range(0, 800, 100)) & set(labeled.learning.rows.tolist())
    found = set(labeled.suspects["row"].to_list())
    assert planted <= found and len(found) <= len(planted) + 3


def test_dropping_and_weighing_are_asked_for_and_written_down(clean):
    frame, _ = _noisy(load_breast_cancer, 0.06)
    kept = clean(frame).label()
    listed = kept.ledger.filter(pl.col("rule").str.starts_with("label suspect"))
    assert listed.height == kept.suspects.height > 0
    assert not listed["accepted"].any() and set(listed["column"]) == {"y"}
    dropped = clean(frame, label={"given": {"drop": 0.8}}).label()
    sure = kept.suspects.filter(pl.col("confidence") >= 0.8)
    assert 0 < sure.height == len(kept.learning) - len(dropped.learning)
    out = dropped.ledger.filter(pl.col("rule") == "label suspect: row left out")
    assert sorted(out["row"].to_list()) == sorted(sure["row"].to_list()) and out["accepted"].all()
    less = clean(frame, label={"given": {"weigh": 0.8}}).label().learning
    assert len(less) == len(kept.learning)
    weight = dict(zip(less.rows.tolist(), less[less.named("weight")[0]].to_list(), strict=True))
    assert {r for r, w in weight.items() if w < 1} == set(sure["row"].to_list())
    for row, confidence in sure.select("row", "confidence").iter_rows():
        assert weight[row] == pytest.approx(1 - confidence)


def test_the_users_own_weights_are_kept(clean):
    frame, _ = _noisy(load_breast_cancer, 0.06)
    frame = frame.with_columns(pl.Series("times", [2.0] * len(frame)))
    ran = clean(frame, label={"given": {"weigh": 0.8}}, roles={"weight": "times"})
    learning = ran.label().learning
    assert learning.named("weight") == ["times"] and learning["times"].max() == 2.0 > learning["times"].min()


def test_a_clean_set_has_few_suspects(real):
    labeled = real("adult").label()
    assert labeled.suspects.height < 0.065 * 20_000
    assert labeled.goal == Goal.of("classification", labeled.goal.task)
    assert labeled.goal.task.classes == ("<=50K", ">50K")


def test_too_few_rows_are_said(clean):
    frame = pl.DataFrame({"x": [f"{i}.5" for i in range(40)], "y": ["a", "b"] * 20})
    labeled = clean(frame).label()
    assert labeled.suspects.height == 0 and "too few rows" in labeled.evidence[0].why
