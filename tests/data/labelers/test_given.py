"""Planted noise is found in texts and pictures of digits; the same rows as cleanlab's, in the same order."""

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

from thirtyfold.core.quiet import Quiet
from thirtyfold.data.labelers.given import Given, _confident


def planted(labels, seed=0, share=0.1):
    """Labels of which a share was changed to another one, and which they are."""
    rng = np.random.default_rng(seed)
    names = sorted(set(labels))
    wrong = rng.choice(len(labels), int(share * len(labels)), replace=False)
    out = list(labels)
    for at in wrong:
        out[at] = str(rng.choice([n for n in names if n != labels[at]]))
    return out, set(wrong.tolist())


def digits(mirror=None):
    found = load_digits()
    return pl.DataFrame({f"p{i}": c for i, c in enumerate(found.data.T)}), [str(v) for v in found.target]


def sms(mirror):
    path = mirror / "sms_spam" / "smsspamcollection.tsv"
    frame = pl.read_csv(path, separator="\t", quote_char=None)
    return frame.drop("label"), frame["label"].to_list()


@pytest.mark.step(8)
@pytest.mark.parametrize("load", [sms, digits])
def test_ten_percent_of_wrong_labels_are_found(load, clean, request):
    inputs, labels = load(request.getfixturevalue("mirror") if load is sms else None)
    noisy, wrong = planted(labels)
    ran = clean(inputs.with_columns(pl.Series("y", noisy)))
    labeled = ran.label()
    train = ran.split().train
    truth = np.array([r in wrong for r in train.rows.tolist()])
    # Every row ranked by how little its own label is believed.
    looked = Given().look(train, labeled.goal, Quiet())
    own = looked.guess[np.arange(len(looked.truth)), looked.truth]
    assert (looked.rows.rows == train.rows).all()
    assert average_precision_score(truth, -own) >= 0.9
    # And the list alone, as a person reads it: what is not on it counts as found last.
    sure = dict(labeled.suspects.select("row", "confidence").iter_rows())
    listed = np.array([sure.get(r, 0.0) for r in train.rows.tolist()])
    assert average_precision_score(truth, listed) >= 0.7
    assert truth[listed > 0].mean() >= 0.85 and truth[listed > 0].sum() >= 0.75 * truth.sum()
    # The class suggested for a planted error is the one it had.
    there = labeled.suspects.filter(pl.col("row").is_in(sorted(wrong)))
    right = [labels[r] == s for r, s in there.select("row", "suggested").iter_rows()]
    assert np.mean(right) >= 0.9


@pytest.mark.step(8)
def test_the_same_suspects_as_cleanlab_on_the_same_probabilities(clean):
    """Northcutt's own library, with the same out-of-sample probabilities: the same list, the same order of quality."""
    find = pytest.importorskip("cleanlab.filter")
    rank = pytest.importorskip("cleanlab.rank")
    inputs, labels = digits()
    noisy, _ = planted(labels)
    ran = clean(inputs.with_columns(pl.Series("y", noisy)))
    train, goal = ran.split().train, ran.label().goal
    looked = Given().look(train, goal, Quiet())
    ours = _confident(looked.guess, looked.truth)
    theirs = find.find_label_issues(
        looked.truth,
        looked.guess,
        filter_by="prune_by_noise_rate",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    a, b = set(ours.at.tolist()), set(theirs.tolist())
    assert len(a & b) >= 0.9 * len(a | b)  # the two round nearly empty cells of the joint differently
    score = rank.get_label_quality_scores(looked.truth, looked.guess, method="self_confidence")
    own = looked.guess[np.arange(len(looked.truth)), looked.truth]
    assert np.allclose(score, own)


def test_the_curve_foretells_what_more_labels_buy(clean):
    """Fitted on 150 labels, the law foretells the accuracy with four times as many, measured afterwards."""
    from thirtyfold.aim.tasks.classification import Classification
    from thirtyfold.core.aim import Goal
    from thirtyfold.data.curve import learning_curve
    from thirtyfold.data.quick import chances, features

    inputs, labels = digits()
    table = clean(inputs.with_columns(pl.Series("y", labels))).table
    goal = Goal.of("classification", Classification().fit(table["y"]))
    order = np.random.default_rng(0).permutation(len(table))
    curve = learning_curve(table.take(np.sort(order[:150])), goal, Quiet())
    x, truth = features(table), goal.truth(table)
    said = chances(x[order[:600]], truth[order[:600]], x[order[900:]], 10).argmax(axis=1)
    measured = 1 - (said == truth[order[900:]]).mean()
    assert curve.at(600) == pytest.approx(measured, abs=0.025)
    assert curve.at(150) > 1.5 * curve.at(600) > 0
    assert "times as many" in curve.told()["said"]


def test_the_curve_is_told_when_asked_for(clean):
    inputs, labels = digits()
    evidence = clean(inputs.with_columns(pl.Series("y", labels)), label={"given": {"curve": True}}).label().evidence[0]
    assert "learning curve" in evidence.why and len(evidence.numbers["learning_curve"]["labels"]) == 6
    plain = clean(inputs.with_columns(pl.Series("y", labels))).label().evidence[0]
    assert "learning_curve" not in plain.numbers
