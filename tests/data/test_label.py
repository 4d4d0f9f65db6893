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


@pytest.mark.step(8)
@pytest.mark.parametrize("word", LABELERS.words())
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_every_member_keeps_the_contract_and_finds_planted_errors(word, load, clean):
    frame, wrong = _noisy(load, 0.06)
    labeled = clean(frame).label()
    train = labeled.learning
    suspects = check_labeler(LABELERS.build(word, "label"), train, labeled.goal)
    planted = wrong & set(train.rows.tolist())
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
    peer = cleanlab_filter.find_label_issues(truth, guess, filter_by="confident_learning", n_jobs=1)
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
    assert set(labeled.suspects["row"].to_list()) == planted


def test_dropping_is_asked_for(clean):
    frame, _ = _noisy(load_breast_cancer, 0.06)
    kept = clean(frame).label()
    dropped = clean(frame, label={"given": {"drop": 0.8}}).label()
    sure = kept.suspects.filter(pl.col("confidence") >= 0.8).height
    assert 0 < sure == len(kept.learning) - len(dropped.learning)


def test_a_clean_set_has_few_suspects(real):
    labeled = real("adult").label()
    assert labeled.suspects.height < 0.06 * 20_000
    assert labeled.goal == Goal.of("classification", labeled.goal.task)
    assert labeled.goal.task.classes == ("<=50K", ">50K")


def test_too_few_rows_are_said(clean):
    frame = pl.DataFrame({"x": [f"{i}.5" for i in range(40)], "y": ["a", "b"] * 20})
    labeled = clean(frame).label()
    assert labeled.suspects.height == 0 and "too few rows" in labeled.evidence[0].why
