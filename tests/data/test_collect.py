"""Collect: what a run takes up from outside, what the evidence says, and which word a path means."""

import subprocess
import sys

import pytest

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.data.collect import Collect
from thirtyfold.data.naming import choice_of, endings


def _collect(choice):
    return Collect(Spec.of({"target": "y", "collect": choice}))


@pytest.mark.step(4, 5)
def test_the_evidence_says_what_did_not_match(tmp_path):
    (tmp_path / "l.csv").write_text("k,y\na,1\nb,2\n")
    (tmp_path / "r.csv").write_text("k,z\na,9\nq,8\n")
    made = {"left": str(tmp_path / "l.csv"), "right": str(tmp_path / "r.csv"), "on": ["k"]}
    done = _collect({"join": made}).run(None, Quiet())
    assert "1 of 2 rows of the left have a match; 1 was kept without it." in done.evidence[0].why
    assert done.evidence[0].numbers["right_unmatched"] == 1
    assert [row[0] for row in done.evidence[1].tables[0].rows] == [made["left"], made["right"]]


def test_new_files_and_changed_files_are_taken_up_by_a_run(tmp_path):
    (tmp_path / "a.csv").write_text("k,y\na,1\n")
    stage = _collect(str(tmp_path))
    first = stage.outside()
    assert stage.outside() == first
    (tmp_path / "b.csv").write_text("k,y\nb,2\n")
    second = stage.outside()
    (tmp_path / "a.csv").write_text("k,y\nc,1\n")
    assert len({tuple(first), tuple(second), tuple(stage.outside())}) == 3


def test_a_servers_rows_are_asked_for_in_every_run():
    stage = _collect({"postgres": {"address": "postgresql://h/d", "table": "t"}})
    assert stage.outside() != stage.outside()


def test_choosing_a_source_loads_none_of_them():
    code = (
        "import sys; from thirtyfold.data.naming import choice_of\n"
        "for c in 'x/*.csv a.log s3://b/k postgresql://h/d a.json.gz a.xml a.duckdb -'.split(): choice_of(c)\n"
        "print([m for m in sys.modules if m.startswith('thirtyfold.data.sources.') or m in ('polars', 'numpy')])"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert made.stdout.strip() == "[]"


def test_every_ending_and_scheme_means_one_source():
    known = endings()
    assert known[".csv"] == "csv" and known[".json"] == "json" and known[".zip"] == "parts" and known[".ods"] == "xlsx"
    assert endings("schemes")["https"] == "url"
    assert choice_of("iris.csv") == {"csv": {"path": "iris.csv"}} and choice_of("mine.py:Own") == "mine.py:Own"
    with pytest.raises(DataError, match="does not say what it is"):
        choice_of("x.unheard")


def test_one_is_said_as_one(tmp_path):
    lines = "2024-01-01 10:00:00 INFO a\nnoise\n2024-01-01 10:00:01 INFO a\n"
    (tmp_path / "a.log").write_text(lines, encoding="utf-8")
    spec = Spec.of({"target": "y", "collect": {"logs": {"path": str(tmp_path / "a.log")}}})
    why = Collect(spec).run(None, Quiet()).evidence[0].why
    assert "1 line could not be read" in why
    assert "2 lines of the kind 'levels' with 1 template." in why
