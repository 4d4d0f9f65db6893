"""Tasks: every member through the published check, and what the numbers must be."""

import numpy as np
import polars as pl
import pytest

from thirtyfold.aim.tasks.classification import Classification
from thirtyfold.aim.tasks.regression import Regression
from thirtyfold.core.errors import DataError
from thirtyfold.core.family import Family
from thirtyfold.testing.tasks import check_task

WORDS = Family("aim.tasks").words()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.step(1)
def test_every_task_passes_the_published_check(word):
    check_task(Family("aim.tasks").find(word))


def test_there_are_tasks():
    assert {"classification", "regression"} <= set(WORDS)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["<=50K"] * 7 + [">50K"] * 3, ("<=50K", ">50K")),  # the rarer one is the positive one
        ([">50K"] * 7 + ["<=50K"] * 3, (">50K", "<=50K")),
        (["No"] * 2 + ["Yes"] * 8, ("No", "Yes")),  # these say themselves which is positive
        ([1.0] * 8 + [0.0] * 2, ("0", "1")),
        (["b", "a", "c"], ("a", "b", "c")),
        ([10.0, 2.0, 1.0], ("1", "2", "10")),  # numbers by size, not by letter
    ],
)
def test_order_of_the_classes(values, labels):
    assert Classification().fit(pl.Series("y", values)).classes == labels


def test_threshold_and_group_thresholds_decide():
    task = Classification(("no", "yes"))
    raw = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert task.decide(raw, {}).tolist() == [0, 1]
    assert task.with_threshold(0.2).decide(raw, {}).tolist() == [1, 1]
    groups = {"sex": np.array(["f", "m"], dtype=object)}
    own = task.with_thresholds("sex", {"f": 0.25, "m": 0.65})
    assert own.decide(raw, groups).tolist() == [1, 0]
    frame = own.with_abstention(0.5).decode(raw, groups)
    assert frame["unsure"].to_list() == [True, True]  # 0.3 and 0.4 are what the chosen classes have
    assert frame["prediction"].to_list() == ["yes", "no"]


@pytest.mark.parametrize("task", [Classification(), Regression()])
@pytest.mark.step(3)
def test_a_constant_target_is_refused(task):
    with pytest.raises(DataError):
        task.fit(pl.Series("y", [1.0, 1.0, 1.0]))


def test_whole_numbers_that_come_round_are_classes_and_others_are_not():
    assert Classification.recognize("number", pl.Series([0.0, 1.0] * 50)) > Regression.recognize(
        "number", pl.Series([0.0])
    )
    years = pl.Series(np.arange(1900.0, 2000.0))
    assert Classification.recognize("number", years) < Regression.recognize("number", years)


@pytest.mark.step(1)
def test_text_is_refused_as_a_number_by_what_it_is():
    with pytest.raises(DataError, match="is text, and regression needs numbers"):
        Family("aim.tasks").build("regression", "task").fit(pl.Series("y", ["yes", "no", "yes"]))


@pytest.mark.step(1, 8)
def test_the_positive_class_is_the_rarer_one_or_the_one_that_is_said():
    task = Classification().fit(pl.Series("y", ["stays"] * 30 + ["leaves"] * 10))
    assert task.labels == ("stays", "leaves")
    assert task.with_positive("stays").labels == ("leaves", "stays")
    with pytest.raises(DataError, match="Did you mean 'leaves'"):
        task.with_positive("leave")
    with pytest.raises(DataError, match="for two"):
        Classification().fit(pl.Series("y", list("abc") * 5)).with_positive("a")
