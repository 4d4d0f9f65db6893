"""Few labels: sure guesses are as right as was asked, and are left out where they would not help."""

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits

from thirtyfold.core.errors import SpecError
from thirtyfold.data.labelers.self_training import _bar, _wilson


def few(known=300, seed=0):
    found = load_digits()
    labels = [str(v) for v in found.target]
    keep = set(np.random.default_rng(seed).choice(len(labels), known, replace=False).tolist())
    frame = pl.DataFrame({f"p{i}": c for i, c in enumerate(found.data.T)})
    return frame.with_columns(pl.Series("y", [v if i in keep else None for i, v in enumerate(labels)])), labels, keep


@pytest.mark.step(8)
@pytest.mark.parametrize("seed", [0, 1])
def test_guesses_are_as_right_as_asked_and_help(clean, seed):
    frame, labels, keep = few(500, seed)
    ran = clean(frame, label={"self_training": {"precision": 0.85, "always": True}})
    labeled = ran.label()
    added = labeled.learning.frame.filter(~pl.col("__row__").is_in(sorted(keep)))
    assert len(added) > 300
    right = np.array([labels[r] == y for r, y in added.select("__row__", "y").iter_rows()])
    assert right.mean() >= 0.85
    parted = ran.split()
    tested = {int(r) for part in (parted.validation, parted.test.table) for r in part.rows}
    assert not tested & set(labeled.learning.rows.tolist())
    lines = labeled.ledger.filter(pl.col("rule") == "label: guessed by self-training")
    assert sorted(lines["row"].to_list()) == sorted(added["__row__"].to_list())
    assert "learning curve" in labeled.evidence[0].why


def test_guesses_that_would_not_help_are_not_learned_from(clean):
    """Labels that have nothing to do with the rows: no guess is sure enough, whatever the model believes."""
    rng = np.random.default_rng(0)
    labels = [str(v) if i < 300 else None for i, v in enumerate(rng.integers(0, 2, 1000))]
    frame = pl.DataFrame({**{f"x{i}": rng.normal(size=1000) for i in range(30)}, "y": labels})
    labeled = clean(frame, label="self_training").label()
    assert len(labeled.learning) == labeled.evidence[0].numbers["rows"]
    assert "sure enough to be right" in labeled.evidence[0].why


def test_the_bar_is_where_held_out_guesses_are_right_often_enough():
    """Wilson's lower end for 50 of 50 is 0.9286, for 49 of 50 0.8950 (E. B. Wilson, 1927, by hand)."""
    assert _wilson(np.array([50, 49]), np.array([50, 50])) == pytest.approx([0.9286, 0.8950], abs=5e-4)
    sure = np.linspace(0.99, 0.51, 200)
    guess = np.column_stack([sure, 1 - sure])
    truth = np.where(np.arange(200) < 100, 0, 1)
    found = _bar(guess, truth, 0.9)
    assert sure[105] < found.above[0] <= sure[98] and np.isinf(found.above[1])
    assert found.right[0] >= 0.9


def test_amounts_are_refused_and_nothing_to_guess_is_said(clean):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    with pytest.raises(SpecError, match="amount"):
        clean(pl.DataFrame({"x": x, "y": x + rng.normal(size=200)}), label="self_training").label()
    frame = pl.DataFrame({"x": x, "y": ["a" if v > 0 else "b" for v in x]})
    assert "nothing to guess" in clean(frame, label="self_training").label().evidence[0].why
