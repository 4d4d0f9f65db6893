"""Units, characters, aliases, near copies, suspicious values: each on small tables whose truth is plain."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thirtyfold.core.codec import pack, unpack
from thirtyfold.core.door import Door
from thirtyfold.core.mending import Mending, Rule, amount_of, has_markup, mend_frame, mend_rows, tidy
from thirtyfold.core.table import ROW, Column, Table


def _y(n):
    return [("a", "b")[i // 3 % 2] for i in range(n)]


def _lines(ran, prefix):
    lines = ran.cleaned.ledger.filter(pl.col("rule").str.starts_with(prefix))
    return lines.select("row", "column", "before", "after", "accepted").rows()


@pytest.mark.step(7)
@pytest.mark.parametrize(
    ("values", "unit", "read"),
    [
        (["70 kg", "154 lb", "80kg", "81.5 kg"], "kg", [70.0, 69.85322498, 80.0, 81.5]),  # 1 lb is 0.45359237 kg
        (["180 cm", "71 in", '72"', "177 cm"], "cm", [180.0, 180.34, 182.88, 177.0]),  # 1 in is 2.54 cm
        (["20 °C", "68 °F", "21 C", "22 Celsius"], "c", [20.0, 20.0, 21.0, 22.0]),
        (["30 min", "1 h", "45 min", "90 minutes"], "min", [30.0, 60.0, 45.0, 90.0]),
    ],
)
def test_units_come_to_one(clean, values, unit, read):
    ran = clean(pl.DataFrame({"amount": values * 15, "y": _y(60)}))
    column = ran.table.columns["amount"]
    assert column.type == "number" and column.mending.unit == unit
    assert ran.table["amount"].head(4).to_list() == pytest.approx(read)
    served = Door((column,)).rows([{"amount": v} for v in values])["amount"]
    assert served.tolist() == pytest.approx(read)
    assert all(accepted for *_, accepted in _lines(ran, "unit")) and _lines(ran, "unit")


@pytest.mark.parametrize(
    "values",
    [
        ["50k", "900", "20k", "60k"],  # thousands, or kelvin?
        ["5 kg", "3 m", "7 kg", "2 m"],  # two kinds
        ["12 patients", "7 patients", "3 patients", "44 patients"],  # no unit
        ["A4", "B7", "C85", "D2"],
    ],
)
def test_what_is_no_unit_is_left(clean, values):
    ran = clean(pl.DataFrame({"amount": values * 15, "y": _y(60)}), fields={"amount": "category"})
    assert set(ran.table["amount"].unique()) == set(values) and not _lines(ran, "unit")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("cafÃ©", "café"),
        ("cafe\u0301", "café"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("bell\x07", "bell"),
        ("it\x92s", "it’s"),
        ("Ã la carte", "Ã la carte"),  # no longer to be told from a letter: left
        ("naïve", "naïve"),
        ("日本語", "日本語"),
        ("👩\u200d👧", "👩\u200d👧"),  # a joiner that makes one picture of two
        ("line\nbreak\ttab", "line\nbreak\ttab"),
    ],
)
def test_characters(written, read):
    assert tidy(written) == read and tidy(read) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<p>Fish &amp; chips</p>", "Fish & chips"),
        ("a<br/>b", "a b"),
        ("<Forwarded from 448712404000>Hi", "<Forwarded from 448712404000>Hi"),
        ("x < 3 && y > 2", "x < 3 && y > 2"),
        ("&lt;#&gt; sent", "<#> sent"),
        ("mail <jo@example.org>", "mail <jo@example.org>"),
    ],
)
def test_markup(written, read):
    assert tidy(written, markup=True) == read
    assert has_markup(written) == (written != read)


@pytest.mark.step(6, 29)
def test_text_is_put_right_the_same_at_serving(clean):
    rng = random.Random(0)
    words = ["river", "stone", "window", "garden", "letter", "simple", "orange", "market", "winter", "bridge"]
    texts = [" ".join(rng.choice(words) for _ in range(12)) for _ in range(80)]
    texts[3:7] = [
        f"<p>one</p> {texts[3]}",
        f"{texts[4]} &amp; more",
        "<b>x</b> y z a b",
        "cafÃ© au lait on the table today",
    ]
    ran = clean(pl.DataFrame({"text": texts, "y": _y(80)}), fields={"text": "text"})
    assert ran.table["text"][6] == "café au lait on the table today" and ran.table["text"][4].endswith(" & more")
    assert {row for row, *_ in _lines(ran, "text")} == {3, 4, 5, 6}
    door = Door((ran.table.columns["text"],))
    assert list(door.rows([{"text": "<p>never &amp; seen</p>"}])["text"]) == ["never & seen"]
    kept = clean(pl.DataFrame({"text": texts, "y": _y(80)}), fields={"text": "text"}, clean={"characters": "off"})
    assert kept.table["text"].to_list() == texts


@pytest.mark.step(7)
def test_known_names_of_one_thing(clean):
    frame = pl.DataFrame(
        {
            "country": ["USA", "U.S.A.", "United States", "France", "FR", "USA"] * 10,
            "state": ["CA", "California", "TX", "NY", "New York", "CA"] * 10,
            "month": ["Jan", "January", "Feb", "March", "Mar", "May"] * 10,
            "grade": ["CA", "B", "TX", "Q", "R", "California"] * 10,  # hardly any of it names a state
            "y": _y(60),
        }
    )
    table = clean(frame).table
    assert set(table["country"].unique()) == {"USA", "France"}
    assert set(table["state"].unique()) == {"CA", "TX", "New York"}
    assert set(table["month"].unique()) == {"January", "Feb", "March", "May"}
    assert table["grade"].n_unique() == 6
    apart = clean(frame, clean={"different": {"state": [["NY", "New York"]]}}).table
    assert {"NY", "New York"} <= set(apart["state"].unique())


@pytest.mark.step(3, 7)
def test_answers_keep_their_names(clean):
    frame = pl.DataFrame({"x": [f"{i}.5" for i in range(60)], "y": ["yes", "Y", "no", "N", "no", "yes"] * 10})
    ran = clean(frame)
    assert ran.table["y"].n_unique() == 4 and not any(accepted for *_, accepted in _lines(ran, "spelling: alias"))


@pytest.mark.step(7)
def test_legal_forms_are_proposed(clean):
    firms = ["Sasol", "Sasol Ltd", "SASOL (Pty) Ltd.", "Shoprite Co", "Co", "Ltd", "Sasol", "Shoprite"] * 8
    frame = pl.DataFrame({"firm": firms, "y": _y(64)})
    assert {v for *_, v in _lines(clean(frame), "spelling: legal form")} == {False}
    assert set(clean(frame, clean={"spelling": "all"}).table["firm"].unique()) == {"Sasol", "Shoprite", "Co", "Ltd"}


@pytest.mark.step(6)
def test_impossible_dates(clean):
    days = [f"{1 + i % 12}/{1 + i % 28}/2011" for i in range(120)]
    days[5], days[9] = "2/31/2011", "13/45/2011"
    ran = clean(pl.DataFrame({"day": days, "x": [f"{i * 0.37:.2f}" for i in range(120)], "y": _y(120)}))
    assert ran.table["day"].null_count() == 2
    assert _lines(ran, "unreadable as moment") == [
        (5, "day", "2/31/2011", None, True),
        (9, "day", "13/45/2011", None, True),
    ]


@pytest.mark.step(6)
def test_what_was_learned_is_stored(real):
    table = real("hospital").table
    again = unpack(pack(table), Table)
    assert again.columns == table.columns and again.frame.equals(table.frame)
    assert any(c.mending and c.mending.rules for c in table.columns.values())


PEOPLE = [
    ("Thandi", "Nkosi"),
    ("Peter", "van der Merwe"),
    ("Aisha", "Patel"),
    ("Johannes", "Botha"),
    ("Lindiwe", "Dlamini"),
]


def _people(n, seed=0):
    rng = random.Random(seed)
    streets = ["Church Street", "Long Street", "Nelson Mandela Avenue", "Kloof Road", "Main Road"]
    return [
        {"name": f"{rng.choice(PEOPLE)[0]} {rng.choice(PEOPLE)[1]}", "address": f"{i + 1} {rng.choice(streets)}",
         "age": str(rng.randrange(20, 70)), "y": "ab"[i // 3 % 2]}
        for i in range(n)
    ]  # fmt: skip


@pytest.mark.step(6, 10)
def test_near_copies_of_records(clean):
    rows = _people(200)
    again = [
        {**rows[10], "name": rows[10]["name"][:-1]},
        {**rows[20], "address": rows[20]["address"][:-2] + rows[20]["address"][:-3:-1]},
        {**rows[30], "age": None},
        {**rows[40], "address": "47 " + rows[40]["address"].split(" ", 1)[1]},  # next door: another figure
        {**rows[50], "age": "19"},  # another person's age
    ]
    ran = clean(pl.DataFrame([*rows, *again]), fields={"name": "text", "address": "text", "age": "number"})
    copies = ran.cleaned.copies
    place = {int(r): i for i, r in enumerate(ran.table.rows)}
    same = [int(copies[place[200 + k]]) == int(copies[place[10 * (k + 1)]]) for k in range(5)]
    assert same[0] and same[1] and same[2] and not same[3] and not same[4]
    assert len(copies) - len(np.unique(copies)) <= 3  # nobody else is grouped
    parts = dict(ran.split().splits.rows())
    assert parts[200] == parts[10] and parts[202] == parts[30]
    apart = clean(pl.DataFrame([*rows, *again]), fields={"name": "text", "address": "text"}, clean={"near": "keep"})
    assert len(np.unique(apart.cleaned.copies)) == 205


@pytest.mark.step(6, 10)
def test_near_copies_of_texts(clean):
    """Pairs above a Jaccard of 0.8 are found, those below are not: both counted by hand over all pairs."""
    rng = random.Random(1)
    words = [f"w{i}" for i in range(400)]
    texts = [" ".join(rng.choice(words) for _ in range(40)) for _ in range(300)]
    for k in range(30):
        parts = texts[k].split()
        for _ in range(1 + k // 6):
            parts[rng.randrange(40)] = "changed"
        texts.append(" ".join(parts))
    ran = clean(pl.DataFrame({"text": texts, "y": _y(330)}), fields={"text": "text"})

    def shingles(text):
        parts = [*text.split(), "", ""]
        return {tuple(parts[i : i + 3]) for i in range(len(parts) - 2)}

    copies = ran.cleaned.copies
    for k in range(30):
        a, b = shingles(texts[k]), shingles(texts[300 + k])
        assert (copies[300 + k] == k) == (len(a & b) / len(a | b) >= 0.8), k
    assert len(np.unique(copies)) == 330 - sum(copies[300 + k] == k for k in range(30))


@pytest.mark.step(6)
def test_real_texts_and_real_people(real):
    """Messages sent on with small changes are found; Titanic's and Adult's people are all different."""
    sms = real("sms")
    texts = sms.table["message"].to_list()
    groups = [(i, int(c)) for i, c in enumerate(sms.cleaned.copies) if i != c and texts[i] != texts[int(c)]]
    assert 40 <= len(groups) <= 200
    assert len(np.unique(real("titanic").cleaned.copies)) == 891
    assert len(np.unique(real("adult").cleaned.copies)) == 48842 - 52


@pytest.mark.step(6)
def test_what_looks_wrong_is_told_and_stays(clean):
    rng = np.random.default_rng(0)
    n = 400
    cities, provinces = ["Durban", "Pretoria", "Ballito", "Soweto"], ["KwaZulu-Natal", "Gauteng"]
    city = [cities[i % 4] for i in range(n)]
    province = [provinces[i % 2] for i in range(n)]
    names = [["Thandi", "Peter", "Aisha", "Johan"][i * 7 % 4] for i in range(n)]
    height = [f"{v:.1f}" for v in rng.normal(170, 8, n)]
    city[17], province[17] = province[17], city[17]
    names[30], names[31] = "J0han", "Ma7ia"
    height[50] = "1700.0"
    frame = pl.DataFrame({"city": city, "province": province, "name": names, "height": height, "y": _y(n)})
    ran = clean(frame, clean={"spelling": "off"})
    assert _lines(ran, "outlier") == [(50, "height", "1700.0", None, False)]
    assert _lines(ran, "figures") == [(30, "name", "J0han", "Johan", False), (31, "name", "Ma7ia", None, False)]
    swapped = {(row, column) for row, column, *_ in _lines(ran, "swapped")}
    assert swapped == {(17, "city"), (17, "province")}
    assert not any(accepted for *_, accepted in _lines(ran, "swapped"))
    assert ran.table["height"][50] == 1700.0 and len(ran.table) == n
    assert not _lines(clean(frame, clean={"errors": "off"}), "outlier")


@pytest.mark.step(6)
def test_codes_that_a_spreadsheet_took_for_dates_are_told(clean):
    """Ziemann, Eren and El-Osta 2016: one in five papers with gene lists has names that became dates."""
    pages = [f"{i}-{i + 7}" for i in range(100, 198)] + ["14-Mar", "Sep-82"]
    months = [f"{1 + i % 28}-{m}" for i in range(25) for m in ("Jan", "Feb", "Mar", "Apr")]
    done = clean(pl.DataFrame({"pages": pages, "day": months, "y": ["a", "b"] * 50})).cleaned
    told = done.ledger.filter(pl.col("rule") == "a code become a date")
    assert told["column"].unique().to_list() == ["pages"] and told["row"].to_list() == [98, 99]
    assert not told["accepted"].any() and done.table["pages"].to_list() == pages


@pytest.mark.step(6)
def test_decisions_of_a_reviewer(clean):
    """Undone and accepted by rule, by value and by row; the table and the ledger say the same, and so does the door."""
    n = 60
    frame = pl.DataFrame(
        {"city": (["Durban"] * 8 + ["durban", "Durbn"]) * 6, "age": [*(str(20 + i) for i in range(54)), *["-999"] * 6],
         "y": _y(n)}
    )  # fmt: skip
    plain = clean(frame)
    assert plain.table["city"].value_counts(sort=True).rows() == [("Durban", 54), ("Durbn", 6)]
    assert plain.table["age"].null_count() == 6
    undo = [{"rule": "spelling", "column": "city"}, {"row": 59, "column": "age"}]
    ran = clean(frame, clean={"undo": undo, "accept": [{"before": "Durbn", "row": 9}]})
    assert ran.table["city"].value_counts(sort=True).rows() == [("Durban", 49), ("durban", 6), ("Durbn", 5)]
    assert ran.table["city"][9] == "Durban" and ran.table["age"][59] == -999.0 and ran.table["age"].null_count() == 5
    lines = ran.cleaned.ledger.filter(pl.col("accepted")).select("row", "column").rows()
    assert (9, "city") in lines and (8, "city") not in lines and (59, "age") not in lines and (58, "age") in lines
    assert list(Door((ran.table.columns["city"],)).rows([{"city": "durban"}])["city"]) == ["durban"]
    taken = clean(frame, clean={"accept": ["spelling: slip"]})
    assert set(taken.table["city"].unique()) == {"Durban"}
    assert list(Door((taken.table.columns["city"],)).rows([{"city": "Durbn"}])["city"]) == ["Durban"]
    idle = clean(frame, clean={"undo": ["no such rule"]})
    assert "clean.undo.0 fits no change" in idle.cleaned.evidence[0].why
    for wrong in ({"collumn": "city"}, {}, {"row": -1}):
        with pytest.raises(Exception, match=r"clean\.undo\.0"):
            clean(frame, clean={"undo": [wrong]})


@pytest.mark.step(6, 29)
def test_repairs_can_be_undone_by_rule_and_by_value(real):
    """With every rule undone nothing but the reading is left; a value undone stays, here and at the door."""
    plain = real("hospital", clean={"repair": "off", "characters": "off"}).table
    undone = real("hospital", clean={"undo": ["repair", "form", "text"]})
    assert undone.table["city"].equals(plain["city"], null_equal=True)
    assert undone.table["type"].equals(plain["type"], null_equal=True)
    one = real("hospital", clean={"undo": [{"column": "city", "before": "birminghxm"}]}).table
    seen = set(one["city"].unique())
    assert "birminghxm" in seen and "birmingxam" not in seen and "birmingxam" in set(plain["city"].unique())
    raw = undone.collected.collected.frame
    served, _ = Door(tuple(one.columns[n] for n in one.inputs)).table(raw)
    assert served["city"].equals(one["city"], null_equal=True)


@pytest.mark.step(6)
def test_a_dropped_copy_comes_back(clean):
    frame = pl.DataFrame({"x": [f"{i % 40}.3" for i in range(60)], "y": ["ab"[i % 40 % 2] for i in range(60)]})
    ran = clean(frame, clean={"duplicates": "drop", "undo": [{"rule": "duplicate", "row": 45}]})
    assert len(ran.table) == 41 and 45 in ran.table.rows


@pytest.mark.step(6, 29)
@pytest.mark.parametrize("how", ["safe", "all"])
def test_hospital_at_the_door(real, how):
    """With repairs along dependencies too, serving reads every row just as cleaning did."""
    ran = real("hospital", clean={"repair": how, "spelling": how})
    table = ran.table
    door = Door(tuple(table.columns[n] for n in table.inputs))
    raw = ran.collected.collected.frame.filter(pl.col(ROW).is_in(table.rows.tolist()))
    served, _ = door.table(raw)
    for name in table.inputs:
        assert served[name].equals(table[name], null_equal=True), name


@given(st.text(max_size=40), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_tidied_once(text, markup):
    """Nothing raises, twice is as once (but for entities of entities), and a plain text stays."""
    once = tidy(text, markup=False)
    assert tidy(once, markup=False) == once
    tidy(text, markup=markup)
    amount = amount_of(text)
    assert amount is None or amount[1]


@given(
    st.lists(st.sampled_from(["al", "xl", "35957", "x5957", "boaz", "boxz", "", "?", "5 lb"]), min_size=3, max_size=3)
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_rows_and_frames_are_mended_alike(values):
    city = Mending(values={"boxz": "boaz"}, rules=(Rule(("zip",), {"35957": ("boaz", 3.0)}),), known=("boaz", "al"))
    zipcode = Mending(rules=(Rule(("city",), {"boaz": ("35957", 4.0)}),), known=("35957",), units={"lb": (0.5, 0.0)})
    columns = [Column("city", mending=city), Column("zip", markers=("?",), mending=zipcode), Column("other")]
    row = dict(zip(("city", "zip", "other"), values, strict=True))
    assert mend_frame(columns, pl.DataFrame([row])).to_dicts() == mend_rows(columns, [row])
