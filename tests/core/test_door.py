"""The door is strict: a value of the wrong kind is named, never read as something else."""

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.door import Door, read_column
from thirtyfold.core.errors import DataError
from thirtyfold.core.table import Column

DOOR = Door((Column("age", "number"), Column("city", "category"), Column("note", "text"), Column("yes", "boolean")))
GOOD: dict[str, Any] = {"age": 40, "city": "Oslo", "note": "call", "yes": True}


@pytest.mark.step(29)
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("age", True, "'true' is not a number"),
        ("age", [1], "must be one value, not a list"),
        ("age", 10**400, "too large"),
        ("age", float("inf"), "too large or infinite"),
        ("city", ["Oslo"], "must be one value, not a list"),
        ("city", {"name": "Oslo"}, "must be one value, not an object"),
        ("note", [], "must be one value, not a list"),
        ("yes", 7, "is not yes or no"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(field: str, value: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        DOOR.rows([{**GOOD, field: value}])
    (fault,) = caught.value.faults
    assert fault.where == field and said in fault.what


@pytest.mark.step(29)
def test_every_fault_of_every_row_at_once() -> None:
    with pytest.raises(DataError) as caught:
        DOOR.rows([{**GOOD, "age": "x"}, {**GOOD, "yes": "perhaps", "aeg": 1}, {"age": 1}])
    found = {f.where for f in caught.value.faults}
    assert found == {"rows.0.age", "rows.1.yes", "rows.1.aeg", "rows.2.city", "rows.2.note", "rows.2.yes"}


def test_what_is_missing_is_missing_and_numbers_name_categories() -> None:
    out = DOOR.rows([dict.fromkeys(GOOD), {**GOOD, "age": float("nan"), "city": 7.0}])
    assert np.isnan(out["age"]).all() and np.isnan(out["yes"][0])
    assert out["city"].tolist() == [None, "7"] and out["note"].tolist() == [None, "call"]


def test_many_moments_at_once_are_read_as_one_by_one() -> None:
    """The quick way and Python's own datetime.fromisoformat agree, and a day that there is not is a fault."""
    written = [
        "2024-02-29",
        "2024-02-29 23:59:59",
        "2024-02-29T00:00:01.250",
        "1969-12-31T23:59:59.999999",
        "0001-01-01",
    ]
    more = [
        "2023-02-29",
        "2024-13-01",
        "2024-01-01T25:00:00",
        "29.2.2024 10:00",
        "2024-02-29T10:00:00+02:00",
        " 2020-01-01 ",
    ]
    column = Column("when", "moment", options={"order": "day_first"}, markers=("1900-01-01",))
    values, faults = read_column(column, pl.Series("when", [*written, *more, "1900-01-01", None]))
    assert values[: len(written)].to_list() == [datetime.fromisoformat(w) for w in written]
    later = values[len(written) :].to_list()
    shown = [v and v.isoformat() for v in later]
    assert shown[3:6] == ["2024-02-29T10:00:00", "2024-02-29T08:00:00", "2020-01-01T00:00:00"]
    assert later[:3] == [None] * 3 and later[6:] == [None, None]
    assert [f.value for f in faults] == more[:3]


@pytest.mark.parametrize("kind", ["category", "id", "text"])
def test_texts_at_once_are_read_as_one_by_one(kind: str) -> None:
    written = ["Oslo", " Oslo ", "", "  ", "?", "oslo", None, "\u00a0Bergen\u2003", "\x1cTromso\x1f", "a b"]
    column = Column("city", kind, markers=("?",), spellings={"oslo": "Oslo"})
    values, faults = read_column(column, pl.Series("city", written))
    alone = [read_column(column, pl.Series("city", [w, "\x1c"]))[0][0] for w in written]  # the slow way
    assert values.to_list() == alone and not faults
    quick = [w for w in written if w is None or "\x1c" not in w]
    assert read_column(column, pl.Series("city", quick))[0].to_list() == [
        a for w, a in zip(written, alone, strict=True) if w in quick
    ]
    assert alone[:8] == ["Oslo", "Oslo", None, None, None, "Oslo", None, "Bergen"]
