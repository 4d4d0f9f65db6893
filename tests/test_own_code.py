"""A user's own files in a Spec: a metric, a task and an optimizer do their work; a Package can bring no code along."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_iris

from thirtyfold.cli import main
from thirtyfold.core.home import Home
from thirtyfold.core.package import Package
from thirtyfold.core.store import write_folder

METRIC = '''
"""Twice."""
from thirtyfold.aim.metrics.accuracy import Accuracy as _Accuracy

__all__ = ["TwiceAsStrict"]


class TwiceAsStrict(_Accuracy):
    """The share of right answers less the share of wrong ones."""

    bounds = (-1.0, 1.0)

    def score(self, truth, raw, decided, weight=None):
        return 2 * super().score(truth, raw, decided, weight) - 1
'''
TASK = '''
"""Kinds."""
from thirtyfold.aim.tasks.classification import Classification as _Classification

__all__ = ["Kinds"]


class Kinds(_Classification):
    """Which kind?"""
{like}
'''
OPTIMIZER = '''
"""Steps."""
__all__ = ["Steps"]


class Steps:
    """Plain steps."""

    def __init__(self, rate: float = 0.1):
        self.rate = rate

    def over(self, parameters):
        from torch.optim import SGD

        return SGD(parameters, lr=self.rate)
'''
MODEL = '''
"""A tree that leaves a trace when it is loaded."""
from pathlib import Path

from thirtyfold.learn.models.tree import Tree

Path(__file__).with_name("ran").touch()
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    load_iris(as_frame=True).frame.to_csv(tmp_path / "iris.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _spec(folder: Path, **more: str) -> str:
    lines = {"name": "own", "target": "target", "collect": "iris.csv", "model": "tree", "task": "classification"} | more
    text = "\n".join(f"{k}: {v}" for k, v in {**lines, "safety": "[]", "compress": "null", "monitor": "[]"}.items())
    (folder / "own.yaml").write_text(text)
    return str(folder / "own.yaml")


def _summary() -> dict:
    return json.loads((Home.beside().run(None) / "summary.json").read_text())


def test_a_metric_of_ones_own_judges_and_is_a_gate(folder: Path) -> None:
    (folder / "mine.py").write_text(METRIC)
    spec = _spec(folder, metric="mine.py:TwiceAsStrict", success='{"mine.py:TwiceAsStrict": 0.5}')
    assert main(["run", spec, "--quiet"]) == 0
    score = _summary()["score"]
    assert score["metric"] == "mine.py:TwiceAsStrict"
    assert score["test"] == pytest.approx(2 * score["all"]["accuracy"] - 1)


def test_a_task_of_ones_own_says_what_it_is_like(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "kinds.py").write_text(TASK.format(like=""))
    spec = _spec(folder, task="kinds.py:Kinds")
    assert main(["check", spec]) == 2
    assert "'roc_auc' is for classification" in capsys.readouterr().err
    (folder / "kinds.py").write_text(TASK.format(like='\n    like = "classification"'))
    done = subprocess.run(
        [sys.executable, "-m", "thirtyfold", "run", spec, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task"] == "kinds.py:Kinds"


def test_an_optimizer_of_ones_own_is_tuned_under_its_own_name(folder: Path) -> None:
    (folder / "steps.py").write_text(OPTIMIZER)
    spec = _spec(folder, model="{mlp: {epochs: 2, optimizer: 'steps.py:Steps'}}", tune="{search: random, trials: 2}")
    assert main(["run", spec, "--quiet", "--until", "tune"]) == 0


def test_a_package_brings_no_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", _spec(folder), "--quiet"]) == 0
    made = Package.open(_summary()["package"])
    files = {**made.files, "evil.py": MODEL.encode()}
    evil = dataclasses.replace(made, files=files, manifest={**made.manifest, "model": "q/evil.py:Tree"})
    write_folder(folder / "q", evil.save())
    assert main(["predict", "q", "iris.csv"]) == 2
    assert "nobody here asked for it" in capsys.readouterr().err
    assert not (folder / "q" / "ran").exists()


def test_code_that_is_given_by_hand_is_used(folder: Path) -> None:
    (folder / "mine.py").write_text(MODEL)
    assert main(["run", _spec(folder, model="'mine.py:Tree'"), "--quiet"]) == 0
    package = _summary()["package"]
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    words = [sys.executable, "-m", "thirtyfold", "predict", package, str(folder / "iris.csv")]
    env = {**os.environ, "THIRTYFOLD_HOME": str(elsewhere / "home")}
    for more, status in (([], 2), (["--code", str(folder / "mine.py")], 0)):
        done = subprocess.run([*words, *more], cwd=elsewhere, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr


def test_the_key_is_that_of_the_model_that_is_served(folder: Path) -> None:
    from thirtyfold.cli.serving import _spec_of
    from thirtyfold.core.spec import Spec

    spec = _spec(folder)
    assert main(["run", spec, "--quiet", "--set", "serve.api_key=KEY"]) == 0
    first = Package.open(_summary()["package"])
    assert main(["run", spec, "--quiet", "--set", "name=own-more", "--set", "model=linear"]) == 0
    assert main(["run", spec, "--quiet", "--set", "model=linear"]) == 0
    found = _spec_of(Home.beside(), first)
    assert found is not None
    assert Spec.read(found).serve.api_key == "KEY"


@pytest.mark.parametrize(("values", "said"), [((1, -1), "75 below 0"), ((0, 0), "all 0"), ((1, ""), "75 missing")])
def test_weights_that_are_none(folder: Path, capsys: pytest.CaptureFixture[str], values: tuple, said: str) -> None:
    frame = load_iris(as_frame=True).frame
    frame.assign(w=[values[i % 2] for i in range(len(frame))]).to_csv("iris.csv", index=False)
    assert main(["run", _spec(folder, roles="{weight: w}"), "--quiet"]) == 2
    assert "roles.weight" in (told := capsys.readouterr().err)
    assert said in told


def test_suspect_labels_weigh_less_without_a_column_of_weights(folder: Path) -> None:
    frame = load_iris(as_frame=True).frame
    frame.loc[::9, "target"] = (frame.loc[::9, "target"] + 1) % 3
    frame.to_csv("iris.csv", index=False)
    assert main(["run", _spec(folder, label="{given: {weigh: 0.5}}"), "--quiet", "--until", "train"]) == 0
