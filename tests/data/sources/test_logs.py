"""Logs: the usual beginnings of lines, templates against the labeled ones, sessions and windows by hand."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.drain import ANY, Drain, parameters
from thirtyfold.data.naming import source_of


def _read(path, text=None, **options):
    if text is not None:
        path.write_text(text)
    return source_of({"logs": {"path": str(path), **options}}).read(Quiet())


def test_the_example_of_the_paper():
    """Figure 1 of He et al. 2017: the constant words stay, the block and the addresses become <*>."""
    drain = Drain(depth=4, similarity=0.5, masks=())
    first = drain.add("Receiving block blk_3587 src: /10.251.42.84:57069 dest: /10.251.42.84:50010")
    again = drain.add("Receiving block blk_5402 src: /10.251.42.85:33702 dest: /10.251.42.85:50010")
    other = drain.add("PacketResponder 1 for block blk_3587 terminating")
    assert first is again and first.template == "Receiving block <*> src: <*> dest: <*>" and first.count == 2
    assert other.template == "PacketResponder 1 for block blk_3587 terminating"
    assert parameters(first.template, "Receiving block b src: c dest: d") == ["b", "c", "d"]
    assert parameters("took <*>ms at <*>:<*>", "took 15ms at h:80") == ["15", "h", "80"]


def test_only_a_templates_own_words_count_as_similar():
    """Equation 1 of He et al. 2017: a <*> in the template is equal to nothing."""
    drain = Drain(depth=3, similarity=0.5, masks=())
    assert drain.add("a b c d") is drain.add("a b x y")
    assert drain.add("a k z w") is not drain.groups[0] and drain.groups[0].template == "a b <*> <*>"


@pytest.mark.step(4)
@pytest.mark.parametrize(
    ("name", "published"), [("HDFS", 0.998), ("OpenSSH", 0.788), ("Apache", 1.0), ("Linux", 0.690)]
)
def test_grouping_accuracy_is_not_below_the_published_one(name, published, mirror):
    folder = mirror / "loghub_dev" / name
    read = source_of(str(folder / f"{name}_2k.log")).read(Quiet())
    truth = pl.read_csv(folder / f"{name}_2k.log_structured.csv", infer_schema=False)
    assert read.frame.height == 2000 and not read.quarantine.height
    assert (read.frame["message"].str.strip_chars() == truth["Content"].fill_null("")).all()
    both = pl.DataFrame({"t": truth["EventId"], "f": read.frame["event"]})
    sizes = both.with_columns(
        pl.len().over("t").alias("a"), pl.len().over("f").alias("b"), pl.len().over("t", "f").alias("c")
    )
    right = sizes.filter((pl.col("a") == pl.col("c")) & (pl.col("b") == pl.col("c"))).height
    assert round(right / 2000 + 1e-9, 3) >= published


LINES = {
    "levels": (
        "2024-01-01T10:00:00.5Z INFO app.main - started in 5 ms\n2024-01-01T11:00:00+01:00 ERROR app.db - lost db1\n",
        {"level": "INFO", "component": "app.main", "message": "started in 5 ms"},
        datetime(2024, 1, 1, 10, 0, 0, 500000, tzinfo=UTC),
    ),
    "access": (
        '1.2.3.4 - bob [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "-" "Mozilla/4.08"\n',
        {
            "client": "1.2.3.4",
            "user": "bob",
            "method": "GET",
            "path": "/a.gif",
            "status": "200",
            "agent": "Mozilla/4.08",
        },
        datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC),
    ),
    "times": ("2024-01-01 10:00:00,123 something\n", {"message": "something"}, None),
    "said": (
        "web1|2024-01-01 10:00:00|W|disk 91% full\n",
        {"host": "web1", "level": "W", "message": "disk 91% full"},
        None,
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_beginnings_of_lines(name, tmp_path):
    text, first, moment = LINES[name]
    options = {"format": r"<Host>\|<Time>\|<Level>\|<Content>"} if name == "said" else {}
    read = _read(tmp_path / "t.log", text, **options)
    row = read.frame.row(0, named=True)
    assert read.lineage["header"] == name and {k: row[k] for k in first} == first
    assert read.frame["time"].dtype != pl.String
    if moment:
        assert row["time"] == moment
    if name == "levels":
        assert row["template"] == "started in 5 ms" and read.frame["time"][1] == datetime(2024, 1, 1, 10, tzinfo=UTC)


def test_continued_and_strange_lines_and_new_year(tmp_path):
    text = "garbage first\nDec 31 23:59:59 h app[1]: crashed\n  at line 5\n\tat line 9\nnoise\n"
    text += "Jan  1 00:00:01 h app[1]: up 7\n"
    read = _read(tmp_path / "t.log", text, year=2023)
    assert read.frame["message"].to_list() == ["crashed at line 5 at line 9", "up 7"]
    assert read.quarantine["row"].to_list() == [1, 5]
    assert [str(t) for t in read.frame["time"]] == ["2023-12-31 23:59:59", "2024-01-01 00:00:01"]


SESSIONS = """2024-01-01 10:00:00 INFO open blk_1 blk_2
2024-01-01 10:00:10 WARN slow blk_1
2024-01-01 10:01:00 INFO close blk_2
2024-01-01 10:02:30 INFO close blk_1
2024-01-01 10:02:31 INFO idle
"""


@pytest.mark.step(4)
def test_sessions_and_windows_by_hand(tmp_path):
    rows = _read(tmp_path / "t.log", SESSIONS, rows="sessions", session=r"blk_\d+").frame
    assert rows.select("session", "seconds", "lines", "templates", "level INFO", "level WARN").rows() == [
        ("blk_1", 150.0, 3, 3, 2, 1),
        ("blk_2", 60.0, 2, 2, 2, 0),
    ]
    assert rows["count close <*>"].to_list() == [1, 1] and rows["count slow <*>"].to_list() == [1, 0]
    assert [len(s.split()) for s in rows["sequence"]] == [3, 2]
    windows = _read(tmp_path / "t.log", rows="windows", window=60).frame
    assert windows.select("window", "lines", "seconds").rows() == [(0, 2, 10.0), (1, 1, 0.0), (2, 2, 1.0)]
    by_column = _read(tmp_path / "t.log", rows="sessions", session="level", top=1).frame
    assert by_column.select("session", "lines", "count of others").rows() == [("INFO", 4, 2), ("WARN", 1, 1)]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("a,b\n1,2\n", {}, "no line begins as a log line does"),
        ("\0\0\0\0", {}, "zero bytes"),
        (SESSIONS, {"rows": "sessions"}, "is needed for"),
        (SESSIONS, {"rows": "sessions", "session": "blk_("}, "not a regular expression"),
        (SESSIONS, {"rows": "sessions", "session": "nothing"}, "no line has 'nothing'"),
        (SESSIONS, {"format": "<Time> <Level>"}, "names no <Content>"),
        (SESSIONS, {"format": "<Time> <Time> <Content>"}, "stands in it twice"),
        ("x 1\nx 2\n", {"format": "<Host> <Content>", "rows": "windows"}, "no time that can be read"),
    ],
)
def test_bad_logs_are_one_message(text, options, said, tmp_path):
    with pytest.raises(DataError, match=said):
        _read(tmp_path / "t.log", text, **options)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("ab1 .:/<*>="), max_size=20), max_size=40), st.integers(3, 8), st.floats(0.1, 1)
)
def test_every_message_fits_its_template(messages, depth, similarity):
    drain = Drain(depth, similarity)
    for message, group in zip(messages, drain.learn(messages), strict=True):
        masked = (drain.mask.sub(ANY, message) if drain.mask else message).split()
        assert len(masked) == len(group.words)
        assert all(t in (ANY, w) for t, w in zip(group.words, masked, strict=True))
        json.dumps(parameters(group.template, message))
    assert sum(g.count for g in drain.groups) == len(messages)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_log_is_more_than_a_message(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "t.log"
    path.write_bytes(data)
    try:
        source_of(str(path)).read(Quiet())
    except DataError as error:
        assert str(path) in str(error)


def test_the_trace_of_an_error_belongs_to_the_line_before_it(tmp_path):
    text = "2024-01-01 10:00:00 ERROR could not save\nTraceback (most recent call last):\n"
    text += '  File "a.py", line 3, in f\n    open(p)\nOSError: gone\n\n'
    text += "During handling of the above exception, another exception occurred:\n\n"
    text += 'Traceback (most recent call last):\n  File "a.py", line 9, in g\nmy.mod.Wrong\n'
    text += "2024-01-01 10:00:01 INFO saved\nOSError: alone\n2024-01-01 10:00:02 INFO bye\n"
    read = _read(tmp_path / "t.log", text)
    first = read.frame["message"][0]
    assert first.startswith("could not save Traceback (most recent call last): File")
    assert "OSError: gone During handling" in first and first.endswith("my.mod.Wrong")
    assert read.frame.height == 3
    assert read.quarantine["row"].to_list() == [13]
