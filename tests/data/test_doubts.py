"""A split by lot that flatters is called out with the number; where nothing contradicts it, nothing is said."""

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import Column, Table
from thirtyfold.data.doubts import doubts


@pytest.mark.step(10)
def test_rented_bikes_are_foretold_worse_than_they_look(real):
    """By lot R2 is about 0.94, by time about 0.03 less (measured with scikit-learn and LightGBM on this table)."""
    found = doubts(real("bike").table, "random", Quiet())
    assert [(d.column, d.way) for d in found] == [("dteday", "chronological")]
    assert found[0].by_lot == pytest.approx(0.94, abs=0.02) and found[0].by_lot - found[0].otherwise > 0.02
    assert "roles: {time: dteday}" in found[0].says
    assert doubts(real("bike").table, "chronological", Quiet()) == []


@pytest.mark.step(10)
def test_the_warning_is_in_the_split_s_evidence(real):
    evidence = real("bike").split().evidence[0]
    assert "this split flatters it" in evidence.why
    assert evidence.numbers["doubts"][0]["column"] == "dteday"


def table(rng: np.random.Generator, *, told_by_group: bool) -> Table:
    """1,200 rows of 120 persons; the answer hangs on the person, or on nothing that a person is."""
    who = rng.integers(0, 120, 1200)
    x = rng.normal(size=120)[who] if told_by_group else rng.normal(size=1200)
    taste = rng.integers(0, 2, 120)[who] if told_by_group else (x + rng.normal(size=1200) > 0).astype(int)
    frame = pl.DataFrame({"who": [f"p{w:03d}" for w in who], "x": x, "y": taste.astype(str)})
    kinds = {"who": ("category", "input"), "x": ("number", "input"), "y": ("category", "target")}
    return Table.of(frame, {n: Column(n, k, r) for n, (k, r) in kinds.items()})  # type: ignore[arg-type]


@pytest.mark.step(10)
def test_persons_that_come_again():
    found = doubts(table(np.random.default_rng(0), told_by_group=True), "stratified", Quiet())
    assert [d.column for d in found] == ["who"] and found[0].by_lot > found[0].otherwise + 0.2


@pytest.mark.step(10)
def test_chance_alone_says_nothing():
    said = [doubts(table(np.random.default_rng(s), told_by_group=False), "stratified", Quiet(s)) for s in range(20)]
    assert sum(map(bool, said)) <= 1
