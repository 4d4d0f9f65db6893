"""JSON lines, JSON arrays, XML and logs are read piece by piece: the same rows, in bounded memory, and as they grow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.core.laid import lies_in
from thirtyfold.core.quiet import Quiet
from thirtyfold.data import pile, streams
from thirtyfold.data.drain import Drain
from thirtyfold.data.naming import source_of
from thirtyfold.data.nested import flat, frame_of
from thirtyfold.data.reading import Read

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c", "d.e"]), VALUES, min_size=1), min_size=1, max_size=12)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every row is a batch and lies in a file, and a piece of text is 64 bytes."""
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pile, "LARGE", -1)
    monkeypatch.setattr(pile.in_batches, "__defaults__", (1,))
    monkeypatch.setattr(streams, "_PIECE", 64)
    return tmp_path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.booleans())
def test_batches_give_the_very_frame_of_all_rows_together(small: Path, rows: list, array: bool) -> None:
    path = small / "rows.jsonl"
    path.write_text(json.dumps(rows, indent=1) if array else "\n".join(map(json.dumps, rows)), "utf-8")
    wanted = frame_of([flat(r, "text") for r in rows], "rows")
    found = source_of(str(path)).read(Quiet())
    assert found.frame.equals(wanted) and found.frame.schema == wanted.schema
    assert found.numbered is not None and lies_in(found.numbered) is not None
    assert found.numbered["__row__"].to_list() == list(range(len(rows)))


def test_xml_and_logs_in_pieces_are_those_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = "".join(f"<r n='{i}'><a>{i}</a><b>x</b>{'<b>y</b>' * (i % 3)}</r>" for i in range(300))
    (tmp_path / "r.xml").write_text(f"<all>{records}</all>", "utf-8")
    lines = [f"2024-01-01 10:00:{i % 60:02d} INFO app: user {i % 7} took {i} ms\n" for i in range(300)]
    lines[50] += "Traceback (most recent call last):\n  File x\nValueError: y\n"
    (tmp_path / "r.log").write_text("".join(["odd\n", *lines]), "utf-8")

    def read(home: str, options: dict) -> Read:
        monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / home))
        return source_of(options).read(Quiet())

    asked = [
        {"xml": {"path": str(tmp_path / "r.xml")}},
        {"logs": {"path": str(tmp_path / "r.log")}},
        {"logs": {"path": str(tmp_path / "r.log"), "rows": "sessions", "session": r"user \d"}},
        {"logs": {"path": str(tmp_path / "r.log"), "rows": "windows", "window": 5}},
    ]
    whole = [read("whole", options) for options in asked]
    monkeypatch.setattr(pile, "LARGE", 0)
    monkeypatch.setattr(pile, "SLICE", 17)
    monkeypatch.setattr(pile.in_batches, "__defaults__", (2000,))
    monkeypatch.setattr(streams, "_PIECE", 64)
    for one, options in zip(whole, asked, strict=True):
        found = read("pieces", options)
        assert found.frame.equals(one.frame) and found.quarantine.equals(one.quarantine)
        assert found.lineage == one.lineage
    assert whole[1].frame["message"][50].endswith("Traceback (most recent call last): File x ValueError: y")


def _log(i: int) -> str:
    return (
        f"2024-01-{i // 1440 % 28 + 1:02d} {i // 60 % 24:02d}:{i % 60:02d}:07 INFO app.w{i % 5}: job {i} by u{i % 9}\n"
    )


def _grown(kind: str, start: int, stop: int) -> bytes:
    if kind == "jsonl":
        return "".join(
            json.dumps({"i": i, "x": i / 4, "in": {"w": "ab"[i % 2]}}) + "\n" for i in range(start, stop)
        ).encode()
    return "".join(_log(i) for i in range(start, stop)).encode()


@pytest.mark.step(4, 5)
@pytest.mark.parametrize("kind", ["jsonl", "log"])
def test_what_came_since_is_read_and_the_rows_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / f"rows.{kind}"

    def same(home: str) -> Read:
        monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "kept"))
        found = source_of(str(path)).read(Quiet())
        monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / home))
        whole = source_of(str(path)).read(Quiet())
        assert found.frame.equals(whole.frame) and found.frame.schema == whole.frame.schema
        assert found.quarantine.equals(whole.quarantine) and found.lineage == whole.lineage
        return found

    odd = {
        "jsonl": b'{"i": 7, "x": "words"}\n',
        "log": b"  goes on\nodd line\n2024-01-09 10:00:00 WARN app: disk sda full\n",
    }
    cut = {"jsonl": b'{"i": 7, "x"', "log": b"2024-01-09 10:00:00 INFO app.w1: job 7 b"}
    path.write_bytes(b"bad\n" + _grown(kind, 0, 500) + cut[kind])
    same("one")
    with path.open("ab") as file:
        file.write(b"\n" + _grown(kind, 500, 800))
    read = same("two")
    assert read.arrived is not None and read.arrived.known_rows >= 499 and read.arrived.new_rows <= 303
    with path.open("ab") as file:
        file.write(odd[kind])
    read = same("three")
    assert read.arrived is not None
    if kind == "jsonl":  # how the fractions were written is not kept
        assert read.arrived.why == "'x' holds words now, and held numbers" and not read.arrived.known_rows
    else:
        assert read.arrived.known_rows >= 799
    path.write_bytes(path.read_bytes().replace(b"30", b"31"))
    read = same("four")
    assert read.arrived is not None and "are no longer those" in read.arrived.why


def test_a_miner_goes_on_where_it_was() -> None:
    lines = [f"job {i % 40} of user{i % 3} took {i} ms at {'abc'[i % 3]}" for i in range(400)]
    whole, first, second = Drain(), Drain(), Drain()
    groups = [whole.add(m).number for m in lines]
    mine = [first.add(m).number for m in lines[:150]]
    second.go_on(json.loads(json.dumps(first.state())))
    assert mine + [second.add(m).number for m in lines[150:]] == groups
    assert [g.template for g in second.groups] == [g.template for g in whole.groups]


def test_what_would_fill_the_memory_is_refused_or_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(streams, "LONGEST", 1000)
    monkeypatch.setattr(streams, "_PIECE", 300)
    long = tmp_path / "long.jsonl"
    long.write_text('{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n{"a": 2}\n', "utf-8")
    monkeypatch.setattr("thirtyfold.data.sources.json_lines.LONGEST", 1000)
    read = source_of(str(long)).read(Quiet())
    assert read.frame["a"].to_list() == [1, 2] and read.quarantine["row"].to_list() == [2]
    monkeypatch.setattr("thirtyfold.data.sources.xml._LARGEST", 100_000)
    huge = tmp_path / "huge.xml"
    huge.write_text("<all>" + "<r><a>1</a></r>" * 3 + "<r><a>" + "y" * 200_000 + "</a></r></all>", "utf-8")
    with pytest.raises(DataError, match="one element holds more than 100,000 bytes"):
        source_of(str(huge)).read(Quiet())


SIGNS = ["{", "}", "[", "]", '"a"', ":", ",", "1", "1e999", "null", "\n", " ", "\t", "\r", "\u00e9"]
TAGS = ["<a>", "</a>", "<b x='1'>", "</b>", "&amp;", "<!--", "<![CDATA["]
BEGINNINGS = ["2024-01-01 10:00:00 INFO a: b", "Jan  1 00:00:00 h c: m", "Traceback (most recent call last):"]
PIECES = st.sampled_from([*SIGNS, *TAGS, *BEGINNINGS])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.lists(PIECES, max_size=25).map(lambda p: "".join(p).encode()), st.data())
def test_no_bytes_are_more_than_a_message(small: Path, data: bytes, asked: st.DataObject) -> None:
    path = small / f"t.{asked.draw(st.sampled_from(['jsonl', 'xml', 'log', 'json']))}"
    path.write_bytes(data)
    for _ in range(2):  # the second time what was kept is gone on with
        try:
            read = source_of(str(path)).read(Quiet())
        except DataError as error:
            assert str(path) in str(error)
        else:
            assert read.frame.height > 0
        with path.open("ab") as file:
            file.write(b"\n" + data[:20])


_MEASURE = """
import sys, threading, time
from pathlib import Path
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.naming import source_of
import polars, pyarrow.ipc, defusedxml.ElementTree

def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(v.split()[1]) for v in lines if v.startswith("RssAnon")) / 1024

most = before = own()
def watch():
    global most
    while True:
        most = max(most, own())
        time.sleep(0.01)

threading.Thread(target=watch, daemon=True).start()
read = source_of(sys.argv[1]).read(Quiet())
print(read.frame.height, round(most - before))
"""


def _generate(path: Path, kind: str, megabytes: int) -> int:
    """A file of so many megabytes; returns how many records it has."""
    count, size = 0, 0
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    with path.open("w", encoding="utf-8") as file:
        size += file.write("<all>\n" if kind == "xml" else "")
        while size < megabytes * 1_000_000:
            i, word = count, words[count % 6]
            if kind == "jsonl":
                row = {"id": i, "x": i / 7, "who": {"name": f"{word} {i % 977}", "city": word}, "tags": [i % 3, 5]}
                line = json.dumps(row) + "\n"
            elif kind == "xml":
                items = f"<item>{i % 5}</item><item>2</item>"
                line = f'<rec id="{i}"><x>{i / 7}</x><who><name>{word} {i % 977}</name></who>{items}</rec>\n'
            else:
                when = f"2024-02-{i // 86400 % 28 + 1:02d} {i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d},123"
                line = f"{when} INFO app.{word}: request {i} of user{i % 977} took {i % 311} ms\n"
            size += file.write(line)
            count += 1
        file.write("</all>\n" if kind == "xml" else "")
    return count


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "megabytes", "most"), [("jsonl", 220, 330), ("xml", 40, 230), ("log", 60, 300)])
def test_a_large_file_is_read_in_little_memory(tmp_path: Path, kind: str, megabytes: int, most: int) -> None:
    """What is the process's own beyond the libraries, in MiB. Of 220 MB it was 188 (JSON lines), 133 (XML) and
    167 (log); the rows as Python's objects would be 5 to 12 times the file. Those two take minutes, so here are smaller
    ones.
    """
    path = tmp_path / f"large.{kind}"
    rows = _generate(path, kind, megabytes)
    environment = dict(os.environ) | {"THIRTYFOLD_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, env=environment, check=True
    )
    height, grew = map(int, done.stdout.split())
    assert height == rows
    assert grew < most, f"{grew} MiB for a file of {megabytes} MB"
