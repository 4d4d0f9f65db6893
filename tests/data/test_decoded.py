"""Pictures, sounds and videos are opened; a frame or a silence that tells the answer is found, and only then."""

import wave

import numpy as np
import pytest

from thirtyfold.core.content import roots_of
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.analyze import Analyze, Analyzed
from thirtyfold.data.decoded import _border, _of_points, _of_sound, look_at


def analyze(ran) -> Analyzed:
    labeled, rest, lineage = ran.label(), ran.split().validation, ran.collected.lineage
    return Analyze(ran.spec).run(labeled.learning, rest, ran.aim(), labeled.goal, lineage, Quiet())


def of_folder(clean, folder) -> Analyzed:
    return analyze(clean(None, collect={"folder": {"path": str(folder)}}, target="label"))


def pictures(folder, *, framed: bool, many: int = 90) -> None:
    """Noise of two classes; with ``framed``, those of one have a light border of one point."""
    from PIL import Image

    rng = np.random.default_rng(1)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for _ in range(many):
            points = rng.integers(0, 200, (48, 40, 3), dtype=np.uint8)
            if framed and label == "dog":
                points[[0, -1]] = 230
                points[:, [0, -1]] = 230
            Image.fromarray(points).save(folder / label / f"{rng.integers(10**9)}.png")


@pytest.mark.step(3, 9)
def test_a_border_that_tells_is_found(clean, tmp_path):
    pictures(tmp_path / "framed", framed=True)
    found = of_folder(clean, tmp_path / "framed")
    alarms = {a["kind"]: a for a in found.evidence[1].numbers["alarms"]}
    assert set(alarms) <= {"border", "column", "strong"}  # a frame also makes a PNG smaller: 'bytes' may tell
    alarm = alarms["border"]
    assert (alarm["kind"], alarm["column"], alarm["chance"]) == ("border", "path", 0.5) and alarm["right"] > 0.97
    assert "The border of the pictures in 'path' alone tells 'label'" in found.evidence[1].why
    files = found.evidence[0].numbers["files"][0]
    assert files["kind"] == "image" and files["border"]["score"] == alarm["score"] and files["broken"] == 0


@pytest.mark.step(9)
def test_pictures_without_a_frame_raise_none_and_are_shown(clean, tmp_path):
    pictures(tmp_path / "plain", framed=False)
    found = of_folder(clean, tmp_path / "plain")
    assert found.evidence[1].numbers["alarms"] == []
    assert "By the border alone" in found.evidence[1].why and "no alarm" in found.evidence[1].why
    titles = [p.title for p in found.evidence[0].pictures]
    assert {"path: some of the rows", "path: brightness", "path: sharpness"} <= set(titles)
    sheet = next(p for p in found.evidence[0].pictures if p.title == "path: some of the rows")
    assert sheet.svg.count("data:image/jpeg;base64,") == 24 and "cat" in sheet.svg and "dog" in sheet.svg
    again = of_folder(clean, tmp_path / "plain")
    assert again.evidence[0].pictures == found.evidence[0].pictures  # same in, same out


def test_cats_and_dogs_are_not_told_by_their_borders(clean, mirror):
    found = of_folder(clean, mirror / "dog_cat")
    kinds = {a["kind"] for a in found.evidence[1].numbers["alarms"]}
    assert kinds == {"name"}  # cat.0.jpg, dog.0.jpg
    assert abs(found.evidence[0].numbers["files"][0]["border"]["score"]) < 0.5


def test_facts_of_a_picture_are_by_hand():
    gray = np.full((10, 8, 3), 0.5)
    assert _of_points(gray) == pytest.approx({"brightness": 0.5, "contrast": 0, "color": 0, "sharpness": 0})
    half = np.zeros((4, 4, 3))
    half[:, 2:] = 1.0
    assert _of_points(half) == pytest.approx({"brightness": 0.5, "contrast": 0.5, "color": 0, "sharpness": 1 / 6})
    red = np.zeros((6, 6, 3))
    red[..., 0] = 1
    assert _of_points(red)["brightness"] == pytest.approx(0.299) and _of_points(red)["color"] == 1
    assert len(_border(red)) == 4 * 4 + 4 * 3 and _border(red)[:3] == [1.0, 0.0, 0.0]


def test_facts_of_a_sound_are_by_hand():
    rate = 1000
    tone = np.sin(2 * np.pi * 100 * np.arange(rate) / rate)
    heard, edge = _of_sound(np.concatenate([np.zeros(200), tone, np.zeros(300)]), rate)
    assert (heard["lead"], heard["tail"]) == pytest.approx((0.2, 0.3)) and heard["silence"] == pytest.approx(1 / 3)
    assert heard["loudness"] == pytest.approx(10 * np.log10(0.5 * 1000 / 1500), abs=1e-6)
    assert heard["peak"] == pytest.approx(np.abs(tone).max()) and edge[:2] == [heard["lead"], heard["tail"]]
    quiet, _ = _of_sound(np.zeros(500), rate)
    assert quiet["silence"] == 1 and quiet["loudness"] == pytest.approx(-120)


def sounds(folder, *, cut: bool) -> None:
    rng = np.random.default_rng(2)
    for label in ("no", "yes"):
        (folder / label).mkdir(parents=True)
        for _ in range(100):
            lead = 0.3 if cut and label == "yes" else rng.uniform(0, 0.1)
            tone = rng.normal(size=4000) * 0.2
            samples = np.concatenate([np.zeros(int(lead * 8000)), tone, np.zeros(int(rng.uniform(0, 0.1) * 8000))])
            with wave.open(str(folder / label / f"{rng.integers(10**9)}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


@pytest.mark.step(3, 9)
@pytest.mark.parametrize("cut", [True, False])
def test_a_silence_that_tells_is_found(clean, tmp_path, cut):
    pytest.importorskip("soundfile", reason="pip install 'thirtyfold[media]'")
    sounds(tmp_path / "said", cut=cut)
    found = of_folder(clean, tmp_path / "said")
    kinds = {a["kind"] for a in found.evidence[1].numbers["alarms"] if a["kind"] == "silence"}
    assert kinds == ({"silence"} if cut else set())
    files = found.evidence[0].numbers["files"][0]
    assert files["kind"] == "audio" and set(files["least_median_most"]) >= {"loudness", "silence", "lead", "clipped"}


@pytest.mark.step(9)
def test_a_video_that_moves(tmp_path):
    av = pytest.importorskip("av", reason="pip install 'thirtyfold[media]'")
    for name, moves in (("still", False), ("moves", True)):
        with av.open(str(tmp_path / f"{name}.mp4"), "w") as made:
            stream = made.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for i in range(40):
                points = np.full((64, 64, 3), 5 * i if moves else 90, dtype=np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(points, format="rgb24")):
                    made.mux(packet)
            for packet in stream.encode():
                made.mux(packet)
    (tmp_path / "broken.mp4").write_bytes((tmp_path / "still.mp4").read_bytes()[:300])
    seen = look_at({i: tmp_path / f"{n}.mp4" for i, n in enumerate(("still", "moves", "broken"))}, "video")
    assert seen.rows == [0, 1] and seen.broken == 1
    assert seen.facts["movement"][0] == pytest.approx(0, abs=0.01) and seen.facts["movement"][1] > 0.2
    assert seen.facts["brightness"][0] == pytest.approx(90 / 255, abs=0.03)


def test_files_that_have_gone_since_are_no_fault(clean, tmp_path):
    pictures(tmp_path / "gone", framed=False, many=20)
    ran = clean(None, collect={"folder": {"path": str(tmp_path / "gone")}}, target="label")
    for path in (tmp_path / "gone").rglob("*.png"):
        path.unlink()
    assert "files" not in analyze(ran).evidence[0].numbers


def test_roots_are_those_of_folders_at_any_depth():
    own = {"format": "folder", "address": "a"}
    assert [str(r) for r in roots_of({"format": "stack", "parts": [own, {"parts": [{**own, "address": "b"}]}]})] == [
        "a",
        "b",
    ]
    assert roots_of({"format": "csv", "address": "a"}) == []


@pytest.mark.step(9)
def test_templates_of_logs(clean, mirror):
    path = str(mirror / "loghub_dev" / "HDFS" / "HDFS_2k.log")
    ran = clean(None, collect={"logs": {"path": path}}, target="level", roles={"ignore": ["template", "event"]})
    found = analyze(ran).evidence[0]
    log, learning = found.numbers["log"], ran.label().learning
    counts = learning["template"].value_counts(sort=True)["count"]
    assert log["templates"] == len(counts) and log["seen_once"] == int((counts == 1).sum())
    assert log["top_10_share"] == pytest.approx(counts.head(10).sum() / counts.sum(), abs=1e-4)
    assert "Templates of the lines" in [p.title for p in found.pictures] and "templates" in found.why
