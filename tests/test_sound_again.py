"""What a second look at the main job found: few groups, odd moments, huge numbers, contradictions."""

import json
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from thirtyfold.cli import main
from thirtyfold.core.door import Door, read_column
from thirtyfold.core.package import Package
from thirtyfold.core.table import Column
from thirtyfold.data.parts import deal
from thirtyfold.learn.graph import Graph, Session, Trees
from thirtyfold.ship.lighter import Forest

SHARES = (0.7, 0.15, 0.15)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.step(10)
@pytest.mark.parametrize(("many", "size"), [(3, 40), (7, 30), (10, 20), (13, 20), (14, 20), (12, 2)])
def test_few_large_groups_are_shared_out_too(many: int, size: int) -> None:
    rng = np.random.default_rng(many)
    groups = np.repeat(np.arange(many), size)
    parts = deal(groups, np.zeros(len(groups), dtype=np.int64), SHARES, rng.random(many)[groups])
    found = np.bincount(parts, minlength=3)
    assert found[1] >= size and found[2] >= size and found[0] >= found[1:].max()
    assert all(len(set(parts[groups == one])) == 1 for one in range(many))


@pytest.mark.step(10)
def test_one_group_that_is_nearly_everything_is_learned_from() -> None:
    groups = np.concatenate([np.zeros(800, dtype=np.int64), np.arange(1, 141)])
    parts = deal(groups, np.zeros(940, dtype=np.int64), SHARES, np.random.default_rng(0).random(141)[groups])
    assert (parts[:800] == 0).all() and (np.bincount(parts, minlength=3)[1:] > 20).all()


@pytest.mark.step(7)
@pytest.mark.parametrize("odd", ["2020-01-05T00:00:60", "0000-01-01T00:00:00", "0000-01-01"])
def test_a_moment_is_read_in_a_column_as_it_is_at_the_door(odd: str) -> None:
    column = Column("when", "moment")
    read, wrong = read_column(column, pl.Series("when", ["2020-01-04T00:00:59", odd]))
    assert read.to_list()[1] is None and [w.at for w in wrong] == [1]
    with pytest.raises(Exception, match="is not a date or time"):
        Door((column,)).rows([{"when": odd}])


@pytest.mark.step(28)
def test_a_small_tree_that_was_rounded_has_numbers_that_the_runtime_takes() -> None:
    """Seven nodes become three: two questions ask for what both answers share."""
    trees, graph = Trees(1), Graph()
    trees.next()
    trees.split(0, 0, 0.0, 1, 4, missing=True)
    trees.split(1, 0, -1.0, 2, 3, missing=True)
    trees.leaf(2, [(0, 0.1)])
    trees.leaf(3, [(0, 0.1)])
    trees.split(4, 0, 1.0, 5, 6, missing=True)
    trees.leaf(5, [(0, 0.9)])
    trees.leaf(6, [(0, 0.9)])
    trees.add_to(graph, "raw")
    forest = Forest.read(graph.bytes(1, 1))
    assert forest is not None
    forest.round(8)
    assert len(forest.id) == 3 and forest.id.tolist() == [0, 1, 2]
    x = np.array([[-2.0], [-0.5], [0.5], [2.0]], dtype=np.float32)
    assert Session(forest.write())(x)[:, 0] == pytest.approx([0.1, 0.1, 0.9, 0.9], abs=0.9 / 255)


@pytest.mark.step(29)
def test_huge_whole_numbers_are_refused_by_name(folder: Path, served) -> None:
    days = [f"2026-{1 + n % 12:02}-{1 + n % 27:02}" for n in range(120)]
    lines = [f"{n % 12},{day},{'yes' if n % 12 > 5 else 'no'}" for n, day in enumerate(days)]
    (folder / "t.csv").write_text("\n".join(["a,since,y", *lines]))
    assert main(["run", "t.csv", "--target", "y", "--quiet", "--set", "model=linear"]) == 0
    address = served(Package.open(next((folder / "home").glob("runs/*/package"))))
    body = b'{"a": 1, "since": ' + b"9" * 400 + b"}"
    reply = httpx.post(f"{address}/predict", content=body)
    assert reply.status_code == 422 and reply.json()["detail"][0]["loc"] == ["body", "since"]
    longer = httpx.post(f"{address}/predict", content=b'{"a": ' + b"9" * 5000 + b"}")
    assert longer.status_code == 422 and "4,300 digits" in longer.text
    told = httpx.get(f"{address}/openapi.json").json()["paths"]["/feedback"]["post"]["responses"]
    assert "201" in told and "200" not in told


@pytest.mark.step(26)
def test_the_model_that_is_named_beside_finetune_is_said_to_be_a_comparison(folder: Path) -> None:
    rows = [f"{x:.3f},{'yes' if x > 0 else 'no'}" for x in np.random.default_rng(1).normal(size=120)]
    (folder / "t.csv").write_text("\n".join(["x,y", *rows]))
    assert main(["run", "t.csv", "--target", "y", "--quiet", "--set", "model=boosting", "--set", "name=base"]) == 0
    (folder / "more.yaml").write_text("target: y\ncollect: t.csv\nmodel: linear\nfinetune: {package: base@champion}\n")
    assert main(["run", "more.yaml", "--quiet"]) == 0
    summary = json.loads(next((folder / "home").glob("runs/more-*/summary.json")).read_text())
    told = next(s["why"] for s in summary["steps"] if s["number"] == 26)
    assert told.startswith("boosting of the previous Package") and "linear, trained anew on the same rows" in told


def test_a_champion_is_one_of_its_own_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three runs of one table give one Package; the second of a name is no other champion, a rival's is."""
    rows = [f"{x:.3f},{'yes' if x > 0 else 'no'}" for x in np.random.default_rng(1).normal(size=120)]
    (folder / "t.csv").write_text("\n".join(["x,y", *rows]))
    (folder / "u.csv").write_text("\n".join(["x,y", *rows[:100]]))
    for name, data in (("one", "t.csv"), ("two", "u.csv"), ("two", "t.csv")):
        words = ["run", data, "--target", "y", "--quiet", "--set", "model=linear", "--set", f"name={name}"]
        assert main(words) == 0
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    newest = json.loads(capsys.readouterr().out)[0]
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines[1:4]] == [" ", "*", "*"], newest
    assert main(["check", "t.csv/x.yaml"]) == 2
    assert "there is no such file" in capsys.readouterr().err
