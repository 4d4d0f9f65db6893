"""Pictures, sounds, videos and texts: headers read, labels from folders or a manifest, broken files set aside."""

import struct
import zlib

import numpy as np
import pytest

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.naming import choice_of, source_of
from thirtyfold.data.reading import outside_of
from thirtyfold.testing.sources import check_source


@pytest.fixture
def pictures(tmp_path):
    from PIL import Image

    folder = tmp_path / "pets"
    for label, size in (("cat", (40, 30)), ("dog", (64, 48))):
        (folder / label).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", size, (i, 2, 3)).save(folder / label / f"{i}.jpg")
    Image.new("L", (5, 5)).save(folder / "cat" / "3.png")
    return folder


@pytest.mark.step(4)
def test_a_folder_for_each_class(pictures):
    columns = ["path", "label", "bytes", "width", "height", "mode", "format", "frames"]
    frame = check_source(source_of({"folder": {"path": str(pictures)}}), 7, columns)
    assert frame.row(0, named=True) | {"bytes": 0} == {
        "path": "cat/0.jpg", "label": "cat", "bytes": 0, "width": 40, "height": 30, "mode": "RGB", "format": "JPEG",
        "frames": 1,
    }  # fmt: skip
    assert frame["label"].to_list() == ["cat"] * 4 + ["dog"] * 3
    assert choice_of(str(pictures)) == {"folder": {"path": str(pictures)}}
    before = outside_of(source_of(str(pictures)))
    (pictures / "dog/0.jpg").write_bytes((pictures / "cat/1.jpg").read_bytes())
    assert outside_of(source_of(str(pictures))) != before


def test_broken_empty_and_trapped_pictures_are_quarantined(pictures):
    good = (pictures / "cat/0.jpg").read_bytes()
    (pictures / "cat/cut.jpg").write_bytes(good[: len(good) // 2])
    (pictures / "cat/end.jpg").write_bytes(good[:-12])
    (pictures / "dog/large.png").write_bytes(_png(11_000, 11_000))
    (pictures / "cat/empty.jpg").write_bytes(b"")
    (pictures / "cat/page.jpg").write_text("<html>404</html>")
    (pictures / "dog/bomb.png").write_bytes(_png(60_000, 60_000))
    (pictures / "dog/link.jpg").symlink_to("/etc/passwd")
    read = source_of(str(pictures)).read(Quiet())
    why = dict(zip(read.quarantine["raw"], read.quarantine["reason"], strict=True))
    broken = {"cat/cut.jpg", "cat/end.jpg", "cat/empty.jpg", "cat/page.jpg", "dog/bomb.png", "dog/large.png"}
    assert read.frame.height == 7 and set(why) == broken
    assert "does not end as a JPEG does" in why["cat/end.jpg"] and "121,000,000" not in why["dog/large.png"]
    assert "11,000 x 11,000 points" in why["dog/large.png"]
    assert "cut off" in why["cat/cut.jpg"] and "is empty" in why["cat/empty.jpg"]
    assert "not a picture" in why["cat/page.jpg"] and "trap" in why["dog/bomb.png"]


def _png(width, height):
    """A PNG of so many points that would be gigabytes, in a hundred bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def test_a_manifest_names_files_by_path_name_or_stem(pictures, tmp_path):
    lines = [
        "picture,age",
        "cat/0.jpg,3",
        "C:\\pets\\dog\\2.jpg,4",
        "./dog/1.jpg,5",
        "nothing.jpg,6",
        "../../etc/passwd,7",
    ]
    (pictures / "list.csv").write_text("\n".join([*lines, "3,8", ""]))
    read = source_of({"folder": {"path": str(pictures), "manifest": "list.csv"}}).read(Quiet())
    assert read.frame["age"].to_list() == ["3", "4", "5", "8"] and read.frame["picture"][1] == "dog/2.jpg"
    assert read.frame["picture"].to_list()[-1] == "cat/3.png" and "width" in read.frame.columns
    assert "there is no file 'nothing.jpg'" in " ".join(read.quarantine["reason"])
    assert "there is no file '../../etc/passwd'" in " ".join(read.quarantine["reason"])
    with pytest.raises(DataError, match="Did you mean 'picture'"):
        source_of({"folder": {"path": str(pictures), "manifest": "list.csv", "column": "pictur"}}).read(Quiet())


def test_sounds_and_videos(tmp_path):
    import av
    import soundfile

    (tmp_path / "low").mkdir()
    wave = np.sin(np.arange(16000) / 10).astype("float32")
    for ending in ("wav", "flac", "ogg"):
        soundfile.write(tmp_path / "low" / f"a.{ending}", wave, 8000)
    whole = (tmp_path / "low/a.wav").read_bytes()
    (tmp_path / "low/cut.wav").write_bytes(whole[:5000])
    (tmp_path / "low/no.flac").write_bytes(b"fLaC and no more")
    read = source_of({"folder": str(tmp_path)}).read(Quiet())
    assert read.frame["seconds"].to_list() == [2.0, 2.0, 2.0] and set(read.frame["rate"]) == {8000}
    assert read.quarantine["raw"].to_list() == ["low/cut.wav", "low/no.flac"]
    (tmp_path / "film").mkdir()
    with av.open(str(tmp_path / "film/a.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), i, dtype="uint8"), format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    (tmp_path / "film/cut.mp4").write_bytes((tmp_path / "film/a.mp4").read_bytes()[:200])
    read = source_of({"folder": {"path": str(tmp_path), "only": ["video"]}}).read(Quiet())
    row = read.frame.row(0, named=True)
    assert (row["width"], row["height"], row["frames"], row["rate"], row["sound"]) == (32, 16, 20, 10.0, False)
    assert abs(row["seconds"] - 2.0) < 0.11 and read.quarantine["raw"].to_list() == ["film/cut.mp4"]


def test_texts_of_classes_and_what_is_not_there(tmp_path):
    for label, text in (("ham", "see you at noon"), ("spam", "WIN now"), ("spam", "call")):
        (tmp_path / "mail" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "mail" / label / f"{len(text)}.txt").write_text(text)
    (tmp_path / "mail/ham/zero.txt").write_bytes(b"\0\0")
    read = source_of(str(tmp_path / "mail")).read(Quiet())
    assert read.frame.select("label", "text", "words").rows() == [
        *(("ham", "see you at noon", 4), ("spam", "call", 1), ("spam", "WIN now", 2))
    ]
    with pytest.raises(DataError, match=r"no such folder.*Did you mean 'mail'"):
        source_of({"folder": str(tmp_path / "mial")}).read(Quiet())
    with pytest.raises(DataError, match="holds no file of the kinds image"):
        source_of({"folder": {"path": str(tmp_path), "only": ["image"]}}).read(Quiet())


@pytest.mark.step(4)
@pytest.mark.parametrize(
    ("made", "rows", "columns"),
    [  # counts as the data sets' own descriptions give them
        ({"path": "dog_cat"}, 240, {"path", "label", "width", "height"}),
        ({"path": "fsdd_dev"}, None, {"path", "seconds", "rate"}),
        ({"path": "bccd_blood_cells/BCCD/JPEGImages"}, None, {"path", "width"}),
    ],
)
def test_real_folders(made, rows, columns, mirror):
    read = source_of({"folder": {**made, "path": str(mirror / made["path"])}}).read(Quiet())
    assert rows in (None, read.frame.height) and columns <= set(read.frame.columns) and not read.quarantine.height


def test_a_real_manifest_with_stems_and_one_with_windows_paths(mirror):
    names = {"csv": {"path": str(mirror / "ljspeech_sample/metadata.csv"), "delimiter": "|", "header": False}}
    names["csv"]["names"] = ["id", "text", "plain"]
    read = source_of({"folder": {"path": str(mirror / "ljspeech_sample/wavs"), "manifest": names}}).read(Quiet())
    assert read.frame["id"][0] == "LJ001-0001.wav" and read.frame["rate"][0] == 22050
    log = {"csv": {"path": str(mirror / "driving_track_dev/driving_log.csv"), "header": False}}
    road = source_of({"folder": {"path": str(mirror / "driving_track_dev"), "manifest": log}}).read(Quiet())
    assert road.frame.height and road.frame["c0"][0].startswith("IMG/") and road.frame["width"][0] == 320
