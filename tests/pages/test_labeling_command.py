"""The command around the page: labels in and out, suspects of a run reviewed, and labels that a run learns from."""

import json

import numpy as np
import polars as pl
import pytest

from thirtyfold.cli import main
from thirtyfold.core.annotations import Annotations
from thirtyfold.core.errors import DataError
from thirtyfold.core.home import Home
from thirtyfold.core.table import Table
from thirtyfold.pages.labeling import Asked, Work


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(300) < 0.5, "rose", "tulip")
    x = np.where(truth == "rose", 1.0, 0.0)
    pl.DataFrame({"x": x + rng.normal(0, 0.3, 300), "z": rng.normal(size=300)}).write_csv("flowers.csv")
    return truth


@pytest.mark.step(8)
def test_labels_from_a_file_through_the_store_to_a_model(flowers, tmp_path, capsys):
    pl.DataFrame({"row": np.arange(250), "label": flowers[:250]}).write_csv("labels.csv")
    assert main(["label", "flowers.csv", "--target", "kind", "--import", "labels.csv", "--store", "l.sqlite"]) == 0
    assert "250 answers taken" in capsys.readouterr().out
    assert main(["label", "flowers.csv", "--target", "kind", "--import", "labels.csv", "--store", "l.sqlite"]) == 0
    assert "0 answers taken" in capsys.readouterr().out  # what is there already is not taken twice
    assert main(["label", "flowers.csv", "--target", "kind", "--export", "tasks.json", "--store", "l.sqlite"]) == 0
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert len(tasks) == 250 and tasks[0]["annotations"][0]["result"][0]["value"]["choices"] == [flowers[0]]
    assert main(["label", "flowers.csv", "--target", "kind", "--import", "tasks.json", "--store", "again.sqlite"]) == 0
    assert Annotations("again.sqlite").digest() == Annotations("l.sqlite").digest()
    (tmp_path / "f.yaml").write_text(
        "target: kind\ncollect: flowers.csv\nlabel: {by_hand: {store: l.sqlite}}\nmodel: tree\nsafety: []\n"
    )
    assert main(["check", "f.yaml"]) == 0
    assert main(["run", "f.yaml", "--until", "label", "--quiet"]) == 0
    steps = {s["number"]: s for s in json.loads((Home.beside().run() / "summary.json").read_text())["steps"]}
    assert "given by hand by file" in steps[8]["why"] and "learning curve" in steps[8]["why"]


@pytest.mark.step(8)
def test_what_a_run_suspects_is_shown_again_first(flowers, tmp_path):
    frame = pl.read_csv("flowers.csv")
    wrong = flowers.copy()
    wrong[:20] = np.where(flowers[:20] == "rose", "tulip", "rose")
    frame.with_columns(pl.Series("kind", wrong)).write_csv("given.csv")
    (tmp_path / "g.yaml").write_text("target: kind\ncollect: given.csv\n")
    assert main(["run", "g.yaml", "--until", "label", "--quiet"]) == 0
    run = Home.beside().run()
    ledger, suspects = (pl.read_parquet(run / f"{n}.parquet") for n in ("ledger", "suspects"))
    assert suspects.height > 5
    assert ledger.filter(pl.col("rule") == "label suspect: listed").height == suspects.height
    rows = tuple(suspects["row"].to_list())
    table = Table.of(pl.read_csv("given.csv", infer_schema=False))
    work = Work(table, Asked("g", "kind", first=rows), Annotations("s.sqlite").prepare(), tmp_path)
    item = work.next("ann", 0.0)
    assert item["row"] == rows[0] and item["given"] == suspects["label"][0]
    assert work.progress("ann")["rows"] == len(rows)
    work.answer("ann", item["key"], suspects["suggested"][0], 1.0, 0.0)
    assert work.next("ann", 0.0)["row"] == rows[1]
    # A row lent to one is not shown to another, until the loan is over.
    assert work.next("bob", 1.0)["row"] == rows[2]
    assert work.next("bob", 10_000.0)["row"] == rows[1]


def test_what_cannot_be_kept_is_refused(tmp_path):
    table = Table.of(pl.DataFrame({"x": ["a", "b"], "p": ["1.png", "../x.png"]}))
    work = Work(table, Asked("g", "kind", ("yes", "no")), Annotations(tmp_path / "s.sqlite").prepare(), tmp_path)
    key = work.next("ann", 0.0)["key"]
    for what in ("maybe", 3, ["yes"], {"a": 1}, [{"label": "yes"}]):
        with pytest.raises(DataError):
            work.answer("ann", key, what, None, 0.0)
    with pytest.raises(DataError):
        work.answer("ann", "nobody", "yes", None, 0.0)
    with pytest.raises(DataError):
        work.add_class("  ")
    assert not work.store.answers() and work.file(0, 1) is None
    with pytest.raises(DataError, match="no images"):
        Work(table, Asked("g", "kind", boxes="x"), work.store, tmp_path)


def test_two_people_can_each_be_asked(tmp_path):
    table = Table.of(pl.DataFrame({"x": ["a", "b"]}))
    store = Annotations(tmp_path / "s.sqlite").prepare()
    work = Work(table, Asked("g", "kind", ("yes", "no"), overlap=2), store, tmp_path)
    for who in ("ann", "bob"):
        for _ in range(2):
            work.answer(who, work.next(who, 0.0)["key"], "yes", None, 0.0)
        assert work.next(who, 0.0) is None
    assert work.next("eve", 0.0) is None and work.progress("eve")["done"] == 2
    assert work.undo("bob")["said"] == "yes" and work.progress("bob")["done"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--guidelines", "gone.txt"], "there is no file"),
        (["--store", "labels.csv"], "not a store"),
        (["--review"], "no run"),
        (["--import", "gone.json"], "no such file"),
        (["--boxes", "x"], "no images"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_served(flowers, options, says, capsys):
    assert main(["label", "flowers.csv", "--target", "kind", *options]) == 2
    assert says in capsys.readouterr().err
