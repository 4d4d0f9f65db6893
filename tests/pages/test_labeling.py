"""The labeling page in a real browser, by clicking and typing; and nothing is lost when the server is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from thirtyfold.core.annotations import Annotations

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Server:
    """The real command in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.start("0")

    def start(self, port: str) -> None:
        command = [sys.executable, "-m", "thirtyfold", "label", *self.options, "--port", port, "--annotator", "ann"]
        env = {**os.environ, "THIRTYFOLD_HOME": str(self.folder / "home")}
        self.process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.address = re.search(r"(http://\S+?)/\?", line)[1]

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def serve(tmp_path):
    made: list[Server] = []

    def start(*options: str) -> Server:
        made.append(Server(tmp_path, *options))
        return made[-1]

    yield start
    for server in made:
        server.kill()


def opened(browser: Any, address: str, who: str = "ann", *, bypass: bool = False) -> Any:
    page = browser.new_page(bypass_csp=bypass)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if "Security Policy" in said.text else None)
    page.goto(f"{address}/?annotator={who}")
    page.wait_for_selector("#row[data-key]:not([data-key=''])")
    return page


def kept(tmp_path: Path) -> list[Any]:
    return Annotations(next((tmp_path / "home" / "labels").glob("*.sqlite"))).answers()


def waits(page: Any, text: str) -> None:
    page.wait_for_selector(f"#said:has-text({json.dumps(text)})")


TEXTS = [f"{'buy cheap pills now' if i % 3 == 0 else 'see you at lunch tomorrow'} number {i}" for i in range(60)]


def texts(tmp_path: Path) -> None:
    pl.DataFrame({"message": TEXTS, "sender": [f"p{i % 7}" for i in range(60)]}).write_csv(tmp_path / "mail.csv")


@pytest.mark.step(8)
def test_labels_by_keys_survive_the_death_of_the_server(browser, serve, tmp_path):
    texts(tmp_path)
    (tmp_path / "rules.txt").write_text("Spam sells something.\n<b>Not</b> markup.")
    server = serve("mail.csv", "--target", "kind", "--classes", "ham,spam", "--guidelines", "rules.txt")
    page = opened(browser, server.address)
    assert "<b>Not</b> markup." in page.inner_text("#rules")
    done = {}
    for _ in range(12):
        text = page.inner_text("#row dd >> nth=0")
        key = page.get_attribute("#row", "data-key")
        done[text] = "spam" if "pills" in text else "ham"
        page.keyboard.press("2" if "pills" in text else "1")
        page.wait_for_selector(f"#row:not([data-key='{key}'])")
    assert {a.row["message"]: a.value for a in kept(tmp_path)} == done and len(done) == 12
    # The guess comes with the ranking that was made after ten answers.
    page.wait_for_timeout(300)
    page.keyboard.press("s")
    waits(page, "Skipped.")
    page.wait_for_selector("#answers button.guess")
    before = page.get_attribute("#row", "data-key")
    guess = page.get_attribute("#answers button.guess", "data-class")
    page.keyboard.press("g")
    assert page.locator("#answers button.guess").count() == 0
    page.keyboard.press("g")
    page.keyboard.press("Enter")
    waits(page, f"Kept: {guess}.")
    page.keyboard.press("u")
    waits(page, f"Taken back: {guess}.")
    assert page.get_attribute("#row", "data-key") == before
    port = server.port
    server.kill()
    page.keyboard.press("2")  # pressed while nobody listens: sent when the server is back
    waits(page, "The server does not answer")
    server.start(port)
    waits(page, "Kept: spam.")
    answers = kept(tmp_path)
    assert len(answers) == 14 and answers[-1].key == before and answers[-1].value == "spam"
    assert sum(a.value is None for a in answers) == 1
    page.reload()
    page.wait_for_selector("#row[data-key]:not([data-key=''])")
    assert "14 by you" in page.inner_text("#count")
    assert not page.problems
    page.close()


@pytest.mark.step(8)
def test_two_people_get_different_rows_and_may_overlap(browser, serve, tmp_path):
    texts(tmp_path)
    server = serve("mail.csv", "--target", "kind", "--classes", "ham,spam", "--no-guess")
    ann, bob = opened(browser, server.address), opened(browser, server.address, "bob")
    assert ann.get_attribute("#row", "data-key") != bob.get_attribute("#row", "data-key")
    for page in (ann, bob):
        page.click("#answers button[data-class='ham']")
        waits(page, "Kept: ham.")
    assert {a.annotator for a in kept(tmp_path)} == {"ann", "bob"}
    bob.fill("#annotator", "eve")
    bob.click("#who button")
    bob.wait_for_selector("#count:has-text('0 by you')")
    bob.keyboard.press("n")
    bob.keyboard.type("unsure")
    bob.keyboard.press("Enter")
    bob.wait_for_selector("#answers button[data-class='unsure']")
    bob.keyboard.press("3")
    waits(bob, "Kept: unsure.")
    assert [a.value for a in kept(tmp_path) if a.annotator == "eve"] == ["unsure"]
    ann.close(), bob.close()


@pytest.mark.step(8)
def test_boxes_images_sound_and_video(browser, serve, tmp_path):
    image = pytest.importorskip("PIL.Image")
    soundfile = pytest.importorskip("soundfile")
    rng = np.random.default_rng(0)
    for i in range(4):
        image.fromarray(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * np.sin(np.arange(8000) * 0.05 * (i + 1)), 8000)
    _clip(tmp_path / "0.webm")
    secret = tmp_path.parent / f"{tmp_path.name}-secret.png"
    shutil.copy(tmp_path / "0.png", secret)
    names = [f"{i}.png" for i in range(4)] + [f"../{secret.name}"]
    pl.DataFrame(
        {"picture": names, "sound": [f"{i}.wav" for i in range(4)] + [None], "clip": ["0.webm"] * 4 + [None]}
    ).write_csv(tmp_path / "things.csv")
    server = serve("things.csv", "--target", "objects", "--classes", "cat,dog", "--boxes", "picture")
    strict = opened(browser, server.address, "bob")  # with the page's own policy, of what may be loaded
    strict.wait_for_timeout(500)
    assert strict.locator("img, audio, video").count() == 3 and not strict.problems
    strict.close()
    page = opened(browser, server.address, bypass=True)
    page.wait_for_function("document.querySelector('#canvas img').naturalWidth === 160")
    page.wait_for_function("document.querySelector('audio').duration > 0.9")
    page.wait_for_function("document.querySelector('video').videoWidth === 64")
    frame = page.locator("#canvas").bounding_box()

    def draw(left, top, right, bottom):
        page.mouse.move(frame["x"] + left * frame["width"], frame["y"] + top * frame["height"])
        page.mouse.down()
        page.mouse.move(frame["x"] + right * frame["width"], frame["y"] + bottom * frame["height"], steps=4)
        page.mouse.up()

    page.keyboard.press("2")
    draw(0.25, 0.25, 0.75, 0.5)
    page.keyboard.press("1")  # for the next box, not for the one drawn
    draw(0.1, 0.6, 0.3, 0.9)
    draw(0.5, 0.6, 0.9, 0.9)
    assert page.locator(".box b").all_inner_texts() == ["dog", "cat", "cat"]
    page.mouse.click(frame["x"] + 0.2 * frame["width"], frame["y"] + 0.8 * frame["height"])
    page.keyboard.press("Delete")  # the one that was clicked
    page.mouse.click(frame["x"] + 0.7 * frame["width"], frame["y"] + 0.8 * frame["height"])
    page.keyboard.press("2")
    assert page.locator(".box b").all_inner_texts() == ["dog", "dog"]
    assert page.inner_text("#save") == "EnterSave 2 boxes"
    page.keyboard.press("Enter")
    waits(page, "Kept: 2 boxes.")
    box, other = kept(tmp_path)[0].value
    assert box["label"] == other["label"] == "dog"
    assert [box[n] for n in ("x", "y", "width", "height")] == pytest.approx([25, 25, 50, 25], abs=1.5)
    assert [other[n] for n in ("x", "y", "width", "height")] == pytest.approx([50, 60, 40, 30], abs=1.5)
    import httpx

    # Only what the table names below its folder is served, whatever is asked for.
    found = [httpx.get(f"{server.address}/media/{i}/0").status_code for i in range(6)]
    assert found == [200, 200, 200, 200, 404, 404]
    for path in ("media/0/0/../../things.csv", "media/0/..%2f..%2fthings.csv", "things.csv", "media/0/9", "media/-1/0"):
        assert httpx.get(f"{server.address}/{path}").status_code == 404
    assert httpx.get(f"{server.address}/", headers={"Host": "evil.example"}).status_code == 400
    body = {"annotator": "mallory", "key": kept(tmp_path)[0].key, "value": []}
    foreign = httpx.post(f"{server.address}/api/answer", json=body, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 422 and len(kept(tmp_path)) == 1
    assert not page.problems
    page.close()


def _clip(path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i, dtype=np.uint8), format="rgb24")
            made.mux(stream.encode(frame))
        made.mux(stream.encode())


@pytest.mark.step(8)
def test_amounts_are_typed(browser, serve, tmp_path):
    pl.DataFrame({"rooms": ["3", "4", "5"]}).write_csv(tmp_path / "flats.csv")
    (tmp_path / "flats.yaml").write_text("target: rent\ntask: regression\ncollect: flats.csv\n")
    server = serve("flats.yaml")
    page = opened(browser, server.address)
    page.fill("#amount", "many")
    page.press("#amount", "Enter")
    waits(page, "That is not a number.")
    page.fill("#amount", "750,5")
    page.press("#amount", "Enter")
    waits(page, "Kept: 750.5.")
    assert kept(tmp_path)[0].value == 750.5
    page.close()
