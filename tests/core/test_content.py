"""What stands behind a value: files of the folders that are read, files as text, and never anything else."""

import base64
from pathlib import Path

import numpy as np
import pytest

from thirtyfold.core.content import bytes_of, each, embedded, find, inline, reading, roots_of, told_of
from thirtyfold.core.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "pictures"
    (inside / "a").mkdir(parents=True)
    (inside / "a" / "one.bin").write_bytes(b"one")
    (tmp_path / "secret.bin").write_bytes(b"secret")
    (inside / "link.bin").symlink_to(tmp_path / "secret.bin")
    return inside


def test_a_reference_is_opened_only_inside_of_what_is_read(root: Path) -> None:
    with pytest.raises(ValueError, match="neither a file"):
        bytes_of("a/one.bin")
    with reading([root]):
        assert bytes_of("a/one.bin") == b"one"
        for outside in (
            "../secret.bin",
            str(root.parent / "secret.bin"),
            "link.bin",
            "/etc/passwd",
            "a",
            "a/one.bin\0",
        ):
            assert find(outside) is None
    assert find("a/one.bin") is None


def test_a_name_in_two_folders_is_not_guessed(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "a"
    other.mkdir(parents=True)
    (other / "one.bin").write_bytes(b"another")
    with reading([root, other.parent]), pytest.raises(ValueError, match="2 folders"):
        find("a/one.bin")


def test_files_as_text() -> None:
    data = bytes(range(60))
    plain = base64.b64encode(data).decode()
    assert inline(plain) == data
    assert inline(f"data:image/png;base64,{plain}") == data
    assert inline(f"data:audio/wav;charset=utf-8;base64,{plain}") == data
    assert inline("pictures/one.png") is None
    assert inline("file:///etc/passwd") is None
    with pytest.raises(ValueError, match="not base64"):
        inline("data:image/png;base64,%%%")


def test_what_is_sent_holds_the_file(root: Path) -> None:
    with reading([root]):
        sent = embedded("a/one.bin")
    assert sent == base64.b64encode(b"one").decode()
    assert embedded(None) is None and embedded("AAAA") == "AAAA"


def test_lineages_tell_folders_and_what_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path))
    parts = [{"format": "folder", "address": "x", "sha256": "1"}, {"format": "csv", "address": "y", "sha256": "2"}]
    fetched = {"format": "folder", "address": "https://a/", "kept": "folders/k", "sha256": "3", "parts": parts}
    assert roots_of(fetched) == [tmp_path / "folders" / "k", Path("x")]
    assert told_of(fetched) == ["3", "1"]


def test_every_fault_is_named_and_missing_is_blank(root: Path) -> None:
    def make(data: bytes) -> np.ndarray:
        return np.full(2, len(data), dtype=np.float32)

    blank = np.array([7.0, 8.0])
    with reading([root]):
        got = each(["a/one.bin", None] * 10, "test", make, blank)
        assert got.tolist() == [[3.0, 3.0], [7.0, 8.0]] * 10
        with pytest.raises(DataError) as caught:
            each(["a/one.bin", "b", "c"], "test", make, blank)
    assert [f.where for f in caught.value.faults] == ["b", "c"]


def test_a_changed_file_is_read_anew(root: Path) -> None:
    def make(data: bytes) -> np.ndarray:
        return np.array([len(data)], dtype=np.float32)

    with reading([root]):
        assert each(["a/one.bin"], "length", make, np.zeros(1))[0, 0] == 3
        (root / "a" / "one.bin").write_bytes(b"longer")
        assert each(["a/one.bin"], "length", make, np.zeros(1))[0, 0] == 6
