"""Large frames lie in files: named by content, linked instead of written again, mapped when read."""

import os

import numpy as np
import polars as pl
import pytest

from thirtyfold.core import codec
from thirtyfold.core.codec import pack, pack_large, unpack
from thirtyfold.core.laid import Laid, Laying, lay, lies_in, mapped, name_of, rest
from thirtyfold.core.store import Store, digest
from thirtyfold.core.table import Column, Table


@pytest.fixture
def frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    words = pl.Series(["short", "a text of more than twelve letters", None, "é"]).gather(rng.integers(0, 4, 5000))
    return pl.DataFrame({"number": rng.normal(size=5000), "word": words, "when": pl.int_range(5000, eager=True)})


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch):
    monkeypatch.setattr(codec, "LARGE", 0)


def test_a_large_table_is_stored_as_a_file_and_read_back(tmp_path, frame):
    store, table = Store(tmp_path), Table.of(frame, {"number": Column("number", "number", "target")})
    index = store.put("key", {"table": pack_large(table, store.laying)}, b"{}")
    files = store.gift("key", "table")
    assert (
        any(isinstance(f, Laid) for f in files.values())
        and digest(files) == index["table"] == store.index("key")["table"]
    )
    back = unpack(files, Table)
    assert back.frame.equals(table.frame) and back.columns == table.columns
    assert not list(store.laying.iterdir())  # nothing is left where it was written


def test_the_same_frame_is_linked_and_not_written_again(tmp_path, frame):
    store = Store(tmp_path)
    store.put("one", {"table": pack_large(Table.of(frame), store.laying)}, b"{}")
    first = unpack(store.gift("one", "table"), Table)
    described = first.describe(Column("word", "category"))
    packed = pack_large(described, store.laying)
    assert not list(store.laying.iterdir())
    store.put("two", {"learning": packed}, b"{}")
    nodes = {p.stat().st_ino for p in tmp_path.rglob("*.arrow")}
    assert len(list(tmp_path.rglob("*.arrow"))) == 2 and len(nodes) == 1
    assert unpack(store.gift("two", "learning"), Table).columns["word"].type == "category"


def test_a_name_is_of_the_content_alone(tmp_path, frame):
    parts = pl.concat([frame[:100], frame[100:3000], frame[3000:]], rechunk=False)
    name = lay(frame, tmp_path).name
    assert lay(parts, tmp_path).name == name
    for change in (pl.col("number") * -1, pl.col("when") + (pl.col("when") == 4999), pl.col("word").fill_null("")):
        assert lay(frame.with_columns(change), tmp_path).name != name


@pytest.mark.parametrize("size", [1, 7, 8, 262_143, 262_144, 262_145, 1 << 23, (1 << 23) + 3])
def test_every_byte_counts_in_a_name(tmp_path, size):
    path, data = tmp_path / "x", bytearray(np.random.default_rng(1).bytes(size))
    path.write_bytes(data)
    seen = {name_of(path)}
    for at in {0, size // 2, size - 1}:
        data[at] ^= 0x80
        path.write_bytes(data)
        seen.add(name_of(path))
        data[at] ^= 0x80
    assert len(seen) == 1 + len({0, size // 2, size - 1})


def test_two_words_that_change_together_are_another_content(tmp_path):
    words = np.arange(1000, dtype=np.float64) + 1
    (tmp_path / "a").write_bytes(words.tobytes())
    words[[10, 700]] *= -1  # the highest bit of two words: a plain sum would be the same
    (tmp_path / "b").write_bytes(words.tobytes())
    assert name_of(tmp_path / "a") != name_of(tmp_path / "b")


def test_a_frame_laid_part_by_part(tmp_path, frame):
    laying = Laying(tmp_path)
    for at in range(0, 5000, 1200):
        laying.add(frame[at : at + 1200])
    whole = laying.done()
    assert whole.equals(frame)
    rest(whole)  # its pages go, its values stay
    assert whole.equals(frame) and lies_in(whole) is not None and lies_in(frame) is None
    rest(frame)  # of a frame that is not mapped, nothing


def test_files_of_killed_processes_are_swept_away(tmp_path, frame):
    gone, own = tmp_path / "999999999-x.arrow", tmp_path / f"{os.getpid()}-x.arrow"
    gone.write_bytes(b"half")
    own.write_bytes(b"half")
    lay(frame, tmp_path)
    assert not gone.exists() and own.exists()


def test_a_mapped_frame_can_be_packed_as_bytes(tmp_path, frame):
    back = mapped(lay(frame, tmp_path))
    assert unpack(pack(back), pl.DataFrame).equals(frame)
