"""What a person types to look at runs: the list, one step whole, two runs side by side."""

import json
from pathlib import Path

import numpy as np
import pytest

from thirtyfold.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small runs of one name, in a home of their own."""
    folder = tmp_path_factory.mktemp("looking")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in x]
    (folder / "data.csv").write_text("\n".join(["a,b,answer", *lines]), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THIRTYFOLD_HOME", str(folder / "home"))
        for model in ("linear", "tree"):
            words = ["run", str(folder / "data.csv"), "--target", "answer", "--quiet", "--set", f"model={model}"]
            assert main(words) == 0
    return folder / "home"


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(home))


def test_the_list_marks_the_champion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["run", "status"]
    assert len([line for line in lines[1:-1] if line.startswith("*")]) == 1
    assert "champion" in lines[-1]


def test_one_step_whole(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["show", "21"]) == 0
    said = capsys.readouterr().out
    assert "21 validate" in said
    assert "balanced_accuracy" in said  # a wide table of one row is turned, so that no name is cut off
    run = min(p.name for p in (home / "runs").iterdir())
    assert main(["show", run, "10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [e["step"] for e in told] == [10]
    assert sum(told[0]["numbers"]["rows"].values()) == 300


def test_a_step_that_is_not(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    run = next(p.name for p in (home / "runs").iterdir())
    assert main(["show", run, "31"]) == 2
    assert "1 to 30" in capsys.readouterr().err


def test_side_by_side_stays_within_its_columns(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    a, b = sorted(p.name for p in (home / "runs").iterdir())
    assert main(["compare", a, b]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("spec model") for line in lines)
    assert max(map(len, lines)) <= 26 + 2 * max(len(a), len(b)) + 12
