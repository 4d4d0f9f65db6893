"""Store, codec and record: open formats, whole or not there, the same bytes for the same value."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.codec import pack, unpack
from thirtyfold.core.errors import DataError
from thirtyfold.core.learned import Score
from thirtyfold.core.model import Candidate
from thirtyfold.core.record import Record
from thirtyfold.core.store import Folder, Store, digest, read_folder, write_folder
from thirtyfold.core.table import Column, Table


@dataclass(frozen=True)
class Mixed:
    numbers: np.ndarray
    frame: pl.DataFrame
    data: bytes
    inner: tuple[Candidate, ...]
    maybe: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def test_codec_round_trip_of_everything_that_steps_pass_on():
    candidate = Candidate("mlp", {"layers": [3, 4], "rate": 0.1}, "vector", "because")
    value = Mixed(
        np.arange(6.0).reshape(2, 3), pl.DataFrame({"a": [1, None], "b": ["x", "é"]}), b"\x00\xff", (candidate,), None,
        {"deep": [1, {"n": np.float64(2.5)}]},
    )  # fmt: skip
    back = unpack(pack(value), Mixed)
    assert back.numbers.tolist() == value.numbers.tolist() and back.numbers.dtype == np.float64
    assert back.frame.equals(value.frame) and back.data == value.data and back.inner == value.inner
    assert back.facts == {"deep": [1, {"n": 2.5}]} and back.maybe is None
    assert digest(pack(back)) == digest(pack(value))


def test_codec_of_tables_lists_and_dicts():
    table = Table.of(pl.DataFrame({"a": [1.5, None]}), {"a": Column("a", "number", "target", spellings={"x": "y"})})
    assert unpack(pack(table), Table).frame.equals(table.frame)
    assert unpack(pack(table), Table).columns == table.columns
    scores = {"a": [Score(Candidate("tree", {}, "levels"), {"auc": 0.5}, {})]}
    assert unpack(pack(scores), dict[str, list[Score]]) == scores


def test_codec_refuses_what_could_carry_code():
    with pytest.raises(TypeError, match="cannot be stored"):
        pack(object())
    with pytest.raises(ValueError, match="allow_pickle"):
        pack(np.array([object()], dtype=object))


def test_store_keeps_and_finds_and_forgets_partial_work(tmp_path: Path):
    store = Store(tmp_path)
    assert store.index("k") is None
    store.partial("k").save("epoch", {"w": b"1"})
    hashes = store.put("k", {"a": {"value.json": b"1"}}, b"{}")
    assert store.index("k") == hashes and store.gift("k", "a") == {"value.json": b"1"} and store.notes("k") == b"{}"
    assert store.partial("k").load("epoch") is None


def test_nothing_is_written_outside_its_folder(tmp_path: Path):
    for name in ("../evil", "/evil", "a/../../evil"):
        with pytest.raises(DataError, match="outside"):
            write_folder(tmp_path / "in", {name: b"x"})
    assert not (tmp_path / "evil").exists() and not (tmp_path / "in").exists()


WRITER = """
import sys
from pathlib import Path
from thirtyfold.core.store import Folder
folder = Folder(Path(sys.argv[1]))
print("ready", flush=True)
n = 0
while True:
    n += 1
    folder.save("state", {name: str(n).encode() * 20000 for name in "abc"})
"""


def test_kill_at_any_moment_leaves_a_whole_state(tmp_path: Path):
    """Killed in the middle of writing, again and again: what is read back is always of one write."""
    for round_ in range(8):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.02 + 0.013 * round_)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        found = Folder(tmp_path).load("state")
        assert found is None or (len(found) == 3 and len(set(found.values())) == 1)
    assert found is not None


def test_what_was_killed_while_it_was_removed_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One kill while an old state goes, the next one between the two renames: the state before the second is read."""
    folder = Folder(tmp_path)
    for n in (1, 2, 3):
        folder.save("state", {name: str(n).encode() for name in "abc"})
    real = shutil.rmtree

    def killed(path: Path, **options: object) -> None:
        if not str(path).endswith("state") and Path(path).exists() and (Path(path) / "a").exists():
            (Path(path) / "a").unlink()
            raise KeyboardInterrupt
        real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr("thirtyfold.core.store.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.save("state", dict.fromkeys("abc", b"4"))
    for name in ("zzzzzzzz", "00000000"):  # sorted before and behind what is left
        folder.save("state", {inner: name.encode() for inner in "abc"})
        (tmp_path / "state").rename(tmp_path / f".state.{name}.old")
        found = folder.load("state")
        assert found == {inner: name.encode() for inner in "abc"}


def test_record_survives_a_line_that_was_cut_off(tmp_path: Path):
    record = Record(tmp_path / "record.jsonl")
    record.add("one", n=1)
    with record.path.open("ab") as file:
        file.write(b'{"event": "tw')
    record.add("three", n=3)
    assert [e["event"] for e in record] == ["one", "three"]


def test_write_folder_replaces_whole(tmp_path: Path):
    write_folder(tmp_path / "x", {"a": b"1", "b": b"2"})
    write_folder(tmp_path / "x", {"c": b"3"})
    assert read_folder(tmp_path / "x") == {"c": b"3"}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert json.loads(json.dumps(sorted(p.name for p in (tmp_path / "x").iterdir()))) == ["c"]
