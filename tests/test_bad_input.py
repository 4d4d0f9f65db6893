"""A mistake of the user's ends with one clear message, status 2, and nothing lost; never with a traceback."""

import gzip
import sys
from pathlib import Path

import pytest

from thirtyfold.cli import main

GOOD = "age,city,size,income\n" + "\n".join(
    f"{20 + i % 50},{'Oslo' if i % 3 else 'Rome'},{i * 7 % 90},{'high' if (i * 7 % 90) > 45 else 'low'}"
    for i in range(120)
)
LINES = GOOD.splitlines()


def write(tmp_path: Path, data: str | bytes, name: str = "data.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    status = main([str(w) for w in words])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return status, captured.err


BAD = {
    "empty": ("", "empty"),
    "binary": (bytes(range(256)) * 40, "data.csv"),
    "only a header": (LINES[0] + "\n", "row"),
    "one row": ("\n".join(LINES[:2]), "row"),
    "one column": ("income\n" + "\n".join("high" if i % 2 else "low" for i in range(100)), "column"),
    "all missing": (LINES[0] + "\n" + "\n".join(",,," for _ in range(100)), "income"),
    "target always the same": (GOOD.replace("high", "low"), "low"),
    "two columns of one name": (GOOD.replace("age,city", "city,city", 1), "city"),
    "a class of one row": (GOOD.replace("high", "low").replace(",low", ",rare", 1), "rare"),
    "target of numbers that are all different classes": (
        "x,income\n" + "\n".join(f"{i % 7},name-{i}-{i * i}" for i in range(200)),
        "income",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.step(3)
def test_data_that_cannot_be_learned_from(case, tmp_path, capsys):
    data, said = BAD[case]
    path = write(tmp_path, data)
    status, err = told(capsys, "run", path, "--target", "income", "--quiet")
    assert status == 2
    assert said in err


def test_a_file_that_is_not_there_names_the_nearest(tmp_path, capsys):
    write(tmp_path, GOOD, "people.csv")
    status, err = told(capsys, "run", tmp_path / "poeple.csv", "--target", "income")
    assert status == 2 and "poeple.csv" in err


def test_a_misspelt_target_names_the_nearest(tmp_path, capsys):
    path = write(tmp_path, GOOD)
    status, err = told(capsys, "run", path, "--target", "incone")
    assert status == 2 and "Did you mean 'income'?" in err


def test_no_target_at_all(tmp_path, capsys):
    status, err = told(capsys, "run", write(tmp_path, GOOD))
    assert status == 2 and "--target" in err


def test_a_truncated_gzip_and_a_truncated_parquet(tmp_path, capsys):
    packed = gzip.compress(GOOD.encode())
    for name, data in (("data.csv.gz", packed[: len(packed) // 2]), ("data.parquet", b"PAR1" + b"\0" * 60)):
        status, err = told(capsys, "run", write(tmp_path, data, name), "--target", "income")
        assert status == 2 and name in err


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ("target: income\ncollect: data.csv\nmodle: tree", ["modle", "Did you mean 'model'?"]),
        ("target: income\ncollect: data.csv\nmodel: tre", ["there is no 'tre' in models", "Did you mean 'tree'?"]),
        ("target: income\ncollect: data.csv\nmodel: {tree: {dept: 3}}", ["model.tree.dept", "no such option"]),
        ("target: income\ncollect: data.csv\nmodel: {tree: {depth: deep}}", ["model.tree.depth", "'deep'"]),
        ("target: income\ncollect: data.csv\nmodel: {tree: {depth: -1}}", ["model.tree.depth", "-1"]),
        ("target: income\ncollect: data.csv\nroles: {id: [income]}", ["roles.id", "is the target"]),
        ("target: income\ncollect: data.csv\nsplit: {how: grouped}", ["split.how", "needs a column"]),
        (
            "target: income\ncollect: data.csv\nfeatures: {twice: income * 2}",
            ["features.twice", "not known at serving"],
        ),
        ("target: income\ncollect: data.csv\nfeatures: {odd: age +}", ["features.odd", "not a formula"]),
        ("target: income\ncollect: data.csv\nfeatures: {odd: sizze * 2}", ["features.odd", "Did you mean 'size'?"]),
        ("target: income\ncollect: data.csv\nsuccess: {rmse: 1}", ["success.rmse", "cannot judge"]),
        ("target: income\ncollect: data.csv\nmetric: acuracy", ["metric", "Did you mean 'accuracy'?"]),
        ("target: income\ncollect: data.csv\nfields: {agee: number}", ["fields.agee", "Did you mean 'age'?"]),
        ("target: income\ncollect: data.csv\nsafety: [fairnes]", ["safety.0", "Did you mean 'fairness'?"]),
    ],
)
def test_a_spec_that_cannot_be(spec, where, tmp_path, capsys):
    write(tmp_path, GOOD)
    path = write(tmp_path, spec, "spec.yaml")
    status, err = told(capsys, "run", path, "--quiet")
    assert status == 2
    for words in where:
        assert words in err


def test_check_finds_every_fault_at_once(tmp_path, capsys):
    write(tmp_path, GOOD)
    path = write(
        tmp_path, "target: incom\ncollect: data.csv\nmodel: tre\nroles: {time: when}\nfields: {age: nummer}", "s.yaml"
    )
    status, err = told(capsys, "check", path)
    assert status == 2
    assert err.startswith("thirtyfold: 4 faults:")
    for words in ("incom", "'tre'", "roles.time", "'nummer'"):
        assert words in err


def test_check_says_when_there_is_none(tmp_path, capsys):
    write(tmp_path, GOOD)
    path = write(tmp_path, "target: income\ncollect: data.csv", "s.yaml")
    assert main(["check", str(path)]) == 0
    assert "no fault found" in capsys.readouterr().out


@pytest.mark.step(5)
def test_rows_that_cannot_be_read_are_in_quarantine_and_the_rest_goes_on(tmp_path, capsys):
    import polars as pl

    lines = LINES.copy()
    lines[40] = "1,2,3,4,5,6,7"
    path = write(tmp_path, "\n".join(lines))
    spec = write(tmp_path, f"target: income\ncollect: {path}\nmodel: tree\nsafety: []\ncompress: null", "s.yaml")
    status = main(["run", str(spec), "--until", "split", "--json"])
    out = capsys.readouterr().out
    assert status == 0 and '"run"' in out
    import json

    folder = Path(json.loads(out)["report"]).parent
    bad = pl.read_parquet(folder / "quarantine.parquet")
    assert len(bad) == 1 and "1,2,3,4,5,6,7" in bad["raw"][0] and bad["reason"][0]
    assert len(pl.read_parquet(folder / "splits.parquet")) == 119


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings_are_read(encoding, tmp_path, capsys):
    path = write(tmp_path, GOOD.replace("Oslo", "Tromsø").encode(encoding))
    assert main(["run", str(path), "--target", "income", "--until", "split", "--quiet"]) == 0


def test_nan_infinity_and_a_cell_of_ten_megabytes(tmp_path, capsys):
    lines = LINES.copy()
    lines[3] = "NaN,Oslo,inf,high"
    lines[4] = f"30,{'x' * 10_000_000},-inf,low"
    path = write(tmp_path, "\n".join(lines))
    assert main(["run", str(path), "--target", "income", "--until", "featurize", "--quiet"]) == 0


def test_unknown_stage_and_broken_set(tmp_path, capsys):
    path = write(tmp_path, GOOD)
    status, err = told(capsys, "run", path, "--target", "income", "--until", "tran")
    assert status == 2 and "Did you mean 'train'?" in err
    status, err = told(capsys, "run", path, "--target", "income", "--set", "modeltree")
    assert status == 2 and "section.option=value" in err


def test_a_fault_of_ours_is_status_1_with_a_file_that_says_what_happened(tmp_path, capsys, monkeypatch):
    import thirtyfold.cli.looking as looking

    def broken(_: object) -> int:
        raise RuntimeError("a wire came loose")

    monkeypatch.setattr(looking, "steps", broken)
    monkeypatch.delenv("THIRTYFOLD_DEBUG", raising=False)
    status, err = told(capsys, "steps")
    assert status == 1 and "a fault of ours" in err and "a wire came loose" in err
    file = Path(err.split("What happened is in ")[1].strip().rstrip("."))
    assert "RuntimeError" in file.read_text()


def test_show_without_a_run_says_how_to_start_one(capsys):
    status, err = told(capsys, "show")
    assert status == 2 and "thirtyfold run SPEC" in err


@pytest.mark.skipif(sys.platform == "win32", reason="paths of another kind")
def test_a_package_that_is_not_one(tmp_path, capsys):
    status, err = told(capsys, "predict", tmp_path, write(tmp_path, GOOD))
    assert status == 2 and "manifest.json" in err


def test_faults_of_form_and_of_words_are_told_together(tmp_path, capsys):
    write(tmp_path, GOOD)
    text = "target: incone\ncollect: data.csv\nseed: many\nmodel: bosting\nsafety: [privcy]\nsuccess: {roc_auc: 80}"
    status, err = told(capsys, "check", write(tmp_path, text, "s.yaml"))
    assert status == 2
    for words in ("'many'", "'boosting'", "'privacy'", "'income'", "can never be reached"):
        assert words in err


def test_limits_are_more_than_nothing(tmp_path, capsys):
    write(tmp_path, GOOD)
    path = write(tmp_path, "target: income\ncollect: data.csv\nlimits: {latency_ms: -5}", "s.yaml")
    status, err = told(capsys, "check", path)
    assert status == 2 and "limits.latency_ms" in err


def test_a_port_that_is_taken(tmp_path, capsys, monkeypatch):
    import socket

    from thirtyfold.core.store import write_folder
    from thirtyfold.testing.audits import example_case

    write_folder(tmp_path / "package", example_case().package.save())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, err = told(capsys, "serve", tmp_path / "package", "--port", taken.getsockname()[1])
    assert status == 2 and "cannot be used" in err and "--port" in err


def test_what_was_refused_is_not_promoted_by_accident(tmp_path, capsys):
    path = write(tmp_path, GOOD)
    text = f"name: gated\ntarget: income\ncollect: {path}\nmodel: tree\nsuccess: {{log_loss: 0.0000001}}\n"
    spec = write(tmp_path, text + "safety: []\ncompress: null\n", "s.yaml")
    assert main(["run", str(spec), "--json"]) == 3
    import json

    run = json.loads(capsys.readouterr().out)["run"]
    status, err = told(capsys, "promote", run)
    assert status == 2 and "--force" in err
    assert main(["promote", run, "--force"]) == 0


def test_a_model_that_is_not_there_is_named_with_the_nearest(capsys):
    status, err = told(capsys, "rollback", "chrun")
    assert status == 2 and "there is no model 'chrun'" in err
