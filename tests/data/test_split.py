"""Parts are complete and apart, copies on one side, in every way of splitting."""

import sqlite3
from contextlib import closing
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.table import Column, Table
from thirtyfold.data.lots import key_column, lots
from thirtyfold.data.parts import Splitter, deal, together
from thirtyfold.testing.splitters import check_splitter, copied_table

SPLITTERS: Family[Splitter] = Family("data.splitters")


@pytest.mark.step(10)
@pytest.mark.parametrize("word", SPLITTERS.words())
def test_every_member_keeps_the_contract(word):
    check_splitter(SPLITTERS.build(word, "split.how"))


def test_the_check_sees_a_splitter_that_parts_copies():
    class Careless:
        def parts(self, table, copies, shares, seed):
            return np.random.default_rng(seed).choice(3, len(table), p=shares).astype(np.int8)

    with pytest.raises(AssertionError, match="on two sides"):
        check_splitter(Careless())


@pytest.mark.step(10)
@pytest.mark.parametrize("name", ["adult", "telco", "titanic", "mammography", "ames", "sms"])
def test_real_sets(name, real):
    ran = real(name)
    parted = ran.split()
    assert isinstance(parted.test, Sealed)
    sizes = [len(parted.train), len(parted.validation), len(parted.test)]
    assert sum(sizes) == len(ran.table) == parted.splits.height
    np.testing.assert_allclose(np.array(sizes) / sum(sizes), [0.7, 0.15, 0.15], atol=0.012)
    rows = [set(t.rows.tolist()) for t in (parted.train, parted.validation, parted.test.table)]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]
    part_of = dict(parted.splits.rows())
    sides: dict[int, set[str]] = {}
    for row, copy in zip(ran.table.rows.tolist(), ran.cleaned.copies.tolist(), strict=True):
        sides.setdefault(copy, set()).add(part_of[row])
    assert max(map(len, sides.values())) == 1
    assert parted.splits.equals(ran.split().splits) and not parted.splits.equals(ran.split(seed=1).splits)


@pytest.mark.parametrize("name", ["adult", "mammography"])
@pytest.mark.step(10)
def test_classes_have_the_same_share_everywhere(name, real):
    ran = real(name)
    parted = ran.split()
    rare = ran.table[ran.spec.target].value_counts(sort=True).to_series(0)[-1]
    shares = [(t[ran.spec.target] == rare).mean() for t in (parted.train, parted.validation, parted.test.table)]
    np.testing.assert_allclose(shares, (ran.table[ran.spec.target] == rare).mean(), atol=0.012)


@pytest.mark.step(10)
def test_the_future_is_tested_on(real):
    ran = real("bike", roles={"time": "dteday"})
    parted = ran.split()
    assert parted.decided == {"split.how": "chronological"}
    when = [t["dteday"] for t in (parted.train, parted.validation, parted.test.table)]
    assert when[0].max() < when[1].min() and when[1].max() < when[2].min()


def test_auto_prefers_what_the_data_says(clean):
    n = 200
    frame = pl.DataFrame(
        {"x": [f"{i}.5" for i in range(n)], "who": [f"p{i % 40}" for i in range(n)],
         "when": [f"2020-01-{1 + i % 28:02d}" for i in range(n)], "p": (["train"] * 3 + ["dev", "test"]) * (n // 5),
         "y": ["a", "b"] * (n // 2), "z": [str(i * 1.7) for i in range(n)]}
    )  # fmt: skip
    ways = [({}, "stratified"), ({"group": "who"}, "grouped"), ({"group": "who", "time": "when"}, "chronological")]
    ways += [({"group": "who", "time": "when", "part": "p"}, "given")]
    for roles, how in ways:
        assert clean(frame, roles=roles).split().decided["split.how"] == how
    assert clean(frame, target="z").split().decided["split.how"] == "random"
    given = clean(frame, roles={"part": "p"}).split()
    assert [len(given.train), len(given.validation), len(given.test)] == [120, 40, 40]


@pytest.mark.step(10)
def test_groups_that_share_a_copy_stay_together():
    frame = pl.DataFrame({"g": list("aabbccddee"), "y": [float(i) for i in range(10)]})
    table = Table.of(frame, {"g": Column("g", "category", "group"), "y": Column("y", "number", "target")})
    copies = np.array([0, 1, 1, 3, 4, 5, 6, 7, 8, 9])  # a row of a and a row of b are copies
    parts = SPLITTERS.build("grouped", "split.how").parts(table, copies, (0.6, 0.2, 0.2), 0)
    assert len(set(parts[:4].tolist())) == 1


def test_copies_of_test_rows_are_not_learned_from():
    parts = together(np.array([0, 2, 1, 0], dtype=np.int8), np.array([5, 5, 2, 2]))
    assert parts.tolist() == [2, 2, 1, 1]


def test_a_class_of_three_is_in_every_part():
    strata = np.array([0] * 97 + [1] * 3)
    for seed in range(20):
        parts = deal(np.arange(100), strata, (0.7, 0.15, 0.15), np.random.default_rng(seed).random(100))
        assert sorted(parts[97:].tolist()) == [0, 1, 2]


def test_one_huge_group_is_learned_from():
    groups = np.concatenate([np.zeros(500, dtype=np.int64), np.arange(1, 501)])
    parts = deal(groups, np.zeros(1000, dtype=np.int64), (0.7, 0.15, 0.15), np.random.default_rng(0).random(1000))
    assert (parts[:500] == 0).all() and 140 <= (parts == 2).sum() <= 160


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"split": {"how": "grouped"}}, "needs a column"),
        ({"split": {"how": "chronological"}}, "needs a column"),
        ({"split": {"how": {"given": {"column": "x"}}}}, "is not a part"),
        ({"roles": {"group": "two"}}, "only 2 groups"),
    ],
)
def test_impossible_splits_are_one_message(clean, spec, said):
    frame = pl.DataFrame({"x": [f"{i}.5" for i in range(60)], "two": ["a", "b"] * 30, "y": ["n", "m", "n"] * 20})
    with pytest.raises(DataError, match=said):
        clean(frame, **spec).split()


@pytest.mark.step(10, 25)
def test_looks_are_counted(real):
    sealed = real("titanic").split().test
    context = Quiet()
    assert sealed.open(context, "why")[1] == 1 and sealed.open(context, "again")[1] == 2


def test_the_table_of_copies_has_what_the_checks_need():
    table, copies = copied_table()
    assert len(table) > len(set(copies.tolist()))


@pytest.mark.step(10)
def test_a_group_that_is_torn_apart_is_told(clean):
    """Time comes before the group; what that costs must not be silent."""
    frame = pl.DataFrame({"x": [f"{i}.5" for i in range(200)], "who": [f"p{i % 40}" for i in range(200)],
                          "when": [f"2020-{1 + i // 20:02d}-{1 + i % 20:02d}" for i in range(200)],
                          "y": ["a", "b"] * 100})  # fmt: skip
    roles = {"group": "who", "time": "when"}
    assert "40 groups of 'who' have rows on two sides" in clean(frame, roles=roles).split().evidence[0].why
    grouped = clean(frame, roles=roles, split={"how": "grouped"}).split()
    assert "Warning" not in grouped.evidence[0].why


@pytest.mark.step(10)
@pytest.mark.parametrize("how", ["stratified", "random"])
@pytest.mark.parametrize("name", ["adult", "telco", "mammography"])
def test_rows_keep_their_part_when_others_arrive(name, how, real):
    """Three fifths of the rows today, all of them tomorrow, in another order: no test row is ever learned from."""
    table, splitter = real(name).table, SPLITTERS.build(how, "split.how")
    copies, shares = real(name).cleaned.copies, (0.7, 0.15, 0.15)
    mixed = np.random.default_rng(0).permutation(len(table))
    today = mixed[: 3 * len(table) // 5]
    before = splitter.parts(table.take(today), copies[today], shares, 0)
    after = splitter.parts(table.take(mixed), copies[mixed], shares, 0)[: len(today)]
    assert (before == after).all()
    assert (before == 2).mean() == pytest.approx(0.15, abs=0.012)


def test_a_lot_is_the_row_s_own():
    frame = pl.DataFrame({"a": ["x", None, "x", ""], "b": [0.0, 1.5, -0.0, float("nan")], "y": ["n", "m", "n", "n"]})
    table = Table.of(frame, {"a": Column("a", "category"), "b": Column("b", "number"), "y": Column("y", "category")})
    drawn = lots(table, 0)
    assert drawn[0] == drawn[2] and len(np.unique(drawn)) == 3
    assert (lots(table.take([3, 1, 0]), 0) == drawn[[3, 1, 0]]).all()
    assert not (lots(table, 1) == drawn).any()
    many = Table.of(pl.DataFrame({"a": np.arange(50_000.0)}))
    counts = np.histogram(lots(many, 0), bins=20, range=(0, 1))[0]
    assert ((counts - 2500) ** 2 / 2500).sum() < 43.8  # chi-square with 19 degrees of freedom, one in a thousand


@pytest.mark.step(10)
def test_each_row_is_tested_on_in_one_fold(real):
    ran = real("titanic")
    tested = np.zeros(len(ran.table), dtype=int)
    for test in range(5):
        parts = SPLITTERS.build({"folds": {"count": 5, "test": test}}, "x").parts(
            ran.table, ran.cleaned.copies, (0, 0, 0), 0
        )
        assert set(np.unique(parts)) == {0, 1, 2}
        tested += parts == 2
        share = (ran.table["Survived"].to_numpy() == "1")[parts == 2].mean()
        assert share == pytest.approx(0.384, abs=0.02)
    assert (tested == 1).all()


@pytest.mark.step(10)
def test_regions_stay_together(real):
    ran = real("taxi", target="tips")
    splitter = SPLITTERS.build({"place": {"latitude": "pickup_latitude", "longitude": "pickup_longitude"}}, "x")
    parts = splitter.parts(ran.table, np.arange(len(ran.table)), (0.7, 0.15, 0.15), 0)
    north, east = (ran.table[f"pickup_{n}"].to_numpy() for n in ("latitude", "longitude"))
    for part in (1, 2):
        mine = {(round(a, 6), round(b, 6)) for a, b in zip(north[parts == part], east[parts == part], strict=True)}
        others = {(round(a, 6), round(b, 6)) for a, b in zip(north[parts == 0], east[parts == 0], strict=True)}
        assert mine and not mine & others


@pytest.mark.step(10)
def test_a_gap_keeps_the_days_before_out(real):
    ran = real("bike", roles={"time": "dteday"}, split={"how": {"chronological": {"gap": "7 days"}}})
    parted = ran.split()
    ends = [parted.train["dteday"].max(), parted.validation["dteday"].max()]
    starts = [parted.validation["dteday"].min(), parted.test.table["dteday"].min()]
    assert all((s - e).days >= 7 for s, e in zip(starts, ends, strict=True))
    assert "in the gaps" in parted.evidence[0].why and parted.evidence[0].numbers["aside"] > 24 * 12


def test_a_gap_that_is_no_time(clean):
    frame = pl.DataFrame({"t": [f"2020-01-{1 + i % 28:02d}" for i in range(90)], "y": ["a", "b"] * 45})
    with pytest.raises(SpecError, match="12 h, 7 days"):
        clean(frame, roles={"time": "t"}, split={"how": {"chronological": {"gap": "soon"}}}).split()


@pytest.mark.step(10)
def test_other_columns_are_in_the_same_shares_too():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"place": rng.choice(list("abcd"), 3000, p=[0.7, 0.2, 0.08, 0.02]),
                          "y": rng.choice(["n", "m"], 3000), "x": rng.normal(size=3000)})  # fmt: skip
    table = Table.of(frame, {"place": Column("place", "category"), "y": Column("y", "category", "target"),
                             "x": Column("x", "number")})  # fmt: skip
    parts = SPLITTERS.build({"stratified": {"by": ["place"]}}, "x").parts(table, np.arange(3000), (0.7, 0.15, 0.15), 0)
    shares = [(frame["place"].to_numpy() == "d")[parts == p].mean() for p in range(3)]
    np.testing.assert_allclose(shares, shares[0], atol=0.004)
    with pytest.raises(DataError, match="Did you mean 'place'"):
        SPLITTERS.build({"stratified": {"by": ["plce"]}}, "x").parts(table, np.arange(3000), (0.7, 0.15, 0.15), 0)


@pytest.mark.step(10)
def test_another_type_or_order_of_columns_moves_no_row(clean):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.integers(0, 9, 400).astype(str), "b": rng.normal(size=400).round(3).astype(str),
                          "y": rng.choice(["n", "m"], 400)})  # fmt: skip
    first = clean(frame).split().splits
    assert clean(frame, fields={"a": "category"}).split().splits.equals(first)
    assert clean(frame.select("y", "b", "a")).split().splits.equals(first)


@pytest.mark.step(10)
def test_another_way_to_write_the_same_table_moves_no_row(mirror, tmp_path, clean):
    pandas = pytest.importorskip("pandas")
    source = mirror / "titanic" / "titanic.csv"
    frame = pandas.read_csv(source)
    frame.to_csv(tmp_path / "points.csv", index=False)
    frame.to_csv(tmp_path / "tabs.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    with closing(sqlite3.connect(tmp_path / "titanic.sqlite")) as base:
        frame.to_sql("titanic", base, index=False)
    names = ("points.csv", "tabs.tsv", "lines.jsonl")
    sources = [str(tmp_path / n) for n in names]
    first = clean(None, collect=str(source), target="Survived").split().splits
    for other in [*sources, {"sqlite": {"path": str(tmp_path / "titanic.sqlite"), "table": "titanic"}}]:
        assert clean(None, collect=other, target="Survived").split().splits.equals(first), other
    assert clean(pl.from_pandas(frame), target="Survived").split().splits.equals(first)


def test_values_are_keyed_by_what_they_are():
    day = datetime(2020, 10, 26, 20)  # noqa: DTZ001 - as a source without zones gives it
    written = {
        "n": ["22", " 22.0", "2.2e1", "+22"],
        "d": ["2020-10-26T20:00:00", "2020-10-26 20:00:00", "2020-10-26T20:00:00Z", "2020-10-26 20:00:00.000"],
        "b": ["true", "True", "1", "1.0"],
        "m": ["", None, "NA", "null"],
    }
    typed = {"n": [22, 22, 22, 22], "d": [day] * 4, "b": [True] * 4, "m": [None] * 4}
    both = [key_column(pl.DataFrame(w), []) for w in (written, typed)]
    assert len({*both[0], *both[1]}) == 1
    apart = pl.DataFrame({"id": [str(10**18 + i) for i in range(50)]})  # doubles are 128 apart here
    whole = apart.cast(pl.Int64)
    assert key_column(apart, []).n_unique() == 50 and key_column(apart, []).equals(key_column(whole, []))
    texts = pl.DataFrame({"t": ["22 a", "2020-13-45", "2020-10-26 x", "022x"]})
    assert key_column(texts, []).n_unique() == 4


@pytest.mark.step(10)
def test_ids_that_name_nothing_do_not_break_the_shares(clean):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"k": ["x", "y", "z", "x"] * 750, "b": rng.normal(size=3000).round(4).astype(str),
                          "y": rng.choice(["n", "m"], 3000)})  # fmt: skip
    blank = frame.with_columns(pl.when(pl.int_range(3000) < 100).then(pl.int_range(3000).cast(pl.String)).alias("k"))
    for data in (frame, blank):
        parted = clean(data, roles={"id": ["k"]}).split()
        assert len(parted.test.table) == pytest.approx(450, abs=60)


def test_a_moved_folder_is_the_same_data():
    names = [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(30)]
    here, there = (pl.DataFrame({"path": [f"{root}/{n}" for n in names]}) for root in ("/data/a", "/elsewhere"))
    assert (key_column(here, []) == key_column(there, [])).all()
    assert key_column(here, []).n_unique() == 60


@pytest.mark.step(10)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 3000),
    more=st.integers(1, 3000),
    classes=st.sampled_from([1, 2, 30, 1000]),
    copied=st.booleans(),
)
def test_no_row_ever_moves_when_rows_arrive(seed, rows, more, classes, copied):
    """Whatever comes after: classes that grow out of nothing, copies of rows that are there, any number of rows."""
    rng = np.random.default_rng(seed)
    n = rows + more
    groups = np.arange(n)
    if copied and rows >= 60:  # pairs: in fewer rows they would be large groups
        twice = rng.permutation(n)[: n // 3]
        groups[twice] = np.minimum(twice, rng.permutation(twice))
        _, where, groups = np.unique(groups, return_index=True, return_inverse=True)
        groups = np.where(np.bincount(groups)[groups] > 4, np.arange(n), where[groups])
    strata = np.minimum(rng.geometric(2 / (classes + 1), n), classes) * (np.arange(n) >= rng.integers(0, n))
    lot = rng.random(n)[groups]
    before = deal(groups[:rows], strata[:rows], (0.7, 0.15, 0.15), lot[:rows])
    after = deal(groups, strata, (0.7, 0.15, 0.15), lot)
    assert (before == after[:rows]).all()
    assert not copied or all(len(np.unique(after[groups == g])) == 1 for g in np.unique(groups)[:50])


@pytest.mark.step(10)
@pytest.mark.parametrize("how", ["stratified", "random", "grouped"])
def test_tables_of_any_size_grow_without_a_move(how):
    """Amounts in ranges, classes of a few rows, groups that get more rows: day by day, the same sides."""
    rng = np.random.default_rng(1)
    n = 4000
    frame = pl.DataFrame({"x": rng.normal(size=n), "who": rng.integers(0, 900, n).astype(str),
                          "few": np.minimum(rng.geometric(0.3, n), 9).astype(str),
                          "amount": rng.gamma(2, 300, n)})  # fmt: skip
    for target, kind in (("few", "category"), ("amount", "number")):
        table = Table.of(frame, {"who": Column("who", "text", "group"), target: Column(target, kind, "target")})
        splitter, old = SPLITTERS.build(how, "split.how"), np.zeros(0)
        for rows in (250, 300, 700, 1500, 2900, n):
            parts = splitter.parts(table.take(np.arange(rows)), np.arange(rows), (0.7, 0.15, 0.15), 0)
            assert (parts[: len(old)] == old).all()
            assert np.bincount(parts)[1:] / rows == pytest.approx([0.15, 0.15], abs=0.035)
            old = parts


def test_small_classes_are_shared_out_exactly():
    rng = np.random.default_rng(0)
    strata = rng.permutation(np.repeat([0, 1, 2], [480, 180, 20]))
    parts = deal(np.arange(680), strata, (0.7, 0.15, 0.15), rng.random(680))
    for one, rows in ((0, 480), (1, 180), (2, 20)):
        assert np.bincount(parts[strata == one])[1:] == pytest.approx([0.15 * rows] * 2, abs=2 + 0.01 * rows)


def test_many_classes_of_one_and_two_do_not_eat_up_the_training_rows():
    rng = np.random.default_rng(0)
    strata = rng.permutation(np.arange(1000) // 2)
    shares = np.bincount(deal(np.arange(1000), strata, (0.7, 0.15, 0.15), rng.random(1000))) / 1000
    assert shares[1:] == pytest.approx([0.15, 0.15], abs=0.03)


def test_folds_of_unequal_groups_have_about_as_many_rows():
    """Groups of 1 to 200 rows: the largest fold is at most one small group larger than the smallest."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(60), np.minimum(rng.geometric(0.03, 60), 200))
    frame = pl.DataFrame({"who": who.astype(str), "y": rng.choice(["n", "m"], len(who))})
    table = Table.of(frame, {"who": Column("who", "text", "group"), "y": Column("y", "category", "target")})
    rows = []
    for test in range(5):
        parts = SPLITTERS.build({"folds": {"count": 5, "test": test}}, "x").parts(
            table, np.arange(len(who)), (0, 0, 0), 0
        )
        rows.append(int((parts == 2).sum()))
        assert not set(who[parts == 2]) & set(who[parts != 2])
    assert sum(rows) == len(who) and max(rows) - min(rows) <= 4
