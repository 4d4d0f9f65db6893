"""Fairness: what is chosen is chosen on validation rows, and a fix that does not help is not taken."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from thirtyfold.core.charts import number
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.prove.audits.fairness import Fairness
from thirtyfold.testing.audits import example_case


@pytest.mark.step(27)
def test_a_threshold_for_each_group_narrows_the_gap_and_shows_its_price() -> None:
    case = example_case()
    found = Fairness(by="sex", fix="threshold").ask(case, Quiet())
    assert found.fixed is not None and found.fixed.hash != case.package.hash
    gap, after = found.verdict.evidence["gaps_before_the_fix"]["sex"], found.verdict.value
    assert found.verdict.evidence["gaps"]["sex"] == after  # the number that the gate is about, and that is said first
    assert found.verdict.why.startswith(f"selection rate differs by {number(float(after or 0))} between")
    assert after is not None and after < gap
    price = next(t for t in found.tables if "price" in t.title)
    assert [row[0] for row in price.rows] == ["as it is", "threshold"]


@pytest.mark.step(27)
def test_a_fix_that_does_not_help_is_not_taken() -> None:
    """The groups are equal already: another gap can only come from noise."""
    case = example_case()
    fixed = Fairness(by="sex", fix="threshold").ask(case, Quiet()).fixed
    assert fixed is not None
    again = Fairness(by="sex", fix="threshold").ask(replace(case, package=fixed, told={}), Quiet())
    assert again.fixed is None and "not taken" in again.verdict.why


@pytest.mark.step(27)
def test_the_package_that_is_shipped_is_judged_as_it_is() -> None:
    case = replace(example_case(), final=True)
    found = Fairness(by="sex", fix="threshold", at_most=0.01).ask(case, Quiet())
    assert found.fixed is None and not found.verdict.passed
    assert found.verdict.value == found.verdict.evidence["gaps"]["sex"]


@pytest.mark.step(27)
def test_test_rows_do_not_choose_the_fix() -> None:
    """Other test rows, the same fixed Package."""
    case = example_case()
    other = replace(case, test=case.test.take(np.arange(len(case.test) // 2)), told={})
    fixes = [Fairness(by="sex", fix="threshold").ask(c, Quiet()).fixed for c in (case, other)]
    assert fixes[0] is not None and fixes[1] is not None and fixes[0].hash == fixes[1].hash


@pytest.mark.step(27)
def test_validation_rows_that_were_learned_from_do_not_choose() -> None:
    """Pima, abstaining for an accuracy of 0.9: 0.82 on test rows where the refitted model chose, 0.9 where not."""
    case = example_case()
    truth, _, columns = case.answers("validation")
    refit: Any = Family("learn.models").build("linear", "model")
    refit.fit(case.package.encoder.encoded(columns, target=truth, classes=2), None, Quiet())
    again = replace(case, package=case.package.with_model("linear", refit), told={}, refitted=True)
    assert np.array_equal(case.answers("validation")[1], again.answers("validation")[1])
    assert not np.array_equal(case.answers("test")[1], again.answers("test")[1])
