"""What a person types to look at runs: the list, one step whole, two runs side by side."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from thirtyfold.cli import main
from thirtyfold.cli.looking import _grid


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


def test_a_number_that_is_no_step_is_not_taken_for_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "31"]) == 2
    assert "steps are 1 to 30" in capsys.readouterr().err


def _drawn(view: dict[str, Any], width: int) -> str:
    console = Console(width=width, file=StringIO(), highlight=False)
    console.print(_grid(view, width))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_wide_table_of_few_rows_is_turned_and_no_number_is_cut() -> None:
    names = [f"a_rather_long_name_{i}" for i in range(12)]
    said = _drawn({"title": "Scores", "columns": names, "rows": [[0.123456 + i for i in range(12)]]}, 80)
    assert max(map(len, said.splitlines())) <= 80
    assert all(n in said for n in names)
    assert "0.1235" in said and "11.12" in said and "…" not in said


def test_texts_give_way_to_numbers_within_the_width() -> None:
    columns = ["gate", "passed", "value", "limit", "why"]
    why = "the same answers as in Python by training, and by everything else that was asked"
    rows = [
        [f"safety.personal_dat{r}", "no limit set", 9.54e-08, 1e-05, f"{why} https://example.org/{'x' * 60}"]
        for r in range(6)
    ]
    said = _drawn({"title": "Gates", "columns": columns, "rows": rows}, 80)
    assert {len(line) for line in said.splitlines()[1:]} == {80}
    assert all(line[-1] in "┓┃┩│┘" for line in said.splitlines()[1:])
    assert said.count("9.54e-08") == 6 and "more column" not in said


def test_a_wide_table_of_many_rows_loses_its_last_columns_and_says_so() -> None:
    columns = ["what", *(f"score{i}" for i in range(12))]
    rows = [[f"[row] {r} of them", *(0.7654321 + i for i in range(12))] for r in range(30)]
    said = _drawn({"title": "Scores", "columns": columns, "rows": rows}, 80)
    assert max(map(len, said.splitlines())) <= 80
    assert "0.7654" in said and "…" not in said and "[row] 3 of" in said
    shown = sum(f"score{i} " in said for i in range(12))
    assert f"({12 - shown} more columns, 5 more rows: --json has them)" in said


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "thirtyfold [-h]" in capsys.readouterr().out


def test_a_phase_is_no_stage_but_its_stages_are_named(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    data = str(home.parent / "data.csv")
    assert main(["run", data, "--target", "answer", "--quiet", "--until", "learn"]) == 2
    said = capsys.readouterr().err
    assert "'learn' is a phase, of the stages select, build, train, tune, regularize, finetune" in said


def test_a_command_that_is_not_there_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek", "data.csv"]) == 2
    said = capsys.readouterr().err
    assert "there is no 'chek'" in said and "Did you mean 'check'?" in said and "rollback" in said


def test_a_run_that_failed_blames_one_step_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(home.parent / "data.csv"), "--target", "answer", "--quiet", "--set", "positive=maybe"]) == 2
    capsys.readouterr()
    assert main(["show"]) == 0
    lines = capsys.readouterr().out.splitlines()[:30]
    assert [line[:4] for line in lines if line.startswith("✗")] == ["✗  8"]
    assert lines[8].startswith("·  9") and lines[8].endswith("not reached") and "[failed]" not in lines[8]
