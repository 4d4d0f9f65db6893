"""Rules: what each kind says, what is made of them, and labels that they give to real messages nobody labeled."""

import numpy as np
import polars as pl
import pytest

from thirtyfold.checking import faults_of
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.owncode import trust
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table
from thirtyfold.data.weak import Said, answers_of, combine

WORDS = ["free", "win", "winner", "won", "prize", "claim", "urgent", "cash"]
RULES = [
    {"label": "spam", "keyword": WORDS, "column": "message"},
    {"label": "spam", "regex": r"\b\d{5,}\b", "column": "message"},
    {"label": "spam", "regex": r"(?i)\b(txt|text|stop|reply) (\w+ )?to\b", "column": "message"},
    {"label": "ham", "where": 'col("length") < 60'},
    {"label": "ham", "keyword": ["i", "my", "me", "lor", "ok", "ur"], "column": "message"},
    {"label": "ham", "regex": r"(?i)\b(lol|haha|home|sorry|love)\b", "column": "message"},
]  # fmt: skip


def sms(mirror):
    path = mirror / "sms_spam" / "smsspamcollection.tsv"
    return pl.read_csv(path, separator="\t", quote_char=None)


def test_each_kind_of_rule_says_what_it_should(tmp_path, clean):
    (tmp_path / "mine.py").write_text(
        "def shouts(row):\n    return row['text'].isupper()\n"
        "def names(row):\n    return 'good' if row['n'] == '3' else None\n"
    )
    frame = pl.DataFrame(
        {
            "text": ["Win a prize", "winter", "NOW 12345", "a.b"],
            "n": ["1", "2.5", "3", None],
            "date": ["2024-01-06", "2024-01-08", "2024-01-09", "2024-01-10"],
        }
    )
    rules = [
        {"label": "bad", "keyword": "win", "column": "text"},
        {"label": "bad", "keyword": ["a.b", "ZZ"], "column": "text"},
        {"label": "bad", "regex": r"\d{5}", "column": "text"},
        {"label": "good", "where": "n >= 2"},
        {"label": "good", "where": "weekday(date) >= 5"},
        {"label": "good", "where": 'text == "winter"'},
        {"label": "bad", "function": f"{tmp_path}/mine.py:shouts"},
        {"function": f"{tmp_path}/mine.py:names"},
    ]
    trust(rules)  # a Spec does
    said = answers_of(rules, Table.of(frame))
    names = [[said.classes[c] if c >= 0 else None for c in column] for column in said.codes.T]
    assert names == [
        ["bad", None, None, None],  # whole words, whatever their case
        [None, None, None, "bad"],
        [None, None, "bad", None],
        [None, "good", "good", None],
        ["good", None, None, None],  # 6 January 2024 was a Saturday
        [None, "good", None, None],
        [None, None, "bad", None],
        [None, None, "good", None],
    ]


def test_a_saved_model_is_a_rule(tmp_path, clean):
    from thirtyfold.core.store import write_folder
    from thirtyfold.testing.audits import example_case

    package = example_case().package
    write_folder(tmp_path / "model", package.save())
    rows = pl.DataFrame({"age": ["20", "70", "old"], "hours": ["10", "60", "40"], "sex": ["male", "female", "male"]})
    (said,) = answers_of([{"package": str(tmp_path / "model"), "above": 0.5}], Table.of(rows)).codes.T
    assert said[2] == -1 and (said[:2] >= 0).all()
    sure = package.predict(package.door.table(rows)[0])["confidence"].to_list()
    above = min(0.99, max(sure[:2]) + 0.001)
    assert (answers_of([{"package": str(tmp_path / "model"), "above": above}], Table.of(rows)).codes == -1).all()


@pytest.mark.step(8)
def test_planted_accuracies_are_estimated():
    """Four independent rules of known accuracy and coverage: both are found again, and together they beat each."""
    rng = np.random.default_rng(0)
    truth = (rng.random(6000) < 0.3).astype(np.int64)
    codes = []
    for accuracy, coverage in ((0.9, 0.5), (0.8, 0.6), (0.7, 0.7), (0.85, 0.4)):
        right = np.where(rng.random(6000) < accuracy, truth, 1 - truth)
        codes.append(np.where(rng.random(6000) < coverage, right, -1))
    codes = np.stack(codes, axis=1)
    found = combine(Said(codes, ["a", "b"], ["1", "2", "3", "4"]))
    measured = [(codes[codes[:, j] >= 0, j] == truth[codes[:, j] >= 0]).mean() for j in range(4)]
    assert np.abs(found.accuracy - measured).max() < 0.04
    spoken = (codes >= 0).any(axis=1)
    together = (found.chances.argmax(axis=1) == truth)[spoken].mean()
    votes = np.stack([(codes == k).sum(axis=1) for k in (0, 1)], axis=1)
    assert together > (votes.argmax(axis=1) == truth)[spoken].mean()
    assert found.chances.mean(axis=0)[1] == pytest.approx(0.3, abs=0.04)
    # Probabilities mean what they say: of rows called a with 0.8 to 0.9, about that share is.
    sure = found.chances.max(axis=1)
    for low in (0.6, 0.8, 0.9):
        band = spoken & (sure >= low) & (sure < low + 0.1)
        assert (found.chances.argmax(axis=1) == truth)[band].mean() == pytest.approx(sure[band].mean(), abs=0.06)


@pytest.mark.step(8)
def test_messages_that_nobody_labeled(clean, mirror):
    messages = sms(mirror)
    ran = clean(messages.drop("label"), label={"rules": RULES})
    rows = ran.table.rows
    true = messages["label"].to_numpy()[rows]
    made = ran.table["y"].to_numpy()
    assert len(rows) > 0.85 * len(messages)
    assert (true == made).mean() > 0.98
    assert (made[true == "spam"] == "spam").mean() > 0.9
    evidence = ran.label().evidence[0]
    assert "validation and test judge against these" in evidence.why
    for rule in evidence.numbers["rules"]:
        assert rule["estimated_accuracy"] > 0.8 and rule["coverage"] > 0.02
    # A row counts the more the surer its label is.
    weight = ran.table[ran.table.named("weight")[0]].to_numpy()
    assert weight[true == made].mean() > weight[true != made].mean() + 0.05


@pytest.mark.step(8)
def test_given_labels_stay_judge_and_are_all_that_is_tested_on(clean, mirror):
    messages = sms(mirror)
    rng = np.random.default_rng(0)
    known = set(rng.choice(len(messages), 400, replace=False).tolist())
    labels = [v if i in known else None for i, v in enumerate(messages["label"].to_list())]
    ran = clean(messages.drop("label").with_columns(pl.Series("y", labels)), label={"rules": RULES})
    parted = ran.split()
    assert {int(r) for part in (parted.train, parted.validation, parted.test.table) for r in part.rows} == known
    labeled = ran.label()
    added = labeled.learning.frame.filter(~pl.col("__row__").is_in(sorted(known)))
    assert len(added) > 4000
    right = messages["label"].to_numpy()[added["__row__"].to_numpy()] == added["y"].to_numpy()
    assert right.mean() > 0.98
    weight = labeled.learning["__label_weight__"].to_numpy()
    assert (weight[: len(parted.train)] == 1).all() and (weight[len(parted.train) :] < 1).any()
    lines = labeled.ledger.filter(pl.col("rule") == "label: by rules")
    assert lines.height == len(added) and lines["before"].null_count() == lines.height
    shown = labeled.evidence[0].numbers["rules"]
    assert all(r["right_on_given_labels"] is None or r["right_on_given_labels"] > 0.6 for r in shown)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"label": "a", "keyword": "x"}, "column"),
        ({"label": "a"}, "exactly one of"),
        ({"label": "a", "keyword": "x", "column": "t", "regex": "y"}, "exactly one of"),
        ({"keyword": "x", "column": "t"}, "label"),
        ({"label": "a", "regex": "(", "column": "t"}, "regular expression"),
        ({"label": "a", "where": "open('x')"}, "no function"),
        ({"label": "a", "where": "1 < 2"}, "looks at no column"),
        ({"label": "a", "keyword": "x", "colum": "t"}, "colum"),
    ],
)
def test_a_rule_that_cannot_be_is_said_before_anything_runs(rule, says):
    spec = Spec.of({"target": "y", "collect": "x.csv", "label": {"rules": [rule]}})
    faults = faults_of(spec, ["t"])
    assert any(says in str(f) for f in faults), faults


def test_columns_of_rules_are_checked_before_anything_runs():
    rules = [{"label": "a", "keyword": "x", "column": "texts"}, {"label": "b", "where": "lenght > 3"}]
    spec = Spec.of({"target": "y", "collect": "x.csv", "label": {"rules": rules}})
    said = [str(f) for f in faults_of(spec, ["text", "length"])]
    assert len(said) == 2  # and none for the target, which the rules make
    assert "Did you mean 'text'?" in said[0] and "Did you mean 'length'?" in said[1]


def test_what_goes_wrong_in_the_users_function_is_told_with_its_row(tmp_path, clean):
    (tmp_path / "broken.py").write_text("def rule(row):\n    return 'a' if row['t'] / 0 else None\n")
    rules = [{"function": f"{tmp_path}/broken.py:rule"}, {"label": "b", "where": "t > 1"}]
    with pytest.raises(DataError, match="on row 0"):
        clean(pl.DataFrame({"t": [1.0, 2.0] * 20}), label={"rules": rules})
    with pytest.raises(SpecError, match="alone"):
        clean(pl.DataFrame({"t": [1.0, 2.0] * 20}), label={"rules": [{"label": "b", "where": "t > 1"}]})
