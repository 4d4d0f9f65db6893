"""The curves of a network as TensorBoard itself reads them."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from thirtyfold.cli import main
from thirtyfold.core.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("events")
    load_iris(as_frame=True).frame.to_csv(folder / "iris.csv", index=False)
    (folder / "iris.yaml").write_text(
        "name: iris\ntarget: target\ncollect: iris.csv\nmodel: {mlp: {epochs: 4}}\ntask: classification\n"
    )
    return folder


@pytest.mark.step(20)
def test_tensorboard_reads_every_epoch(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    assert main(["run", "iris.yaml", "--until", "train", "--quiet"]) == 0
    assert main(["show", "--tensorboard", "board"]) == 0
    folder = Path(capsys.readouterr().out.splitlines()[0])
    read = EventAccumulator(str(folder)).Reload()
    told = json.loads((Home.beside().run(None) / "evidence.json").read_text())["train"]
    curves = next(e["numbers"]["mlp"] for e in told if e["step"] == 20 and "mlp" in e["numbers"])
    for key, tag in (("train", "loss/train"), ("validation", "loss/validation"), ("rate", "learning rate")):
        events = read.Scalars(tag)
        assert [e.step for e in events] == [1, 2, 3, 4]
        assert [e.value for e in events] == pytest.approx(curves[key], rel=1e-6)


def test_a_run_without_networks_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    assert main(["run", "iris.yaml", "--set", "model=tree", "--until", "train", "--quiet"]) == 0
    assert main(["show", "--tensorboard", "board"]) == 2
    assert "trained no network" in capsys.readouterr().err
