"""Labels by hand: the store, several people, files, Label Studio's JSON there and back, and the rows worth a label."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from thirtyfold.core.annotations import Annotations, Answer, key_of
from thirtyfold.core.errors import DataError
from thirtyfold.core.table import Table
from thirtyfold.data.answers import outside_of
from thirtyfold.data.exchange import from_label_studio, keyed, to_label_studio
from thirtyfold.data.useful import rank

N = 60


def flowers():
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(N) < 0.5, "rose", "tulip")
    return pl.DataFrame({"x": np.where(truth == "rose", 1.0, 0.0) + rng.normal(0, 0.1, N), "n": np.arange(N)}), truth


def labeled(path, frame, truth, people=("ann",), rows=N, wrong=None):
    store = Annotations(path).prepare()
    keys = keyed(Table.of(frame), "y")
    for person in people:
        store.put(
            Answer(
                keys.order[i], person, (wrong or {}).get((person, i), truth[i]), float(i), row=keys.rows[keys.order[i]]
            )
            for i in range(rows)
        )
    return store


@pytest.mark.step(8)
def test_labels_follow_their_rows_into_training(tmp_path, clean):
    frame, truth = flowers()
    labeled(tmp_path / "s.sqlite", frame, truth.tolist(), rows=50)
    order = np.random.default_rng(1).permutation(N)
    moved = frame[order].with_columns(pl.Series("y", [None] * N, dtype=pl.String))
    ran = clean(moved, label={"by_hand": str(tmp_path / "s.sqlite")}, roles={"ignore": ["n"]})
    assert len(ran.table) == 50
    assert all(truth[int(n)] == y for n, y in ran.table.frame.select("n", "y").iter_rows())
    lines = ran.cleaned.ledger.filter(pl.col("rule") == "label: by hand")
    assert lines.height == 50 and lines["accepted"].all()
    assert "given by hand by ann" in ran.label().evidence[0].why


@pytest.mark.step(8)
def test_a_label_by_hand_takes_the_place_of_one_in_the_data(tmp_path, clean):
    frame, truth = flowers()
    wrong = truth.copy()
    wrong[:5] = np.where(truth[:5] == "rose", "tulip", "rose")
    pl.DataFrame({"row": [0, 1, 2, 99], "label": [*truth[:3], "rose"]}).write_csv(tmp_path / "l.csv")
    ran = clean(
        frame.with_columns(pl.Series("y", wrong.tolist())),
        label={"by_hand": {"store": str(tmp_path / "l.csv")}},
        roles={"ignore": ["n"]},
    )
    assert len(ran.table) == N and (ran.table["y"].to_numpy()[:3] == truth[:3]).all()
    lines = ran.cleaned.ledger.filter(pl.col("rule") == "label: by hand").select("row", "before", "after").rows()
    assert lines == [(i, wrong[i], truth[i]) for i in range(3)]
    assert ran.label().evidence[0].numbers["not_taken"] == ["line 3: there is no row '99'."]


def test_several_people_are_combined_and_doubt_counts_less(tmp_path, clean):
    frame, truth = flowers()
    other = {"rose": "tulip", "tulip": "rose"}
    wrong = {("bob", i): other[truth[i]] for i in range(0, N, 6)} | {("eve", 1): other[truth[1]]}
    labeled(tmp_path / "s.sqlite", frame, truth.tolist(), ("ann", "bob", "eve"), wrong=wrong)
    ran = clean(frame, label={"by_hand": {"store": str(tmp_path / "s.sqlite")}}, roles={"ignore": ["n"]})
    assert (ran.table["y"].to_numpy() == truth).all()
    weight = ran.table["__label_weight__"].to_numpy()
    doubted = {i for _, i in wrong}
    assert {i for i in range(N) if weight[i] < 1} == doubted
    evidence = ran.label().evidence[0]
    assert evidence.numbers["alpha"][0] > 0.6 and "Krippendorff" in evidence.why


def test_the_store_never_loses_and_takes_back(tmp_path):
    store = Annotations(tmp_path / "deep" / "s.sqlite").prepare()
    store.put([Answer("k", "ann", "a"), Answer("k", "bob", "b"), Answer("j", "ann", None)])
    store.put([Answer("k", "ann", "c")])
    assert [(a.key, a.annotator, a.value) for a in store.answers()] == [
        ("k", "bob", "b"),
        ("j", "ann", None),
        ("k", "ann", "c"),
    ]
    assert store.undo("ann").value == "c"
    assert {(a.key, a.annotator): a.value for a in store.answers()}["k", "ann"] == "a"
    assert store.undo("ann").key == "j" and store.undo("ann").value == "a" and store.undo("ann") is None
    before = store.digest()
    store.put([Answer("k", "ann", "a")])
    assert store.digest() != before
    (tmp_path / "not.sqlite").write_text("no database, but long enough to look at as one " * 10)
    with pytest.raises(DataError, match="cannot hold labels"):
        Annotations(tmp_path / "not.sqlite").prepare()


def test_new_answers_make_a_run_anew(tmp_path):
    frame, truth = flowers()
    choice = {"by_hand": {"store": str(tmp_path / "s.sqlite")}}
    store = labeled(tmp_path / "s.sqlite", frame, truth.tolist(), rows=3)
    one = outside_of(choice)
    store.put([Answer("x", "ann", "rose")])
    assert outside_of(choice) != one == outside_of(choice)[:0] + one
    assert outside_of("given") == []


@pytest.mark.step(8)
def test_label_studio_there_and_back(tmp_path):
    frame, _ = flowers()
    keys = keyed(Table.of(frame), "y")
    boxes = [{"label": "rose", "x": 10.0, "y": 20.0, "width": 30.5, "height": 40.0}]
    said = [
        Answer(keys.order[0], "ann", "rose", 1.7e9, "tulip", 2.5, keys.rows[keys.order[0]]),
        Answer(keys.order[0], "bob", None, 1.7e9, None, None, keys.rows[keys.order[0]]),
        Answer(keys.order[1], "ann", boxes, 1.7e9, None, 1.0, keys.rows[keys.order[1]]),
        Answer(keys.order[2], "ann", 7.5, 1.7e9, None, 1.0, keys.rows[keys.order[2]]),
    ]
    tasks = json.loads(json.dumps(to_label_studio(said, {"x": "text"})))
    assert tasks[0]["annotations"][0]["result"] == [
        {"type": "choices", "from_name": "label", "to_name": "x", "value": {"choices": ["rose"]}}
    ]
    assert tasks[0]["annotations"][1]["was_cancelled"] and tasks[0]["predictions"]
    back, wrong = from_label_studio(tasks, keys)
    assert not wrong
    assert [(a.key, a.annotator, a.value, a.time) for a in back] == [
        (a.key, a.annotator, a.value, a.time) for a in said
    ]


def test_a_file_that_label_studio_itself_writes():
    """Tasks as its documentation of the export format shows them; rows are found by their cells."""
    frame = pl.DataFrame({"text": ["To have faith is to trust yourself", "other"], "n": ["1", "2"]})
    keys = keyed(Table.of(frame), "y")
    tasks = [
        {
            "id": 1,
            "data": {"text": "To have faith is to trust yourself"},
            "annotations": [
                {
                    "id": 1001,
                    "result": [{"from_name": "sentiment", "id": "SGi8m_p", "to_name": "text", "type": "choices",
                                "value": {"choices": ["positive"]}}],
                    "was_cancelled": False, "ground_truth": False, "created_at": "2021-03-09T21:52:49.513742Z",
                    "updated_at": "2021-03-09T22:16:08.746926Z", "lead_time": 3.3, "completed_by": 10,
                }
            ],
            "predictions": [],
        },
        {"id": 2, "data": {"text": "unknown"}, "annotations": []},
        {"id": 3, "data": {"text": "other"}, "annotations": [{"result": []}, "odd", {"result": [{"type": "choices"}]}]},
    ]  # fmt: skip
    answers, wrong = from_label_studio(tasks, keys)
    assert [(a.key, a.annotator, a.value) for a in answers] == [(keys.order[0], "10", "positive")]
    assert len(wrong) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "annotations", "result", "type", "value", "choices", "x", "completed_by", "rectanglelabels"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON, max_size=3))
def test_whatever_stands_in_the_file_is_taken_or_told(tasks):
    keys = keyed(Table.of(pl.DataFrame({"x": ["a", "b"]})), "y")
    answers, wrong = from_label_studio(tasks, keys)
    assert all(a.key in keys.rows for a in answers) and all(isinstance(w, str) for w in wrong)
    filled = [{"data": {"x": "a"}, "annotations": [{"result": t}]} for t in tasks]
    answers, wrong = from_label_studio(filled, keys)
    assert len(answers) + len(wrong) == len(filled)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("l.csv", "line,label\n1,a\n", "no column 'row'"),
        ("l.json", "{", "is not JSON"),
        ("l.json", '{"a": 1}', "list of tasks"),
        ("l.txt", "x", "no ending"),
        ("gone.csv", None, "no such file"),
    ],
)
def test_a_bad_file_gives_one_clear_message(tmp_path, clean, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=says):
        clean(flowers()[0], label={"by_hand": {"store": str(tmp_path / name)}})


def test_a_key_is_the_id_or_what_stands_in_the_row():
    assert key_of({"a": 1, "b": "x"}) == key_of({"b": "x", "a": 1}) != key_of({"a": 1, "b": "y"})
    assert key_of({"a": 1, "b": "x"}, "a") == "id:1"


@pytest.mark.step(8)
def test_useful_rows_buy_far_more_than_rows_at_random(mirror):
    """120 messages labeled in twelve rounds: mean recall 0.9 where as many drawn blindly leave it near a half."""
    from thirtyfold.core.table import Column
    from thirtyfold.data.quick import chances, features

    path = mirror / "sms_spam" / "smsspamcollection.tsv"
    messages = pl.read_csv(path, separator="\t", quote_char=None)
    x = features(Table.of(messages.select("message"), {"message": Column("message", "text")}))
    truth = (messages["label"] == "spam").to_numpy().astype(np.int64)
    test = np.arange(4000, len(truth))
    blind, mine = np.random.default_rng(0).permutation(4000)[:120], np.array([], dtype=np.int64)
    for _ in range(12):
        open_ = np.setdiff1d(np.arange(4000), mine)
        mine = np.concatenate([mine, rank(x[:4000], mine, truth[mine], 2, open_).order[:10]])
    assert len(set(mine.tolist())) == 120
    said = {n: chances(x[at], truth[at], x[test], 2).argmax(axis=1) for n, at in (("useful", mine), ("blind", blind))}
    recall = {n: np.mean([(s[truth[test] == k] == k).mean() for k in (0, 1)]) for n, s in said.items()}
    assert recall["useful"] > 0.85 and recall["useful"] > recall["blind"] + 0.15, recall


def test_the_first_rows_are_of_every_kind():
    """Without a label, the first rows shown are far from each other: most of ten clusters are among the first ten."""
    rng = np.random.default_rng(0)
    which = np.concatenate([np.zeros(500, dtype=int), np.repeat(np.arange(1, 10), 3)])
    x = sparse.csr_matrix(np.eye(10)[which] + rng.normal(0, 0.01, (len(which), 10)))
    none = np.array([], dtype=np.int64)
    first = rank(x, none, none, 2, np.arange(len(which))).order[:10]
    assert len(set(which[first].tolist())) >= 7
