"""What new users tripped over, so that nobody does again."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import thirtyfold
from thirtyfold.aim.tasks.classification import Classification
from thirtyfold.cli import main
from thirtyfold.core.errors import DataError


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(0)
    x, b = rng.normal(size=300), rng.integers(0, 4, 300)
    frame = pl.DataFrame({"x": x, "b": b, "y": np.where(x + b + rng.normal(size=300) > 1.5, "yes", "no")})
    frame.write_csv(tmp_path / "t.csv")
    return tmp_path / "t.csv"


def test_a_column_may_change_its_type_after_a_first_champion(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", str(table), "--target", "y", "--quiet", "--set", "model=linear"]
    assert main(words) == 0
    assert main([*words, "--set", "fields.b=category"]) == 0
    capsys.readouterr()
    assert main(["show", "25", "--json"]) == 0
    assert "'b' was read as number then" in capsys.readouterr().out


def test_predict_says_which_line_has_no_answer(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(table), "--target", "y", "--quiet", "--set", "model=linear"]) == 0
    lines = table.read_text("utf-8").splitlines()[:6]
    (tmp_path / "new.csv").write_text("\n".join([*lines[:3], "1,2,3,4,5,6", *lines[3:]]), "utf-8")
    assert main(["predict", "t@champion", str(tmp_path / "new.csv")]) == 2
    said = capsys.readouterr()
    assert "line 4" in said.err and "no answer" in said.err and len(said.out.splitlines()) == 6
    assert main(["predict", "t@champion", str(table), "--out", str(tmp_path / "none" / "o.csv")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_predict_for_what_a_spec_collects(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(table), "--target", "y", "--quiet", "--set", "model=linear"]) == 0
    (tmp_path / "s.yaml").write_text("target: y\ncollect: {stack: {sources: [t.csv, t.csv]}}\n", "utf-8")
    capsys.readouterr()
    assert main(["predict", "t@champion", str(tmp_path / "s.yaml")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 601


@pytest.mark.parametrize("labels", [("YES", "no"), ("Yes", "No"), ("yes", "NO"), ("TRUE", "false")])
def test_yes_is_the_positive_class_however_it_is_written(labels: tuple[str, str]) -> None:
    task = Classification().fit(pl.Series("y", [labels[0]] * 30 + [labels[1]] * 10))
    assert task.labels[1] == labels[0]


def test_a_model_from_python_is_named_after_its_target(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=200), "Has left?": rng.choice(["y", "n"], 200)})
    outcome = thirtyfold.run({"target": "Has left?", "model": "tree"}, frame, home=tmp_path, until="test")
    assert outcome.summary["name"] == "Has-left"


def test_a_fault_of_ours_leaves_a_run_that_can_be_looked_at(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(
        "class Broken:\n    suffixes = ()\n    def __init__(self, path: str) -> None:\n        self.path = path\n"
        "    def peek(self, rows):\n        import polars as pl\n        return pl.read_csv(self.path).head(rows)\n"
        "    def read(self, context):\n        raise TypeError('an accident')\n",
        "utf-8",
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(f"target: y\ncollect: {{'own.py:Broken': {{path: {table}}}}}\n", "utf-8")
    assert main(["run", "s.yaml", "--quiet"]) == 1
    capsys.readouterr()
    assert main(["show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "failed" and "an accident" in told["error"]


@pytest.mark.parametrize("path", ["collect.table", "collect.sqlite.table"])
def test_an_option_of_the_source_can_be_set_from_the_command_line(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("CREATE TABLE a (x REAL, y TEXT)")
        db.execute("CREATE TABLE b (x REAL, y TEXT)")
        db.executemany("INSERT INTO b VALUES (?, ?)", [(i / 7, "n" if i % 3 else "m") for i in range(90)])
    words = ["run", str(tmp_path / "shop.db"), "--target", "y", "--quiet", "--until", "split"]
    assert main(words) == 2
    assert main([*words, "--set", f"{path}=b"]) == 0


def test_all_contradictions_about_the_task_at_once(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"target: y\ncollect: {table}\ntask: regression\npositive: 'yes'\nsuccess: {{roc_auc: 0.9}}\nmetric: rmse\n"
    (tmp_path / "s.yaml").write_text(spec, "utf-8")
    for verb in ("check", "run"):
        assert main([verb, str(tmp_path / "s.yaml")]) == 2
        said = capsys.readouterr().err
        assert "success.roc_auc" in said and "positive" in said and "for regression" in said


def test_run_tells_faults_of_form_and_of_words_together(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"target: y\ncollect: {table}\nmodel: foo\nclean: {{nonsense: 1}}\nfields: {{x: blah}}\n"
    (tmp_path / "s.yaml").write_text(text, "utf-8")
    assert main(["run", str(tmp_path / "s.yaml")]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("nonsense", "'foo'", "'blah'"))


def test_off_is_a_word_and_yes_must_be_in_quotes(tmp_path: Path) -> None:
    from thirtyfold.core.errors import SpecError
    from thirtyfold.core.spec import Spec

    (tmp_path / "s.yaml").write_text(
        "target: y\ncollect: x.csv\nclean: {spelling: off, units: off}\npositive: 1\n", "utf-8"
    )
    spec = Spec.read(tmp_path / "s.yaml")
    assert (spec.clean.spelling, spec.clean.units, spec.positive) == ("off", "off", "1")
    (tmp_path / "s.yaml").write_text("target: y\ncollect: x.csv\npositive: yes\n", "utf-8")
    with pytest.raises(SpecError, match="put it in quotes"):
        Spec.read(tmp_path / "s.yaml")


def test_a_gate_does_not_train_again(table: Path, tmp_path: Path) -> None:
    words = ["run", str(table), "--target", "y", "--quiet", "--set", "model=linear"]
    assert main(words) == 0
    assert main([*words, "--set", "success.roc_auc=0.6"]) == 0
    last = max((tmp_path / "home" / "runs").glob("*/record.jsonl"), key=lambda p: p.stat().st_mtime)
    events = [json.loads(line) for line in last.read_text("utf-8").splitlines()]
    again = [e["stage"] for e in events if e["event"] == "stage_done" and not e["reused"]]
    assert not {"split", "label", "train", "tune", "featurize"} & set(again), again


def test_a_port_that_is_none(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(table), "--target", "y", "--quiet", "--set", "model=linear"]) == 0
    assert main(["serve", "t@champion", "--port", "99999"]) == 2
    assert main(["run", str(table), "--target", "y", "--folds", "3", "--until", "split"]) == 2
    assert "0 to 65535" in capsys.readouterr().err


def test_a_whole_row_of_the_table_may_be_sent_and_a_strange_field_not(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pl.read_csv(table).with_columns(
        pl.int_range(pl.len()).map_elements(lambda i: f"C{i:04d}", return_dtype=pl.String).alias("customer")
    )
    frame.write_csv(table)
    assert main(["run", str(table), "--target", "y", "--quiet", "--set", "model=linear"]) == 0
    package = thirtyfold.load("t@champion")
    row = frame.row(0, named=True)
    needed = {n: row[n] for n in ("x", "b")}
    assert set(row) > set(needed) and package.predict_rows([row]) == package.predict_rows([needed])
    with pytest.raises(DataError, match="there is no such field"):
        package.predict_rows([{**row, "weather": 1}])


def test_what_is_not_there_or_not_one_choice_is_said_in_the_users_words(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.yaml").write_text("target: y\ncollect: t.csv\nmodel: [boosting, mlp]\n", "utf-8")
    assert main(["check", str(tmp_path / "s.yaml")]) == 2
    said = capsys.readouterr().err
    assert "model: takes one choice" in said and "ensemble: [...]" in said and "dict[" not in said
    assert main(["predict", "nosuch", str(table)]) == 2
    assert "nosuch: is no folder, no run and no name@champion" in capsys.readouterr().err


def test_the_last_page_names_a_column_that_gave_the_answer_away(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.read_csv(table).with_columns(outcome=pl.col("y").replace({"yes": "paid", "no": "open"})).write_csv(table)
    assert main(["run", str(table), "--target", "y", "--set", "model=linear"]) == 0
    said = capsys.readouterr().out
    assert "outcome gives the answer away and takes no part" in said
    assert main(["runs", "t", "--last", "1"]) == 0 and "roc_auc" in capsys.readouterr().out
    assert main(["runs", "other"]) == 0 and "No run of 'other'" in capsys.readouterr().out
