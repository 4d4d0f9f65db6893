"""Pretrained networks: small ones that the test writes to disk itself, read by the real code and gone on from."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from PIL import Image
from safetensors.numpy import load_file

from thirtyfold.cli import main
from thirtyfold.core.content import reading
from thirtyfold.core.encoder import Block, Encoded, Encoder
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.models.pretrained import Pretrained
from thirtyfold.learn.nets.traced import weights_of
from thirtyfold.learn.rates import at_rate, layered
from thirtyfold.testing.models import check_model

SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
QUICK: dict[str, Any] = {
    "epochs": 2, "embedding": 16, "batch": 16, "dropout": 0.0, "optimizer": {"adamw": {"rate": 0.002}},
}  # fmt: skip


@pytest.fixture(scope="session")
def messages(mirror: Path) -> pl.DataFrame:
    """The first 400 messages of sms_spam, with a number beside each."""
    path = mirror / "sms_spam" / "smsspamcollection.tsv"
    return pl.read_csv(path, separator="\t", quote_char=None).head(400).select("label", "message", "punct")


@pytest.fixture(scope="session")
def bert(messages: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with a WordPiece tokenizer of those messages, as transformers saves them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("pretrained") / "bert"
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=marks, show_progress=False)
    made.train_from_iterator(messages["message"].to_list(), trainer)
    around = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=made.get_vocab_size(), max_position_embeddings=48, **SMALL)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of pictures of 32 x 32 points in squares of 8."""
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    folder = tmp_path_factory.mktemp("pretrained") / "vit"
    torch.manual_seed(0)
    ViTModel(ViTConfig(image_size=32, patch_size=8, **SMALL)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual network whose pictures are made 36 points at the shorter side, of which the middle 32 are cut out."""
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    folder = tmp_path_factory.mktemp("pretrained") / "resnet"
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.875).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec2 that reads 4,000 samples a second."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    folder = tmp_path_factory.mktemp("pretrained") / "waves"
    torch.manual_seed(0)
    hears = {"conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 8)}
    places = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**SMALL, **hears, **places)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=4000).save_pretrained(folder)
    return folder


def rows_of(model: Pretrained, messages: pl.DataFrame, many: int = 64) -> Encoded:
    """Messages and the number beside them, as a run would encode them."""
    some = messages.head(many)
    texts = some["message"].to_numpy()
    (feature,) = model.read("message", texts).features
    encoded = Encoder("tokens", (feature,)).encoded({"message": texts})
    matrix = np.column_stack([encoded.matrix, some["punct"].cast(pl.Float32).to_numpy()])
    layout = (*encoded.layout, Block("vector", (1,)))
    target = (some["label"] == "spam").cast(pl.Int64).to_numpy()
    return Encoded(matrix, (*encoded.names, "punct"), (0,) * matrix.shape[1], target, None, 2, layout)


@pytest.mark.step(12)
def test_texts_are_read_as_the_folders_own_tokenizer_reads_them(bert: Path, messages: pl.DataFrame) -> None:
    """The numbers that transformers' tokenizer gives, padded and cut by itself, its closing mark kept."""
    from transformers import AutoTokenizer

    texts = [*messages["message"].head(50).to_list(), "", "x" * 3000]
    model = Pretrained(str(bert), length=16)
    (feature,) = model.read("message", np.array(texts, dtype=object)).features
    ours = feature.chain[0].apply(np.array(texts, dtype=object))
    own = AutoTokenizer.from_pretrained(bert)
    theirs = own(texts, padding="max_length", truncation=True, max_length=16)["input_ids"]
    assert ours.tolist() == theirs
    assert (feature.categories, feature.shape, feature.form) == (own.vocab_size, (16,), "tokens")


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.step(12)
def test_pictures_are_read_as_the_folders_own_processor_reads_them(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Points as transformers' processor gives them before and after it centers them."""
    from transformers import AutoImageProcessor

    from thirtyfold.learn.pretrained.origin import origin_of
    from thirtyfold.learn.pretrained.reading import normal_of

    folder = request.getfixturevalue(kind)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8))
    picture.save(tmp_path / "a.png")
    with reading([tmp_path]):
        (feature,) = Pretrained(str(folder)).read("path", np.array(["a.png"], dtype=object)).features
        ours = feature.chain[0].apply(np.array(["a.png"], dtype=object)).reshape(feature.shape)
    origin = origin_of(str(folder))
    assert origin is not None
    mean, deviation = (np.array(v).reshape(-1, 1, 1) for v in normal_of(origin))
    theirs = AutoImageProcessor.from_pretrained(folder)(picture, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose((ours - mean) / deviation, theirs, atol=1e-5)


@pytest.mark.step(12)
def test_recordings_are_read_as_the_folders_own_extractor_reads_them(waves: Path, tmp_path: Path) -> None:
    import soundfile
    from transformers import AutoFeatureExtractor

    heard = (0.3 * np.sin(np.arange(3000) / 9)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", heard, 4000, subtype="FLOAT")
    with reading([tmp_path]):
        (feature,) = Pretrained(str(waves), seconds=1.0).read("path", np.array(["a.wav"], dtype=object)).features
        ours = feature.chain[0].apply(np.array(["a.wav", None], dtype=object))
    own = AutoFeatureExtractor.from_pretrained(waves)
    theirs = own(heard, sampling_rate=4000, padding="max_length", max_length=4000, return_tensors="np")["input_values"]
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-4)
    np.testing.assert_allclose(ours[1], 0.0)


CASES: dict[str, tuple[Any, Callable[[str], bool]]] = {
    "full": ("full", lambda name: True),
    "frozen": ("frozen", lambda name: False),
    "last": ({"last": 1}, lambda name: "layer.1." in name),
    "lora": (
        {"lora": {"rank": 3, "modules": ["query", "value"]}},
        lambda n: n.endswith(("query.weight", "value.weight")),
    ),
}


@pytest.mark.parametrize("way", CASES)
@pytest.mark.step(26)
def test_only_what_shall_learn_changes(way: str, bert: Path, messages: pl.DataFrame) -> None:
    """Every weight of the folder, looked up in the graph that answers: the same to the bit where it is held."""
    train, moves = CASES[way]
    model = Pretrained(str(bert), train=train, **QUICK)
    rows = rows_of(model, messages)
    model.fit(rows, None, Quiet(seed=1))
    now = {n.removeprefix("stem1.model."): w for n, w in weights_of(model.onnx()).items()}
    before = {n: w for n, w in load_file(bert / "model.safetensors").items() if not n.startswith("pooler.")}
    changed = {n for n in before if not np.array_equal(now[n], before[n])}
    # A row that no token is at has no slope, and in a matrix of attention none may vanish; so whole tensors are asked.
    assert changed == {n for n in before if moves(n)}
    if way == "lora":  # the change of each is the product of matrices with three columns, and no more
        ranks = [np.linalg.matrix_rank(now[n] - before[n], tol=1e-5) for n in changed]
        assert max(ranks) == 3 and len(changed) == 4
    again = Pretrained.load(model.save())
    assert np.array_equal(again.predict(rows.matrix), model.predict(rows.matrix))
    assert str(bert).encode() not in b"".join(model.save().values())
    told = {e.step: e for e in model.story()}
    assert set(range(13, 21)) <= set(told)
    assert "come from the folder 'bert'" in told[15].why


@pytest.mark.step(26)
def test_a_package_goes_on_where_it_was_without_its_folder(bert: Path, messages: pl.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    model = Pretrained(str(folder), train={"lora": {"rank": 2}}, **QUICK)
    rows = rows_of(model, messages)
    model.fit(rows, None, Quiet(seed=1))
    files = model.save()
    shutil.rmtree(folder)
    again = Pretrained.load(files)
    again.more(rows, None, Quiet(seed=1))
    before, after = weights_of(files["model.onnx"]), weights_of(again.onnx())
    assert before.keys() == after.keys()
    moved = {n for n in before if not np.array_equal(before[n], after[n])}
    assert any(n.endswith("query.weight") for n in moved)
    assert not any("embeddings" in n or "LayerNorm" in n for n in moved)
    anew = Pretrained.load(files)
    with pytest.raises(SpecError, match="can only go on"):
        anew.fit(rows, None, Quiet(seed=1))


@pytest.mark.step(19)
def test_lower_layers_learn_more_slowly() -> None:
    """One step of plain SGD with slope 1 everywhere moves a weight by the rate times its factor, by hand: 0.1, 0.05."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    stepper = torch.optim.SGD(net.parameters(), lr=1.0)
    layered(stepper, net, {"0.weight": 0.5, "0.bias": 0.5})
    at_rate(stepper, 0.1)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    stepper.step()
    for name, parameter in net.named_parameters():
        wanted = before[name] - (0.05 if name.startswith("0.") else 0.1)
        torch.testing.assert_close(parameter.detach(), wanted)


@pytest.mark.step(19)
def test_the_rates_follow_the_layers(bert: Path, messages: pl.DataFrame) -> None:
    """Embeddings 0.5^2, then 0.5, then 1; the head ten times."""
    model = Pretrained(str(bert), layer_decay=0.5, **QUICK)
    view = model.sketch(rows_of(model, messages))
    assert {r[0]: r[3] for r in view.rows} == {
        "below the layers": "x 0.25", "layer 1": "x 0.5", "layer 2": "x 1", "other columns": "x 10", "head": "x 10",
    }  # fmt: skip
    own = sum(w.size for n, w in load_file(bert / "model.safetensors").items() if not n.startswith("pooler."))
    assert f"{own:,} were there before" in view.note


def _spec(folder: Path, **options: Any) -> dict[str, Any]:
    return {"pretrained": {"folder": str(folder), **options}}


def _without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _pickled(folder: Path) -> None:
    _without(folder, "model.safetensors")
    torch.save({}, folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _nothing(folder: Path) -> None:
    del folder


def _t5(folder: Path) -> None:
    from transformers import T5Config

    T5Config(vocab_size=600).save_pretrained(folder)


MISTAKES: dict[str, tuple[Callable[[Path], None], dict[str, Any], str]] = {
    "pickle": (_pickled, {}, "pytorch_model.bin: a pickle can run code when it is loaded, and is refused"),
    "cut": (_cut, {}, "model.safetensors is cut off or damaged: .* bytes were promised"),
    "empty": (lambda f: (f / "model.safetensors").write_bytes(b""), {}, "is cut off or damaged: its head cannot be"),
    "no config": (lambda f: _without(f, "config.json"), {}, "has no config.json"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), {}, "a config.json that is not JSON"),
    "unknown": (_config(model_type="brrt"), {}, "architecture 'brrt', which transformers .* does not have.*'bert'"),
    "own code": (_config(model_type="mine", auto_map={"AutoModel": "x.Y"}), {}, "Its own code is not run"),
    "vocabulary": (_config(vocab_size=90), {}, "has numbers up to .*, its network knows 90 tokens"),
    "no tokenizer": (
        lambda f: (_without(f, "tokenizer.json"), _without(f, "tokenizer_config.json"))[0],
        {},
        "tokenizer",
    ),
    "positions": (_nothing, {"length": 100}, "100 tokens are asked for, and this network has positions for 48"),
    "way": (_nothing, {"train": "lorra"}, "there is no 'lorra'.*Did you mean 'lora'.*frozen, full, last, lora"),
    "rank": (_nothing, {"train": {"lora": {"rank": 0}}}, "rank"),
    "seal": (_nothing, {"seal": "0" * 64}, "are others than those of the seal"),
    "another's config": (_config(model_type="t5"), {}, "is no config of 't5'"),
    "several": (_t5, {}, "reads several things at once"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_each_mistake_is_said_once_and_before_anything_runs(
    what: str, bert: Path, messages: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, options, says = MISTAKES[what]
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    spoil(folder)
    messages.write_csv(tmp_path / "sms.csv")
    path = tmp_path / "spec.yaml"
    path.write_text(
        yaml.safe_dump({"target": "label", "collect": str(tmp_path / "sms.csv"), "model": _spec(folder, **options)})
    )
    assert main(["check", str(path)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("model.pretrained") == 1, told
    assert re.search(says, told), told


def test_a_folder_that_is_not_there(bert: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no such folder.*Did you mean 'bert'"):
        Pretrained(str(bert.parent / "bret"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SpecError, match="no copy of a model of that name is kept here, and HF_HUB_OFFLINE is set"):
        Pretrained("nobody/such-a-model")


def test_weights_that_do_not_fit_their_config(bert: Path, messages: pl.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    _config(num_hidden_layers=3)(folder)
    model = Pretrained(str(folder), **QUICK)
    with pytest.raises(SpecError, match=r"are missing, such as encoder\.layer\.2\."):
        model.fit(rows_of(model, messages), None, Quiet())
    _config(num_hidden_layers=2, intermediate_size=80)(folder)
    model = Pretrained(str(folder), **QUICK)
    with pytest.raises(SpecError, match="of another size"):
        model.fit(rows_of(model, messages), None, Quiet())


def test_what_cannot_be_held_or_stood_beside(bert: Path, messages: pl.DataFrame) -> None:
    model = Pretrained(str(bert), train={"last": 5}, **QUICK)
    with pytest.raises(SpecError, match="5 layers shall learn, and it has 2"):
        model.sketch(rows_of(model, messages))
    model = Pretrained(str(bert), train={"lora": {"modules": ["qery"]}}, **QUICK)
    with pytest.raises(SpecError, match=r"no part called 'qery'.*Did you mean 'query'"):
        model.sketch(rows_of(model, messages))


def test_which_column_is_read(bert: Path) -> None:
    forms: dict[str, Any] = {"a": ("tokens", "vector"), "b": ("tokens", "vector"), "n": ("vector",)}
    with pytest.raises(SpecError, match="several columns hold some: a, b"):
        Pretrained(str(bert)).reads(forms)
    assert Pretrained(str(bert), column="b").reads(forms) == "b"
    with pytest.raises(SpecError, match="'n' is no input that holds any"):
        Pretrained(str(bert), column="n").reads(forms)
    with pytest.raises(SpecError, match="reads texts, and no input holds any"):
        Pretrained(str(bert)).reads({"n": ("vector",)})


def test_other_specs_load_no_transformers(tmp_path: Path, messages: pl.DataFrame) -> None:
    messages.write_csv(tmp_path / "sms.csv")
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"target: label\ncollect: {tmp_path}/sms.csv\nmodel: cnn\n")
    code = f"import sys; from thirtyfold.cli import main; main(['check', {str(spec)!r}]); "
    code += "assert not {'transformers', 'torch', 'peft'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def _run(tmp_path: Path, spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[int, Path, dict[str, Any]]:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    path = tmp_path / f"{spec['name']}.yaml"
    path.write_text(yaml.safe_dump(spec))
    status = main(["run", str(path)])
    folder = next((tmp_path / "home" / "runs").glob(f"{spec['name']}-*"))
    return status, folder, json.loads((folder / "summary.json").read_text())


@pytest.mark.slow
@pytest.mark.step(*range(11, 30))
def test_messages_from_a_spec_to_a_server_and_on(
    bert: Path, messages: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Callable[[Any], str]
) -> None:
    """A run with LoRA and a number beside the text; its Package served; and gone on from by the next run."""
    import httpx

    messages.write_csv(tmp_path / "sms.csv")
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    model = _spec(folder, **{**QUICK, "epochs": 4}, train="lora")
    spec = {"name": "sms", "target": "label", "collect": str(tmp_path / "sms.csv"), "model": model, "safety": []}
    status, run, summary = _run(tmp_path, spec, monkeypatch)
    assert summary["score"]["test"] > summary["score"]["baseline"] and status in (0, 3)
    assert all(g["passed"] for g in summary["gates"] if g["name"] == "export")
    shutil.rmtree(folder)
    package = Package.open(run / "package")
    rows = messages.tail(5).drop("label").to_dicts()
    ours = package.predict_rows(rows)
    answer = httpx.post(f"{served(package)}/predict", json={"rows": rows}, timeout=30).json()
    for mine, theirs in zip(ours, answer["predictions"], strict=True):
        assert theirs["prediction"] == mine["prediction"]
        assert theirs["probability_spam"] == pytest.approx(mine["probability_spam"], abs=1e-6)
    after = {
        **spec,
        "name": "after",
        "model": "linear",
        "finetune": {"package": str(run / "package")},
        "compress": None,
    }
    status, run, summary = _run(tmp_path, after, monkeypatch)
    evidence = json.loads((run / "evidence.json").read_text())["finetune"][0]
    assert evidence["numbers"]["previous"] == package.hash
    assert Package.open(run / "package").manifest["model"] == "pretrained"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.step(12, 16, 29)
def test_pictures_from_a_folder(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for at in np.flatnonzero(digits.target < 2)[:160]:
        place = tmp_path / "pictures" / str(digits.target[at])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[at] * 15.9).astype(np.uint8)).resize((40, 40)).save(place / f"{at}.png")
    spec = {
        "name": kind, "target": "label", "collect": {"folder": str(tmp_path / "pictures")}, "metric": "accuracy",
        "model": _spec(request.getfixturevalue(kind), **{**QUICK, "epochs": 8, "batch": 8}), "safety": [],
    }  # fmt: skip
    _, run, summary = _run(tmp_path, spec, monkeypatch)
    assert summary["score"]["test"] > 0.6
    package = Package.open(run / "package")
    data = next((tmp_path / "pictures" / "1").iterdir()).read_bytes()
    assert package.predict_rows([{"path": base64.b64encode(data).decode()}])[0]["prediction"] == "1"


@pytest.mark.slow
@pytest.mark.step(12, 16, 29)
def test_recordings_from_a_folder(waves: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted((mirror / "fsdd_dev").rglob("[06]_*.wav")):
        place = tmp_path / "sounds" / path.name[0]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / path.name)
    spec = {
        "name": "waves", "target": "label", "collect": {"folder": str(tmp_path / "sounds")}, "metric": "accuracy",
        "model": _spec(waves, **{**QUICK, "epochs": 3}), "safety": [],
    }  # fmt: skip
    _, _, summary = _run(tmp_path, spec, monkeypatch)
    assert all(g["passed"] for g in summary["gates"] if g["name"] == "export")
    assert summary["score"]["test"] > 0.5


KILLED = """
import hashlib, json, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import polars as pl, torch
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.store import Folder
from thirtyfold.learn.models.pretrained import Pretrained
from test_pretrained import QUICK, rows_of

torch.set_num_threads(1)
BERT, ROOT = sys.argv[1], Path(sys.argv[2])
messages = pl.read_csv(ROOT / "sms.csv")


class Often(Pretrained):
    def begun(self, net, plan, train, context):
        return super().begun(net, plan, train, context)._replace(keep=0.01)


class OnDisk(Quiet):
    @property
    def checkpoint(self):
        return Folder(self.folder)


def train(name):
    model = Often(BERT, train={"lora": {"rank": 2, "dropout": 0.1}}, **{**QUICK, "epochs": 3, "batch": 4})
    rows = rows_of(model, messages, 300)
    context = OnDisk(seed=4)
    context.folder = ROOT / name
    model.fit(rows, rows, context)
    (ROOT / f"{name}.hash").write_text(hashlib.sha256(model.onnx()).hexdigest())


begun = time.monotonic()
train("whole")
taken = time.monotonic() - begun
draw, resumed = random.Random(), []
for kill in (True, True, True, False):
    states = [json.loads(p.read_text()) for p in (ROOT / "killed").glob("*/state.json")]
    resumed.append(max(states, key=lambda s: s["written"])["batch"] if states else None)
    child = os.fork()
    if child == 0:
        train("killed")
        os._exit(0)
    if kill:
        time.sleep(draw.uniform(0.1, 0.3) * taken)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(json.dumps({n: (ROOT / f"{n}.hash").read_text() for n in ("whole", "killed")} | {"resumed": resumed}))
"""


@pytest.mark.slow
@pytest.mark.step(20)
def test_killed_while_lora_learns_it_ends_the_same(bert: Path, messages: pl.DataFrame, tmp_path: Path) -> None:
    messages.write_csv(tmp_path / "sms.csv")
    given = [sys.executable, "-c", KILLED, str(bert), str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(given, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert any(told["resumed"]), "it never went on from inside an epoch"
    assert told["killed"] == told["whole"]


def test_an_ensemble_beside_another_reader_is_refused(
    bert: Path, messages: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages.write_csv(tmp_path / "sms.csv")
    members = [_spec(bert, **QUICK), {"cnn": {"epochs": 1}}]
    spec = {"target": "label", "collect": str(tmp_path / "sms.csv"), "model": {"ensemble": {"members": members}}}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    assert main(["run", str(tmp_path / "spec.yaml")]) == 2
    assert "reads it in a way of its own" in " ".join(capsys.readouterr().err.split())


def test_too_much_for_memory_is_said_before(vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thirtyfold.learn.pretrained.reading.MOST", 1000)
    with pytest.raises(DataError, match="as this network reads it"):
        Pretrained(str(vit)).read("path", np.array([None, None], dtype=object))


@pytest.mark.slow
@pytest.mark.step(14)
def test_it_passes_the_check_of_every_model(tmp_path: Path) -> None:
    """On the rows that all models are checked with, written as tokens; its folder knows just their numbers."""
    from tokenizers import Tokenizer, models
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    known = Tokenizer(models.WordLevel({f"t{i}": i for i in range(18)}, unk_token="t1"))
    PreTrainedTokenizerFast(tokenizer_object=known, pad_token="t0", unk_token="t1").save_pretrained(tmp_path)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=18, max_position_embeddings=6, **SMALL)).save_pretrained(tmp_path)

    class Tokens(Pretrained):
        forms = ("tokens", "vector")
        tasks = ("classification",)

    options = {**QUICK, "folder": str(tmp_path), "epochs": 8, "batch": 40}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("thirtyfold.testing.models._sizes", lambda member: [2])
        check_model(Tokens, **options)


def test_what_cannot_be_shipped_is_refused_before_it_learns(tmp_path: Path) -> None:
    from transformers import SwinConfig, SwinModel, ViTImageProcessor

    config = SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)
    SwinModel(config).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    x = np.zeros((20, 3072), dtype=np.float32)
    layout = (Block("image", (3, 32, 32), "path"),)
    rows = Encoded(x, tuple(map(str, range(3072))), (0,) * 3072, np.arange(20) % 2, None, 2, layout)
    with pytest.raises(SpecError, match="cannot be drawn as a graph, so it could not be shipped"):
        Pretrained(str(tmp_path), **QUICK).fit(rows, None, _NoStep())


class _NoStep(Quiet):
    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        raise AssertionError(f"it has begun to learn: {text}")


@pytest.mark.slow
def test_a_copy_that_the_hub_left_here_is_used(bert: Path, messages: pl.DataFrame, tmp_path: Path) -> None:
    """A cache as huggingface_hub writes it, and no network."""
    place = tmp_path / "hub" / "models--me--small-bert"
    shutil.copytree(bert, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    messages.write_csv(tmp_path / "sms.csv")
    spec = {
        "target": "label",
        "collect": str(tmp_path / "sms.csv"),
        "model": _spec(Path("me/small-bert"), train="frozen"),
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "thirtyfold", "check", str(tmp_path / "spec.yaml")]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "bert of 2 layers" in told and "of which frozen lets 0 learn" in told


def test_a_network_of_frames_is_refused(tmp_path: Path) -> None:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    ASTModel(ASTConfig(max_length=64, num_mel_bins=32, **SMALL)).save_pretrained(tmp_path)
    ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(tmp_path)
    with pytest.raises(SpecError, match="do not give a plain wave"):
        Pretrained(str(tmp_path))
