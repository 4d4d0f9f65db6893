"""A split by lot that flatters is called out with the number; where nothing contradicts it, nothing is said."""

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import Column, Table
from thirtyfold.data import doubts as module
from thirtyfold.data.doubts import doubts


@pytest.mark.step(10)
def test_rented_bikes_are_foretold_worse_than_they_look(real):
    """By lot R2 is about 0.94, by time about 0.03 less (measured with scikit-learn and LightGBM on this table)."""
    found = doubts(real("bike").table, "random", Quiet())
    assert [(d.column, d.way) for d in found] == [("dteday", "chronological")]
    assert found[0].by_lot == pytest.approx(0.94, abs=0.02) and found[0].by_lot - found[0].otherwise > 0.02
    assert "roles: {time: dteday}" in found[0].says
    assert f"(10,000 of {len(real('bike').table):,} training rows were asked)" in found[0].says
    assert doubts(real("bike").table, "chronological", Quiet()) == []


@pytest.mark.step(10)
def test_the_warning_is_in_the_split_s_evidence(real):
    evidence = real("bike").split().evidence[0]
    assert "this split flatters it" in evidence.why
    assert evidence.numbers["doubts"][0]["column"] == "dteday"


def table(rng: np.random.Generator, *, told_by_group: bool) -> Table:
    """1,200 rows of 40 persons with three measures; the answer hangs on the person, or on the measures alone."""
    who = rng.integers(0, 40, 1200)
    measures = rng.normal(size=(40, 3))[who] if told_by_group else rng.normal(size=(1200, 3))
    measures = measures + 0.05 * rng.normal(size=(1200, 3))
    taste = rng.integers(0, 2, 40)[who] if told_by_group else (measures[:, 0] + rng.normal(size=1200) > 0).astype(int)
    frame = pl.DataFrame(
        {"who": [f"p{w:03d}" for w in who], "y": taste.astype(str), **dict(zip("abc", measures.T, strict=True))}
    )
    kinds = {"who": ("category", "input"), "y": ("category", "target"), **dict.fromkeys("abc", ("number", "input"))}
    return Table.of(frame, {n: Column(n, k, r) for n, (k, r) in kinds.items()})  # type: ignore[arg-type]


@pytest.mark.step(10)
def test_persons_that_come_again():
    for seed in range(5):
        found = doubts(table(np.random.default_rng(seed), told_by_group=True), "stratified", Quiet(seed))
        assert [d.column for d in found] == ["who"] and found[0].by_lot > 0.95 > 0.7 > found[0].otherwise


@pytest.mark.step(10)
def test_chance_alone_says_nothing():
    said = [doubts(table(np.random.default_rng(s), told_by_group=False), "stratified", Quiet(s)) for s in range(20)]
    assert sum(map(bool, said)) <= 1


@pytest.mark.step(10)
def test_a_sample_of_a_large_table_is_called_one(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    monkeypatch.setattr(module, "ROWS", 700)
    found = doubts(table(np.random.default_rng(0), told_by_group=True), "stratified", Quiet())
    assert (found[0].asked, found[0].rows) == (300, 1200)  # of the evenly spaced quarter of a thousand
    assert "(300 of 1,200 training rows were asked)" in found[0].says
