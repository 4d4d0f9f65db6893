"""Looks at columns by all rows at once tell what a look at each value tells."""

import hashlib
import struct

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table
from thirtyfold.data import looks
from thirtyfold.data.clean import Clean
from thirtyfold.data.looks import Look, copied, different
from thirtyfold.data.lots import keys
from thirtyfold.data.parts import alone, deal, strata_of

ROWS = 300_000


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    """What people have in files: keys, times, amounts with gaps and markers, words, and some rows twice."""
    rng = np.random.default_rng(3)
    stamp = np.datetime64("2021-03-01T00:00:00", "ms") + (np.arange(ROWS) * 977).astype("timedelta64[ms]")
    amount = pl.Series(rng.gamma(2, 300, ROWS).round(2)).cast(pl.String)
    frame = pl.DataFrame(
        {
            "id": pl.Series(np.arange(ROWS)).cast(pl.String),
            "when": pl.Series(stamp).dt.to_string("%Y-%m-%dT%H:%M:%S%.3f"),
            "amount": pl.select(pl.when(pl.Series(rng.random(ROWS) < 0.98)).then(amount)).to_series(),
            "score": pl.Series(np.where(rng.random(ROWS) < 0.01, -999, rng.integers(0, 60_000, ROWS))).cast(pl.String),
            "odd": pl.Series(np.where(rng.random(ROWS) < 0.01, "$1,200", amount.to_numpy())),
            "city": pl.Series(["Durban", "durban", "Cape Town", "Soweto"]).gather(
                rng.choice(4, ROWS, p=[0.5, 0.01, 0.3, 0.19])
            ),
            "note": pl.Series(["ok", "?", "called\u200b twice", " late "]).gather(rng.choice(4, ROWS)),
            "left": pl.Series(["yes", "no"]).gather(rng.choice(2, ROWS)),
        }
    )  # fmt: skip
    return pl.concat([frame[:-3], frame[5:8]])


def test_few_and_many_values_are_cleaned_alike(raw, monkeypatch):
    """With all values counted, and with none counted but by hashes and whole columns: the same table and ledger."""
    some, spec = raw[: 40_000].vstack(raw[-3:]), Spec.of({"target": "left", "collect": "frame"})  # fmt: skip
    monkeypatch.setattr(looks, "_FEW", 1_000_000)
    monkeypatch.setattr(looks, "_HEAD", 1_000_000)
    counted = Clean(spec).run(Table.of(some), Quiet())
    monkeypatch.setattr(looks, "_FEW", 100)
    monkeypatch.setattr(looks, "_HEAD", 100)
    hashed = Clean(spec).run(Table.of(some), Quiet())
    assert Look(some["amount"]).counts is None and Look(some["city"]).counts is not None
    assert hashed.table.columns == counted.table.columns
    assert hashed.table.frame.equals(counted.table.frame)
    assert hashed.ledger.equals(counted.ledger) and (hashed.copies == counted.copies).all()
    assert hashed.evidence == counted.evidence


def test_a_table_of_many_rows_is_cleaned_by_what_stands_in_it(raw):
    done = Clean(Spec.of({"target": "left", "collect": "frame"})).run(Table.of(raw), Quiet())
    rules = dict(done.ledger.group_by("rule").len().iter_rows())
    assert rules["missing: sentinel"] == (raw["score"] == "-999").sum()
    assert rules["missing: spelling"] == (raw["note"] == "?").sum()
    assert rules["notation of a number"] == (raw["odd"] == "$1,200").sum()
    assert rules["spelling: writing"] == (raw["city"] == "durban").sum()
    kinds = {n: c.type for n, c in done.table.columns.items() if n != "id"}
    words = dict.fromkeys(("city", "note", "left"), "category")
    assert kinds == {"when": "moment", **dict.fromkeys(("amount", "score", "odd"), "number"), **words}
    expected = raw["amount"].cast(pl.Float64)
    assert done.table["amount"].equals(expected, null_equal=True)
    assert done.table["odd"].filter(raw["odd"] == "$1,200").unique().to_list() == [1200.0]
    assert done.table["when"][1].isoformat() == "2021-03-01T00:00:00.977000"
    assert done.copies[-3:].tolist() == [5, 6, 7] and (done.copies[:-3] == np.arange(ROWS - 3)).all()


def test_different_and_copied_are_what_polars_says(raw):
    for name in raw.columns:
        assert different(raw[name]) == raw[name].drop_nulls().n_unique()
    names = ["city", "note", "left"]
    first = raw.select(names).with_row_index("at").select(pl.col("at").min().over(names))["at"].to_numpy()
    assert (copied(raw.select(names)) == first).all()


def test_counts_come_in_the_order_of_the_values(raw):
    counts = Look(raw["city"]).counts
    assert counts is not None and counts["value"].to_list() == raw["city"].unique(maintain_order=True).to_list()
    assert dict(counts.iter_rows()) == dict(raw["city"].value_counts().iter_rows())


def test_plain_numbers_are_only_what_is_plain():
    assert Look(pl.Series("x", ["1", None, "-2.5", "1e3"])).numbers.to_list() == [1.0, None, -2.5, 1000.0]
    for odd in ("nan", "inf", "1e999", "1_0", " 1", "1,0", ""):
        assert Look(pl.Series("x", ["1", odd])).numbers is None


def test_keys_are_what_they_were_defined_to_be():
    """The polynomial of a text's bytes, or the bits of a number, worked out by hand; yesterday's parts depend on it."""
    most = 2**64 - 1

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & most
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & most
        return x ^ (x >> 31)

    def key(name: str, text: str | None) -> int:
        hashed = 0x9E3779B97F4A7C15
        if text is not None and text.isdigit():
            near = float(text)  # a double, and what it lacks of a long whole number
            bits = int.from_bytes(struct.pack("<d", near), "little")
            hashed = mix((bits + mix((int(text) - int(near)) & most)) & most)
        elif text:
            data = text.encode()
            total = sum((b + 1) * pow(0xD6E8FEB86659FD93, i, 2**64) for i, b in enumerate(data))
            hashed = mix((total + hashed * (len(data) + 1)) & most)
        word = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        return mix(hashed ^ word)

    texts = ["", "a", "abcdefgh", "abcdefghi", "é" * 9, "x" * 64, None, "12345678901234567"]
    for more in ([], ["y" * 65], texts * 1000, [str(i) for i in range(40_000)]):
        column = [*texts, *more]
        assert keys(pl.DataFrame({"c": column})).tolist() == [key("c", t) for t in column]


def test_rows_alone_are_dealt_as_groups_of_one(raw):
    table = Table.of(raw[:30_000]).describe()
    table = table.describe(
        *(c for c in Clean(Spec.of({"target": "left", "collect": "frame"})).run(table, Quiet()).table.columns.values())
    )
    lot, strata = np.random.default_rng(0).random(len(table)), strata_of(table)
    assert sorted(set(strata.tolist())) == [0, 1] and (strata == (table["left"] == "yes").to_numpy()).all()
    each = np.arange(len(table))
    assert alone(each) and not alone(each[::-1])
    shares = (0.7, 0.15, 0.15)
    assert (deal(each, strata, shares, lot) == deal(each + 7, strata, shares, lot)).all()
