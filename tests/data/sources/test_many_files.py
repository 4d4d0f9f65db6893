"""Files of one address: names by patterns, from a real server or the mirror, checked by one hash over all."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from thirtyfold.core.content import reading, roots_of
from thirtyfold.core.errors import DataError
from thirtyfold.core.pixels import png
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.sources.files import Files
from thirtyfold.data.sources.folder import Folder
from thirtyfold.testing.sources import check_source

NAMES = {"train": ["shots/{anna,ben}_{01..03}.png"], "test": ["shots/{anna,ben}_04.png"]}
EVERY = [f"shots/{who}_{n:02d}.png" for who in ("anna", "ben") for n in range(1, 5)]


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    (tmp_path / "web" / "shots").mkdir(parents=True)
    for i, name in enumerate(EVERY):
        (tmp_path / "web" / name).write_bytes(png(np.full((4, 4), 20 * i, dtype=np.uint8)))
    return tmp_path / "web"


@pytest.fixture
def address(shots: Path) -> Iterator[str]:
    class Still(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Still, directory=str(shots)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def whole(root: Path) -> str:
    lines = "".join(f"{hashlib.sha256((root / n).read_bytes()).hexdigest()}  {n}\n" for n in sorted(EVERY))
    return hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.step(4, 5)
def test_all_are_fetched_and_their_names_are_columns(
    address: str, shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("THIRTYFOLD_MIRROR", raising=False)
    source = Files(address, NAMES, whole(shots), named="{who}_{number}")
    facts = ["bytes", "width", "height", "mode", "format", "frames"]
    frame = check_source(source, 8, ["path", "who", "number", *facts, "part"])
    assert frame["who"].to_list() == ["anna"] * 4 + ["ben"] * 4
    assert frame["part"].to_list() == ["train", "train", "train", "test"] * 2
    lineage = source.read(Quiet()).lineage
    assert str(tmp_path) not in str(lineage)
    with reading(roots_of(lineage)):
        assert (roots_of(lineage)[0] / EVERY[0]).is_file()


@pytest.mark.step(4)
def test_a_changed_file_is_refused_and_the_mirror_comes_first(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("THIRTYFOLD_MIRROR", str(shots.parent))
    (shots.parent / "SHA256SUMS").write_text("".join(f"{'0' * 64}  web/{n}\n" for n in EVERY))
    nowhere = "http://127.0.0.1:9"
    assert len(Files(nowhere, NAMES, whole(shots)).read(Quiet()).frame) == 8
    with pytest.raises(DataError, match="have the sha256"):
        Files(nowhere, NAMES, "0" * 64).read(Quiet())


@pytest.mark.parametrize(
    ("names", "why"),
    [(["../x.png"], "leads out"), (["/etc/x"], "leads out"), ([], "no file"), (["{0..999999}"], "more than")],
)
def test_names_that_cannot_be(names: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path))
    with pytest.raises(DataError, match=why):
        Files("http://127.0.0.1:9", names).read(Quiet())


def test_a_name_that_is_not_like_the_others_says_nothing(shots: Path) -> None:
    (shots / "shots" / "odd.png").write_bytes((shots / EVERY[0]).read_bytes())
    frame = Folder(str(shots), named="{who}_{number}").read(Quiet()).frame
    assert frame.filter(frame["path"] == "shots/odd.png")["who"].to_list() == [None]
    with pytest.raises(DataError, match="cannot be the name"):
        Folder(str(shots), named="{1 2}")


@pytest.mark.step(4, 5)
def test_files_of_one_address_may_be_parts_of_one_table(
    address: str, shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("THIRTYFOLD_MIRROR", raising=False)
    for n in range(1, 4):
        boxes = "".join(f"<object><kind>cell</kind><left>{n}{i}</left></object>" for i in range(n))
        (shots / f"boxes_{n}.xml").write_text(f"<picture>{boxes}</picture>", "utf-8")
    source = Files(address, ["boxes_{1..3}.xml"], format={"xml": {"record": "object"}})
    read = source.read(Quiet())
    assert read.frame["file"].to_list() == ["boxes_1.xml"] + ["boxes_2.xml"] * 2 + ["boxes_3.xml"] * 3
    assert read.frame["left"].cast(int).to_list() == [10, 20, 21, 30, 31, 32]
    assert str(tmp_path) not in str(read.lineage) and read.lineage["address"] == f"{address}/"
    assert source.peek(2).columns == read.frame.columns
    with pytest.raises(DataError, match="goes not together"):
        Files(address, ["boxes_1.xml"], named="{a}_{b}", format="xml")
