"""A leak of every kind is planted and found with its number; what is not planted is not found."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thirtyfold.core.quiet import Quiet
from thirtyfold.data.alarms import Question, together
from thirtyfold.data.analyze import Analyze, Analyzed
from thirtyfold.data.measures import coded, uncertainty
from thirtyfold.data.names import names_the_answer, parts_of_name, points_to_files, words_of

N = 600


def analyze(ran) -> Analyzed:
    labeled, rest, lineage = ran.label(), ran.split().validation, ran.collected.lineage
    return Analyze(ran.spec).run(labeled.learning, rest, ran.aim(), labeled.goal, lineage, Quiet())


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def rows(seed: int = 7, *, classes: bool = True) -> dict:
    r = np.random.default_rng(seed)
    y = r.integers(0, 2, N)
    x = r.normal(size=N) + 0.5 * y
    answer = np.where(y == 1, "good", "bad") if classes else (2 * x + r.normal(size=N)).round(6)
    return {"x": x, "city": r.choice(["Ulm", "Bonn", "Kiel"], N), "flag": y, "y": answer}


def moments(seconds) -> pl.Series:
    return pl.Series(np.asarray(seconds) * 10**6 + 1_700_000_040_000_000).cast(pl.Datetime("us"))


def alarms(make, frame: dict, **spec) -> tuple:
    found = analyze(make(pl.DataFrame({k: v for k, v in frame.items() if k != "flag"}), **spec))
    return found, {(a["kind"], a["column"]): a for a in found.evidence[1].numbers["alarms"]}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [True, False])
def test_nothing_is_found_where_nothing_is(clean, seed, classes):
    frame = rows(seed, classes=classes)
    r = np.random.default_rng(seed)
    frame["code"] = [f"{a}{i:05d}" for i, a in zip(r.permutation(N), r.choice(["AX", "BX", "CX"], N), strict=True)]
    frame["at"] = moments(r.integers(0, 10**7, N))
    frame["file"] = [f"scans/{a}/img_{i}.png" for i, a in zip(r.permutation(N), r.choice(["a", "b"], N), strict=True)]
    frame["note"] = [" ".join(r.choice("the patient was seen again today by us".split(), 5)) for _ in range(N)]  # noqa: SIM905
    found, told = alarms(clean, frame)
    assert told == {}
    assert "No column alone" in found.evidence[1].why


@pytest.mark.step(3, 9)
def test_an_id_that_was_given_out_by_the_answer(clean):
    frame = rows()
    numbers = rng().permutation(N)
    frame["case_id"] = [("P" if y else "C") + f"{i:06d}" for i, y in zip(numbers, frame["flag"], strict=True)]
    found, told = alarms(clean, frame)
    alarm = told["id", "case_id"]
    assert alarm["score"] == pytest.approx(1.0) and alarm["chance"] == 0.5 and "beginning" in alarm["by"]
    assert "case_id" not in found.inputs and "The id 'case_id' tells 'y'" in found.evidence[1].why
    counter = rows()
    order = np.argsort(counter["flag"], kind="stable")
    numbers = np.empty(N, dtype=np.int64)
    numbers[order] = np.arange(N)
    counter["record_id"] = [f"R{n:07d}" for n in numbers]
    assert "number" in alarms(clean, counter)[1]["id", "record_id"]["by"]


@pytest.mark.step(3, 9)
def test_a_file_that_is_sorted_by_the_answer(clean):
    frame = rows()
    order = np.argsort(frame["flag"], kind="stable")
    found, told = alarms(clean, {k: np.asarray(v)[order] for k, v in frame.items()})
    assert told["order", ""]["right"] > 0.95 and found.inputs == ["x", "city"]
    amount = rows(classes=False)
    order = np.argsort(amount["y"])
    assert ("order", "") in alarms(clean, {k: np.asarray(v)[order] for k, v in amount.items()})[1]


@pytest.mark.step(3, 9)
def test_a_calendar_is_a_cause_and_no_leak(clean):
    """Days written in six ways, of which the weekday decides: of equal columns one stays, and is learned from."""
    r = rng()
    days = pl.Series(r.integers(18262, 18993, N)).cast(pl.Int32).cast(pl.Date)  # 2020 and 2021
    times = days.cast(pl.Datetime("us")) + pl.Series(r.integers(0, 24, N) * 3_600_000_000).cast(pl.Duration("us"))
    written = {
        "de": days.dt.strftime("%d.%m.%Y"),
        "us": days.dt.strftime("%b %d, %Y"),
        "compact": days.dt.strftime("%Y%m%d"),
        "number": days.dt.strftime("%Y%m%d").cast(pl.Int64),
        "iso": times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "epoch": times.dt.epoch("s").cast(pl.String),
    }
    ran = clean(pl.DataFrame({**written, "y": (days.dt.weekday() < 3).cast(pl.String)}))
    assert {c.type for n, c in ran.table.columns.items() if n != "y"} == {"moment"}
    found = analyze(ran)
    assert found.inputs == ["de", "iso"]
    told = {a["column"]: a for a in found.evidence[1].numbers["alarms"]}
    assert {n: (a["kind"], a["by"], a["aside"]) for n, a in told.items()} == dict.fromkeys(
        ("de", "iso"), ("calendar", "the weekday", False)
    )
    assert "A calendar is known beforehand" in found.evidence[1].why


@pytest.mark.step(3, 9)
def test_a_time_that_was_written_down_after_the_answer(clean):
    frame = rows()
    seconds = rng().integers(0, 10**7, N)
    seconds = np.where(frame["flag"] == 1, seconds // 60 * 60, seconds // 60 * 60 + 1 + seconds % 59)
    frame["seen"] = moments(seconds)
    found, told = alarms(clean, frame)
    assert told["time", "seen"]["by"] == "the second" and told["time", "seen"]["aside"]
    assert "seen" not in found.inputs
    kept, told = alarms(clean, frame, clean={"keep": ["seen"]})
    assert "seen" in kept.inputs and not told["time", "seen"]["aside"]
    gone = {**frame, "closed": [s if y else None for s, y in zip(frame["seen"], frame["flag"], strict=True)]}
    assert ("column", "closed") in alarms(clean, gone)[1]  # a time that is there for one answer only


@pytest.mark.step(3, 9)
@pytest.mark.parametrize(
    ("name", "by"),
    [("{0}/img_{1}.png", "folder 1"), ("all/{0}_{1}.png", "at the beginning"), ("all/img_{1}_{0}.png", "at the end"),
     ("all/{1}.{2}", "ending")],
)  # fmt: skip
def test_a_file_name_that_tells(clean, name, by):
    frame = rows()
    word, ending = (("case", "control"), ("png", "jpg"))
    places = enumerate(rng().permutation(N))
    frame["scan"] = [name.format(word[y], i, ending[y]) for (_, i), y in zip(places, frame["flag"], strict=True)]
    found, told = alarms(clean, frame)
    assert by in told["name", "scan"]["by"] and told["name", "scan"]["score"] == pytest.approx(1.0)
    assert "scan" not in found.inputs


def test_a_folder_that_is_the_label_is_no_leak(clean):
    frame = rows()
    frame["scan"] = [f"{y}/img_{i}.png" for i, y in zip(rng().permutation(N), frame["y"], strict=True)]
    assert alarms(clean, frame)[1] == {}
    order = np.argsort(frame["y"], kind="stable")
    assert alarms(clean, {k: np.asarray(v)[order] for k, v in frame.items()})[1] == {}


@pytest.mark.step(3, 9)
def test_a_word_that_says_it(clean):
    frame = rows()
    r = rng()
    said = np.where(frame["flag"] == 1, "discharged", "deceased")
    words = "the patient was seen again today by us and then sent home with care".split()  # noqa: SIM905
    frame["note"] = [" ".join([*r.choice(words, 8), s, *r.choice(words, 4)]) for s in said]
    found, told = alarms(clean, frame)
    assert told["word", "note"]["by"] in ("the word 'discharged'", "the word 'deceased'")
    assert "note" in found.inputs  # only told: the rest of the text may be honest


@pytest.mark.step(3, 9)
def test_columns_that_add_up_to_the_answer(clean):
    r = rng()
    frame = {"casual": r.poisson(30, N), "registered": r.poisson(150, N), "wind": r.normal(size=N), "flag": 0}
    frame["y"] = frame["casual"] + frame["registered"] + 0.0
    found, told = alarms(clean, frame)
    (alarm,) = (a for (kind, _), a in told.items() if kind == "together")
    assert set(alarm["column"].split(", ")) == {"casual", "registered"} and "sum" in alarm["by"]
    assert set(found.inputs) == {"casual", "registered", "wind"} and "is a sum of 2 columns" in found.evidence[1].why
    frame["y"] = frame["registered"] * r.uniform(1, 3, N).round(2)
    frame["price"] = frame["y"] / frame["registered"]
    (alarm,) = (a for (kind, _), a in alarms(clean, frame)[1].items() if kind == "together")
    assert set(alarm["column"].split(", ")) == {"price", "registered"} and "product" in alarm["by"]


def test_a_sum_with_noise_is_no_alarm():
    r = rng()
    a, b = r.normal(size=(2, N))
    question = Question(a + b + 0.1 * r.normal(size=N), 0, r)
    assert together({"a": a, "b": b}, question) == []


@pytest.mark.step(3, 9)
def test_names_that_come_again_with_one_answer_each(clean):
    r = rng()
    patient = r.integers(0, 300, 3000)
    ill = r.integers(0, 2, 300)
    frame = {"x": r.normal(size=3000), "patient": [f"Family {p} of {p % 7}" for p in patient]}
    frame["y"] = np.where(ill[patient] == 1, "ill", "well")
    found, told = alarms(clean, frame, fields={"patient": "category"})
    kinds = {k for k, c in told if c == "patient"}
    assert kinds & {"group", "column"}, told
    if "group" in kinds:
        assert "roles: {group: patient}" in found.evidence[1].why


def test_an_amount_with_a_long_tail_is_known_by_its_ranks(clean):
    r = rng()
    amount = np.exp(3 * r.normal(size=N))
    frame = {"x": r.normal(size=N), "in_cents": (amount * 100).round(0) + r.integers(0, 3, N), "flag": 0, "y": amount}
    found, told = alarms(clean, frame)
    assert found.inputs == ["x"] and ("column", "in_cents") in told


def test_a_strong_column_is_told_and_kept(clean):
    r = rng()
    y = r.integers(0, 2, 4000)
    near = np.where(r.random(4000) < 0.015, 1 - y, y)
    frame = {"x": r.normal(size=4000), "near": np.where(near == 1, "p", "q"), "y": np.where(y == 1, "a", "b")}
    found, told = alarms(clean, frame)
    assert told["strong", "near"]["right"] == pytest.approx(0.985, abs=0.01) and "near" in found.inputs


def test_the_error_is_that_of_the_bootstrap():
    """Of 4,000 halves asked again and again, the scores scatter as the formula says."""
    r = rng()
    y = r.integers(0, 2, 400)
    x = np.where(r.random(400) < 0.1, 1 - y, y)
    draws = []
    for _ in range(400):
        at = r.integers(0, 400, 200)
        recall = [np.mean(x[at][y[at] == c] == c) for c in (0, 1)]
        draws.append(2 * np.mean(recall) - 1)
    assert uncertainty(0.8, y, 2) == pytest.approx(np.std(draws), rel=0.2)


@pytest.mark.parametrize("name", ["adult", "titanic", "telco", "ames", "taxi", "bike", "sms"])
def test_the_clean_sets_raise_no_alarm(name, real):
    assert analyze(real(name)).evidence[1].numbers["alarms"] == []


def test_mammography_stands_in_stretches_of_one_answer(real):
    """Its cancers stand in rows 1,094-1,119, 2,213-2,238, 3,332- ...: ten blocks, each sorted by the answer."""
    (alarm,) = analyze(real("mammography")).evidence[1].numbers["alarms"]
    assert alarm["kind"] == "order" and alarm["right"] > 0.8


def test_benzene_was_computed_from_a_sensor(real):
    """De Vito and others (2008) calibrated that sensor against benzene; in this file the two rise in one line."""
    found = analyze(real("air"))
    assert set(found.evidence[1].numbers["leaks"]) == {"PT08.S2(NMHC)"}


def test_codes_of_text_and_of_numbers_are_by_hand():
    got = coded(np.array(["b", None, "a", "b", "c", "a", "b"], dtype=object), most=2)
    assert got.codes.tolist() == [1, 0, 2, 1, 3, 2, 1] and got.levels == 4
    assert coded(np.array([None, None], dtype=object)).levels == 1
    assert coded(np.array([2.0, np.nan, 1.0])).codes.tolist() == [2, 0, 1]


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=1, max_size=20))
def test_any_text_may_be_a_name(values):
    column = pl.Series("n", values, dtype=pl.String)
    points_to_files(column)
    answer = pl.Series("y", ["a"] * len(values))
    names_the_answer(column, answer)
    for part in parts_of_name(column, answer).values():
        assert len(part) == len(values)
    for there in words_of(column, 10).values():
        assert there.shape == (len(values),)
