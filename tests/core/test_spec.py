"""Spec: read once, checked whole, never changed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from thirtyfold.core.errors import SpecError
from thirtyfold.core.spec import Spec, Watched

RAW = {"name": "m", "target": "y", "collect": "data.csv"}


def test_every_fault_at_once_with_the_nearest_right_key():
    with pytest.raises(SpecError) as caught:
        Spec.of({"target": "y", "colect": "x.csv", "tune": {"trails": 3}, "seed": "q", "split": {"train": 0.9}})
    said = {f.where: str(f) for f in caught.value.faults}
    assert "Did you mean 'collect'?" in said["colect"]
    assert "Did you mean 'trials'?" in said["tune.trails"]
    assert "'q'" in said["seed"]
    assert "missing" in said["collect"]
    assert "add up to 1.2" in said["split"]


def test_a_key_given_twice_is_a_fault(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text("target: y\ncollect: a.csv\ntarget: z\n")
    with pytest.raises(SpecError, match="line 3: is not valid YAML: 'target' is given twice"):
        Spec.read(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [1", "not valid YAML"), ("just words", "key: value"), ("", "key: value"), ("- 1\n- 2", "key: value")],
)
def test_what_is_not_a_spec(tmp_path: Path, text: str, said: str):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match=said):
        Spec.read(file)


def test_no_such_file_and_binary(tmp_path: Path):
    with pytest.raises(SpecError, match="no such file"):
        Spec.read(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(SpecError, match="not a YAML text file"):
        Spec.read(tmp_path / "b.yaml")


def test_yaml_cannot_run_code(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text("target: !!python/object/apply:os.system ['true']\ncollect: a\n")
    with pytest.raises(SpecError, match="not valid YAML"):
        Spec.read(file)


def test_overrides_reach_into_sections_and_choices():
    spec = Spec.of({**RAW, "model": "mlp"}, **{"tune.trials": 9, "model.mlp.layers": [8]})
    assert spec.tune.trials == 9 and spec.model == {"mlp": {"layers": [8]}}


def test_round_trip_of_the_filled_in_spec(tmp_path: Path):
    spec = Spec.of({**RAW, "safety": ["privacy"], "limits": {"size_mb": 2}})
    file = tmp_path / "m.yaml"
    file.write_text(spec.to_yaml())
    assert Spec.read(file) == spec and Spec.read(file).digest() == spec.digest()


def test_frozen():
    with pytest.raises(ValidationError):
        Spec.of(RAW).seed = 3


def test_watched_notes_what_is_read_and_closes():
    watched = Watched(Spec.of(RAW))
    with watched.only_here():
        assert watched.seed == 0 and watched.split.train == 0.7
    assert set(watched.part()) == {"seed", "split"}
    with pytest.raises(AttributeError, match="in __init__ only"):
        _ = watched.seed
