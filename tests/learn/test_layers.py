"""Networks from a list of layers: how they are spelled, their shapes, what is refused, and what they learn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from thirtyfold.cli import main
from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import SpecError
from thirtyfold.core.owncode import trust
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.models.layers import Layers
from thirtyfold.learn.nets.shapes import Shape
from thirtyfold.learn.nets.spelling import LAYERS, words_of
from thirtyfold.learn.nets.stack import drawn_plan, known_faults, walked
from thirtyfold.testing import check_layer
from thirtyfold.testing.models import easy_table

OPTIONS = {
    "conv": ["conv 8 stride 2", "conv 4 size 5"],
    "pool": ["pool 3", "pool kind mean"],
    "recurrent": ["recurrent 5 both false", "recurrent 5 cell lstm"],
    "global_pool": ["global pool both", "global pool max"],
    "residual": [{"residual": ["conv 6 stride 1", "norm", "conv 6", "norm"]}, {"residual": ["dense 8", "dense 12"]}],
}


def listed(*layers: Any) -> list[Any]:
    return [LAYERS.build(layer, "model.layers.layers") for layer in layers]


@pytest.mark.parametrize("word", LAYERS.words())
@pytest.mark.step(14)
def test_layer(word: str) -> None:
    for choice in (word, *OPTIONS.get(word, [])):
        check_layer(LAYERS.build(choice, "layer"))


def test_promised_words_are_there() -> None:
    promised = {"dense", "conv", "pool", "norm", "recurrent", "attention", "embedding", "residual", "dropout"}
    assert promised <= set(LAYERS.words())


@pytest.mark.parametrize(
    ("text", "word", "options"),
    [
        ("conv 32", "conv", {"channels": 32}),
        ("conv 32 size 5 stride 2", "conv", {"channels": 32, "size": 5, "stride": 2}),
        ("conv size 5", "conv", {"size": 5}),
        ("global pool", "global_pool", {}),
        ("global pool both", "global_pool", {"kind": "both"}),
        ("recurrent 8 both false", "recurrent", {"units": 8, "both": False}),
        ({"dropout": 0.3}, "dropout", {"share": 0.3}),
        ("pool", "pool", {}),
    ],
)
def test_a_line_is_a_layer(text: Any, word: str, options: dict[str, Any]) -> None:
    found, filled = LAYERS.check(text, "layer")
    assert found == word and filled == LAYERS.check({word: options}, "layer")[1]


def test_words_are_those_that_were_written() -> None:
    written = ["conv 32 size 5", "global pool both", "dense 10 activation gelu", "dropout 0.2", "recurrent 8 cell lstm"]
    assert [words_of(layer) for layer in listed(*written)] == written
    (residual,) = listed({"residual": ["conv 8", "norm"]})
    assert words_of(residual) == "residual [conv 8, norm]"


VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


@pytest.mark.step(14)
def test_weights_of_a_known_network_are_counted_right() -> None:
    """VGG16 has 138,357,544 weights and offsets (Simonyan and Zisserman 2015; Keras and torchvision too)."""
    layers = listed(*["pool" if n == "M" else f"conv {n}" for n in VGG16], "dense 4096", "dense 4096")
    blocks = (Block("image", (3, 224, 224)),)
    plan = drawn_plan(walked(layers, blocks, 1000, "model"), blocks)
    assert sum(row[-1] for row in plan.rows) == 138_357_544
    assert "138,357,544" in plan.note
    gives = [row[3] for row in plan.rows]
    assert "vector 25,088" in gives and gives[-1] == "vector 1,000"


def test_what_is_due_is_put_in() -> None:
    words = {
        ("conv 4", "norm", "pool"): ["conv 4", "norm", "relu", "pool 2", "flatten", "dense 2"],
        ("conv 4", "gelu"): ["conv 4", "gelu", "flatten", "dense 2"],
        ("recurrent 3",): ["lines", "recurrent 3", "global pool both", "dense 2"],
        ("dense 5", "dropout 0.5"): ["flatten", "dense 5", "relu", "dropout 0.5", "dense 2"],
    }
    blocks = (Block("image", (1, 6, 6)),)
    for layers, expected in words.items():
        plan = drawn_plan(walked(listed(*layers), blocks, 2, "model"), blocks)
        assert [row[1] for row in plan.rows] == expected
    tokens = (Block("tokens", (7,), "t", 30),)
    plan = drawn_plan(walked(listed("conv 4"), tokens, 2, "model"), tokens)
    assert [row[1] for row in plan.rows] == ["embedding 64", "conv 4", "relu", "global pool both", "dense 2"]


def test_fields_go_alone_and_then_together() -> None:
    blocks = (Block("image", (1, 8, 8), "photo"), Block("tokens", (10,), "text", 30), Block("vector", (5,)))
    way = walked(listed("conv 8", "pool", "global pool", "dense 6"), blocks, 3, "model")
    assert [body[-1].made for body in way.bodies[:2]] == [Shape("vector", (8,)), Shape("vector", (8,))]
    assert way.bodies[2] == () and way.trunk[0].given == Shape("vector", (8 + 8 + 5,))
    assert [step.words for step in way.trunk[:1]] == ["dense 6"]


@pytest.mark.parametrize(
    ("layers", "blocks", "says"),
    [
        (["dense 8", "conv 4"], None, "layer 2, 'conv 4', gets vector 8 from 'dense 8' before it"),
        (["embedding 10", "attention 4"], None, "10 numbers at a place cannot be shared by 4 heads"),
        (["recurrent 4", "conv 8 size 4"], None, "layer 2, 'conv 8 size 4'"),
        (["conv 4", "pool", "pool", "pool", "pool"], Block("image", (1, 8, 8)), "layer 5, 'pool 2', gets image 4 x 1 "),
        (["conv 4"], Block("vector", (30,)), "layer 1, 'conv 4', gets vector 30 from the data"),
        ([{"residual": ["lines", "conv 4"]}], None, "sequence ? x 4 of image ? x ? x ?"),
        ([{"residual": ["pool", "pool", "pool"]}], Block("image", (1, 6, 6)), "inside of it layer 3, 'pool 2'"),
        (["patch 8 size 9"], Block("image", (1, 8, 8)), "squares of 9 points do not fit"),
    ],
)  # fmt: skip
def test_layers_that_cannot_meet_are_refused_by_name(layers: list[Any], blocks: Any, says: str) -> None:
    if blocks is None:  # wrong whatever the data is
        fault = known_faults(listed(*layers), "model.layers.layers")
        assert fault is not None and says in str(fault)
        return
    assert known_faults(listed(*layers), "model.layers.layers") is None
    with pytest.raises(SpecError) as found:
        walked(listed(*layers), (blocks,), 2, "model.layers.layers")
    assert says in str(found.value)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("conv 32 sise 5", "Did you mean 'size'"),
        ("convv 32", "Did you mean 'conv'"),
        ("conv 32 5", "is not the name of an option"),
        ("dense 0", "must be at least 1"),
        ("relu 5", "takes no options|is not the name of an option"),
        (32, "expected a word"),
    ],
)
def test_a_wrong_line_says_why(layer: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        LAYERS.check(layer, "model.layers.layers.0")


LENGTH, CODES = 12, 20


def order(rows: int, seed: int) -> Encoded:
    """Texts with the tokens 2 and 3 side by side: which of them is first decides, so counting is no help."""
    rng = np.random.default_rng(seed)
    codes, target = np.zeros((rows, LENGTH)), rng.integers(0, 2, rows)
    for row in range(rows):
        long = int(rng.integers(5, LENGTH + 1))
        codes[row, :long] = rng.integers(4, CODES, long)
        at = int(rng.integers(0, long - 1))
        codes[row, at : at + 2] = (2, 3) if target[row] else (3, 2)
    names, layout = tuple(f"t[{i}]" for i in range(LENGTH)), (Block("tokens", (LENGTH,), "t", CODES),)
    return Encoded(codes.astype(np.float32), names, (0,) * LENGTH, target, None, 2, layout)


LEARNS = [
    ["embedding 32", "recurrent 12", "dense 16"],
    ["embedding 32", "attention 4 dropout 0"],
    ["conv 32", "norm", {"residual": ["conv 32", "norm"]}, "global pool max"],
]


@pytest.mark.step(14, 16, 20, 26)
@pytest.mark.parametrize("layers", LEARNS)
def test_a_list_learns_is_kept_and_goes_on(layers: list[Any]) -> None:
    train, new = order(700, 0), order(300, 1)
    model = Layers(layers, epochs=12, batch=32)
    model.fit(train, new, Quiet(seed=1))
    raw = model.predict(new.matrix)
    assert (raw.argmax(1) == new.target).mean() > 0.9
    again = Layers.load(model.save())
    assert np.array_equal(again.predict(new.matrix), raw) and again.save() == model.save()
    again.more(train.take(np.arange(100)), None, Quiet(seed=2))
    assert not np.array_equal(again.predict(new.matrix), raw)
    assert {e.step for e in model.story()} >= {13, 14, 15, 16, 17, 18, 19, 20}


@pytest.mark.parametrize(
    "layers", [["dense 24", "norm", "dropout 0.1"], ["embedding 8", "attention 2 dropout 0", "dense 16"]]
)
def test_plain_columns(layers: list[Any]) -> None:
    rows = easy_table(2, "vector")
    model = Layers(layers, epochs=8, batch=32)
    model.fit(rows.take(np.arange(400)), None, Quiet(seed=1))
    new = rows.take(np.arange(400, 600))
    assert (model.predict(new.matrix).argmax(1) == new.target).mean() > 0.8


def test_dropout_is_a_measure_and_a_list_without_it_is_its_opposite() -> None:
    model = Layers(["dense 8", "dropout 0.5"])
    assert model.measures()["layers"] == (["dense 8", "dropout 0.5"], ["dense 8"])


OWN = '''
"""A layer of one's own."""

from thirtyfold.learn.nets.shapes import Layer, Shape

__all__ = ["Twice"]


class Twice(Layer):
    """Everything, and the same again with the other sign."""

    takes = ("vector",)

    def __init__(self, times: float = 1.0):
        self.times = times

    def gives(self, given):
        return Shape("vector", (None if given.size[0] is None else 2 * given.size[0],))

    def module(self, given):
        import torch
        from torch import nn

        class Both(nn.Module):
            def forward(self, x):
                return torch.cat((x, x * -1.0), 1)

        return Both()
'''


@pytest.mark.step(14)
def test_a_layer_of_ones_own_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    line = "mine.py:Twice 2.0"
    trust({"layers": [line]})  # a Spec does
    check_layer(LAYERS.build(line, "layer"))
    rows = easy_table(3, "vector", rows=200)
    model = Layers([line, "dense 16"], epochs=3)
    model.fit(rows, None, Quiet(seed=1))
    files, raw = model.save(), model.predict(rows.matrix)
    monkeypatch.chdir(tmp_path.parent)  # what is saved answers without the file
    assert np.array_equal(Layers.load(files).predict(rows.matrix), raw)


SPEC = {
    "name": "listed",
    "target": "target",
    "collect": {"sklearn": {"name": "digits", "images": True}},
    "model": {"layers": {"layers": ["conv 8", "pool", "dense 32", "dropout 0.2"], "epochs": 4}},
    "tune": {"trials": 0},
    "safety": [],
    "compress": None,
}


@pytest.mark.step(13, 14, 20, 29)
def test_a_list_from_the_spec_to_a_package_with_its_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    assert main(["run", str(path), "--quiet"]) == 0
    (run,) = (tmp_path / "home" / "runs").iterdir()
    assert (run / "package" / "exports" / "model.onnx").is_file()
    capsys.readouterr()
    main(["show", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["score"]["test"] > 0.8 and told["steps"][28]["status"] == "done"
    main(["show", "14"])
    shown = capsys.readouterr().out
    assert "image 8 x 4 x 4" in shown and "conv 8" in shown and "answer" in shown


def test_the_check_makes_the_list_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "model": {"layers": ["dense 8", "conv 4"]}}))
    assert main(["check", str(path)]) == 2
    assert "layer 2, 'conv 4'" in capsys.readouterr().err
