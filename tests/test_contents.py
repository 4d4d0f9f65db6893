"""Pictures and sounds as columns: from a folder through all thirty steps to a server that takes the files."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
import yaml
from PIL import Image, ImageDraw

from thirtyfold.cli import main
from thirtyfold.core.content import reading
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.traffic import Traffic
from thirtyfold.learn.models.cnn import Cnn
from thirtyfold.pages.service import live_numbers
from thirtyfold.testing.models import easy_table

QUICK = "{cnn: {width: 8, embedding: 32, epochs: 12, batch: 32, dropout: 0.0}}"


def shape(round_: bool, rng: np.random.Generator) -> Image.Image:
    """A disc or a square, somewhere, of some size, on noise."""
    image = Image.fromarray(rng.integers(0, 60, (16, 16), dtype=np.uint8))
    side, x, y = int(rng.integers(7, 10)), *(int(v) for v in rng.integers(0, 6, 2))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if round_ else draw.rectangle)((x, y, x + side, y + side), fill=230)
    return image


def tone(high: bool, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    pitch = rng.uniform(1200, 1500) if high else rng.uniform(300, 500)
    return 0.4 * np.sin(2 * np.pi * pitch * np.arange(1600) / 8000) + 0.01 * rng.normal(size=1600)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 drawn pictures in a folder a class, and three files that are none."""
    root = tmp_path_factory.mktemp("kinds") / "pictures"
    rng = np.random.default_rng(0)
    for i in range(120):
        place = root / ("disc" if i % 2 else "square")
        place.mkdir(parents=True, exist_ok=True)
        shape(bool(i % 2), rng).save(place / f"{i:03d}.png")
    whole = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(whole, "PNG")
    (root / "disc" / "cut.png").write_bytes(whole.getvalue()[:3000])
    (root / "disc" / "text.png").write_text("no picture")
    (root / "square" / "empty.jpg").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def seen(pictures: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """One run over the pictures: its summary and its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THIRTYFOLD_HOME", str(pictures.parent / "home"))
        spec = pictures.parent / "shapes.yaml"
        spec.write_text(
            f"name: shapes\ntarget: label\ncollect: {{folder: {pictures}}}\nmetric: accuracy\nmodel: {QUICK}\n"
        )
        assert main(["run", str(spec)]) == 0
        folder = next((pictures.parent / "home" / "runs").glob("shapes-*"))
        yield json.loads((folder / "summary.json").read_text()), folder


@pytest.mark.step(*range(1, 31))
def test_a_folder_a_class_is_learned_and_every_step_tells(seen: tuple[dict[str, Any], Path]) -> None:
    summary, folder = seen
    assert [s["number"] for s in summary["steps"]] == list(range(1, 31))
    assert summary["score"]["test"] >= 0.8 > summary["score"]["baseline"]
    lost = pl.read_parquet(folder / "quarantine.parquet")
    assert sorted(lost["raw"].to_list()) == ["disc/cut.png", "disc/text.png", "square/empty.jpg"]
    assert all(len(r) > 10 for r in lost["reason"].to_list())
    report = (folder / "report.html").read_text()
    assert "what a network sees" in report and "from the header of the file in" in report
    assert len(report) < 2_000_000


@pytest.mark.step(29)
def test_the_package_knows_no_place_and_the_graph_takes_points(
    seen: tuple[dict[str, Any], Path], pictures: Path
) -> None:
    import onnxruntime

    package = Package.open(seen[1] / "package")
    inner = {n: d for n, d in package.files.items() if not n.startswith("card.md")}
    assert not any(str(pictures).encode() in data for data in inner.values())
    session = onnxruntime.InferenceSession(package.files["exports/model.onnx"])
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [("path", ["rows", 1, 16, 16], "tensor(float)")]
    image = shape(True, np.random.default_rng(9))
    points = np.asarray(image, dtype=np.float32)[None, None]
    held = io.BytesIO()
    image.save(held, "PNG")
    told = package.predict_rows([{"path": base64.b64encode(held.getvalue()).decode()}])[0]
    shares = session.run(["probabilities"], {"path": points})[0][0]
    assert [told["probability_disc"], told["probability_square"]] == pytest.approx(shares.tolist(), abs=1e-5)


@pytest.mark.step(29)
@pytest.mark.parametrize(
    "value",
    [
        "/etc/passwd",
        "../x.png",
        "file:///etc/passwd",
        "disc/001.png",
        "http://127.0.0.1/x.png",
        7,
        "data:image/png;base64,AAAA",
    ],
)
def test_no_name_in_a_request_is_ever_opened(seen: tuple[dict[str, Any], Path], pictures: Path, value: Any) -> None:
    from starlette.testclient import TestClient

    from thirtyfold.ship.server.app import create_app

    package = Package.open(seen[1] / "package")
    app = create_app(package, Traffic(pictures.parent / "traffic.sqlite").prepare())
    # Even while a run reads that very folder in the same process.
    with reading([pictures]), TestClient(app) as client:
        answer = client.post("/predict", json={"path": value})
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"][0]["loc"] == ["body", "path"]
        tensor = {"name": "path", "datatype": "BYTES", "shape": [1], "data": [value]}
        assert client.post(f"/v2/models/{package.name}/infer", json={"inputs": [tensor]}).status_code == 400


@pytest.mark.step(29, 30)
def test_a_file_is_answered_by_both_protocols_and_the_live_page_stays_short(
    seen: tuple[dict[str, Any], Path], pictures: Path, tmp_path: Path
) -> None:
    from starlette.testclient import TestClient

    from thirtyfold.ship.server.app import create_app

    package = Package.open(seen[1] / "package")
    held = io.BytesIO()
    shape(True, np.random.default_rng(5)).resize((300, 200)).save(held, "PNG")
    plain = base64.b64encode(held.getvalue()).decode()
    traffic = Traffic(tmp_path / "traffic.sqlite").prepare()
    with TestClient(create_app(package, traffic)) as client:
        one = client.post("/predict", json={"path": plain}).json()["predictions"][0]
        two = client.post("/predict", json={"path": f"data:image/png;base64,{plain}"}).json()["predictions"][0]
        tensor = {"name": "path", "datatype": "BYTES", "shape": [1], "data": [plain]}
        three = client.post(f"/v2/models/{package.name}/infer", json={"inputs": [tensor]}).json()["outputs"]
        fields = client.get("/model").json()["schema"]["row"]["properties"]["path"]
    assert one == two and three[0]["data"] == [one["prediction"]]
    assert fields["contentEncoding"] == "base64" and fields["contentMediaType"] == "image/*"
    import time

    last = live_numbers(traffic, time.time())["last"]
    assert len(last) == 3 and all(len(r["row"]) < 2100 for r in last)


@pytest.mark.step(29)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_person_gives_a_picture_to_the_playground(
    seen: tuple[dict[str, Any], Path], browser: Any, served: Callable[[Package], str], tmp_path: Path
) -> None:
    """A file is chosen, another is dropped; each is seen on the page and answered as what it is."""
    for name, round_ in (("round.png", True), ("edgy.png", False)):
        shape(round_, np.random.default_rng(11)).save(tmp_path / name)
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(served(Package.open(seen[1] / "package")))
    page.wait_for_selector("#fields .drop")
    page.set_input_files("#fields .drop input[type=file]", str(tmp_path / "round.png"))
    page.wait_for_function("document.querySelector('#fields .drop img')?.naturalWidth === 16")
    assert "round.png" in page.inner_text("#fields .drop span")
    page.click("form button:has-text('Predict')")
    page.wait_for_selector("#answer b")
    assert page.inner_text("#answer b") == "disc"
    data = base64.b64encode((tmp_path / "edgy.png").read_bytes()).decode()
    page.evaluate(
        """data => { const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
        const held = new DataTransfer(); held.items.add(new File([bytes], "edgy.png", {type: "image/png"}));
        document.querySelector("#fields .drop").dispatchEvent(new DragEvent("drop", {dataTransfer: held})) }""",
        data,
    )
    page.wait_for_function("document.querySelector('#fields .drop span').textContent.includes('edgy.png')")
    page.click("form button:has-text('Predict')")
    page.wait_for_function("document.querySelector('#answer b')?.textContent === 'square'")
    assert not problems
    page.close()


@pytest.mark.step(29)
def test_a_folder_can_be_answered_by_the_command(
    seen: tuple[dict[str, Any], Path], pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"
    assert main(["predict", str(seen[1] / "package"), str(pictures), "--out", str(out)]) in (0, 2)
    assert len(pl.read_csv(out)) == 120


@pytest.mark.step(4, 12, 14)
def test_sounds_with_parts_in_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(1)
    (tmp_path / "tones").mkdir()
    for i in range(120):
        soundfile.write(tmp_path / "tones" / f"{'high' if i % 2 else 'low'}_{i}.wav", tone(bool(i % 2), rng), 8000)
    spec = tmp_path / "tones.yaml"
    collect = f"{{folder: {{path: {tmp_path / 'tones'}, named: '{{pitch}}_{{take}}'}}}}"
    spec.write_text(
        f"name: tones\ntarget: pitch\ncollect: {collect}\nroles: {{ignore: [take]}}\nmetric: accuracy\nmodel: {QUICK}\n"
    )
    assert main(["run", str(spec), "--json", "--until", "test"]) == 0
    assert json.loads(capsys.readouterr().out)["score"]["test"] == 1.0


@pytest.mark.step(12, 14)
def test_a_picture_a_sound_and_a_number_meet_in_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the three tells the answer alone: it is how many of them say yes."""
    from thirtyfold.core.home import Home
    from thirtyfold.core.spec import Spec
    from thirtyfold.run import execute

    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path))
    rng = np.random.default_rng(2)
    said = rng.integers(0, 2, (240, 3))
    rows = []
    for disc, high, number in said.tolist():
        picture, sound = io.BytesIO(), io.BytesIO()
        shape(bool(disc), rng).save(picture, "PNG")
        soundfile.write(sound, tone(bool(high), rng), 8000, format="WAV")
        files = [base64.b64encode(f.getvalue()).decode() for f in (picture, sound)]
        answer = "many" if disc + high + number >= 2 else "few"
        rows.append({"photo": files[0], "voice": files[1], "amount": number * 4 + rng.normal(), "answer": answer})
    spec = Spec.of(yaml.safe_load(f"{{name: mixed, target: answer, collect: frame, metric: accuracy, model: {QUICK}}}"))
    outcome = execute(spec, Home(tmp_path), frame=pl.DataFrame(rows), until="tune")
    assert outcome.error is None
    told = json.loads((outcome.folder / "evidence.json").read_text())
    blocks = next(e for e in told["train"] if e["step"] == 14)["numbers"]["cnn"]["blocks"]
    assert [b[0] for b in blocks] == ["image", "frames", "vector"]
    assert next(e for e in told["tune"] if "value" in e["numbers"])["numbers"]["value"] > 0.8
    auto = Spec.of({"name": "mixed", "target": "answer", "collect": "frame", "metric": "accuracy"})
    chosen = execute(auto, Home(tmp_path), frame=pl.DataFrame(rows), until="select")
    found = json.loads((chosen.folder / "evidence.json").read_text())["select"][0]["numbers"]
    assert found["candidates"] == ["cnn", "svm", "boosting"]


@pytest.mark.step(11)
def test_a_network_for_pictures_goes_on_from_its_own_graph() -> None:
    rows = easy_table(2, "image")
    first, later = rows.take(np.arange(300)), rows.take(np.arange(300, 600))
    model = Cnn(width=4, embedding=16, epochs=3, batch=40)
    model.fit(first, None, Quiet(seed=1))
    again = Cnn.load(model.save())
    before = again.predict(later.matrix)
    again.more(later, None, Quiet(seed=1))
    moved = np.abs(again.predict(later.matrix) - before).mean()
    assert 0 < moved < 0.3
    with pytest.raises(SpecError):
        Cnn().more(later, None, Quiet(seed=1))


def test_base64_that_is_no_picture_is_not_taken_for_one() -> None:
    from thirtyfold.data.types.image import Image as ImageType

    with pytest.raises(ValueError, match="not a picture"):
        ImageType().read(base64.b64encode(bytes(100)).decode())
    with pytest.raises(DataError):
        package_error()


def package_error() -> None:
    from thirtyfold.core.transform import Pixels

    Pixels(height=2, width=2, color=False).apply(np.array(["nowhere.png"], dtype=object))
