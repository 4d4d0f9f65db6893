"""Families: words without importing, options from signatures, the nearest right word, strangers' members."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from thirtyfold.core.errors import MissingExtra, SpecError
from thirtyfold.core.family import Family, checked, split_choice, word_of
from thirtyfold.core.owncode import trust

FOLDERS = [
    "aim.tasks", "aim.metrics", "data.sources", "data.cleaners", "data.labelers", "data.splitters", "data.types",
    "learn.models", "learn.layers", "learn.losses", "learn.optimizers", "learn.initializers", "learn.schedules",
    "learn.regularizers", "learn.searchers", "learn.frameworks", "learn.adaptations", "prove.audits",
    "ship.compressors", "ship.formats",
    "ship.targets", "watch.monitors", "watch.triggers",
]  # fmt: skip


@pytest.mark.parametrize("path", FOLDERS)
def test_every_family_has_members_with_a_word_and_a_sentence(path):
    members = Family(path).members()
    assert members, f"{path} is empty"
    for member in members.values():
        assert member.doc, f"{member.module}:{member.name} does not say what it is"
        assert callable(Family(path).find(member.word))


def test_words_are_read_without_importing_any_member():
    code = (
        "import sys; from thirtyfold.core.family import Family; words = Family('learn.models').words();"
        "assert 'boosting' in words and 'mlp' in words;"
        "bad = {m.split('.')[0] for m in sys.modules} & {'torch', 'lightgbm', 'sklearn', 'numpy'}; assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "word"), [("RocAuc", "roc_auc"), ("F1", "f1"), ("JsonLines", "json_lines"), ("MLP", "mlp"), ("R2", "r2")]
)
def test_word_of(name, word):
    assert word_of(name) == word


class Shelf:
    """Something with options."""

    def __init__(self, depth: Annotated[int, Field(ge=1)] = 3, rate: float = 0.1, *, open_: bool = True) -> None:
        self.depth, self.rate, self.open_ = depth, rate, open_


def test_all_faults_of_the_options_at_once_with_the_nearest_name():
    with pytest.raises(SpecError) as caught:
        checked(Shelf, {"depht": 4, "rate": "fast", "depth": 0}, "model.shelf")
    said = str(caught.value)
    assert "model.shelf.depht" in said and "Did you mean 'depth'?" in said
    assert "model.shelf.rate" in said and "'fast'" in said
    assert "model.shelf.depth" in said and "must be at least 1" in said
    assert len(caught.value.faults) == 3


def test_defaults_are_filled_in_and_a_bare_value_is_the_first_option():
    assert checked(Shelf, 5, "model.shelf") == {"depth": 5, "rate": 0.1, "open_": True}


def test_unknown_word_names_the_nearest():
    with pytest.raises(SpecError, match="Did you mean 'boosting'"):
        Family("learn.models").find("bosting", "model")


@pytest.mark.parametrize("choice", [3, {"a": 1, "b": 2}, ["x"], None])
def test_a_choice_is_a_word_or_one_word_with_options(choice):
    with pytest.raises(SpecError, match="expected a word"):
        split_choice(choice, "model")


def test_a_strangers_function_by_file(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text("class Twice:\n    def __init__(self, times: int = 2):\n        self.times = times\n")
    trust({"metric": [{f"{file}:Twice": {"times": 7}}, f"{tmp_path}/none.py:Twice"]})
    made = Family("aim.metrics").build({f"{file}:Twice": {"times": 7}}, "metric")
    assert made.times == 7
    with pytest.raises(SpecError, match="Did you mean 'Twice'"):
        Family("aim.metrics").find(f"{file}:Twicce", "metric")
    with pytest.raises(SpecError, match="there is no file"):
        Family("aim.metrics").find(f"{tmp_path}/none.py:Twice", "metric")


def test_a_file_that_nobody_asked_for_is_not_run(tmp_path: Path):
    file = tmp_path / "uninvited.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Odd: ...\n")
    with pytest.raises(SpecError, match="nobody here asked for it"):
        Family("learn.models").find(f"{file}:Odd", "manifest.json")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("x = 1\nclass Odd(\n", "SyntaxError in line 2"),
        ("import a_library_that_is_not_here\n", "ModuleNotFoundError in line 1"),
        ("\n\nvalue = 1 / 0\n", "ZeroDivisionError in line 3: division by zero"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_its_users_to_mend(tmp_path: Path, lines: str, said: str):
    file = tmp_path / "broken.py"
    file.write_text(lines)
    trust(f"{file}:Odd")
    with pytest.raises(SpecError, match=said):
        Family("aim.metrics").find(f"{file}:Odd", "metric")


def test_a_strangers_package_by_entry_point(tmp_path: Path):
    (tmp_path / "stranger.py").write_text("class Odd:\n    '''An odd metric.'''\n")
    info = tmp_path / "stranger-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[thirtyfold.metrics]\nodd = stranger:Odd\n")
    code = textwrap.dedent(f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        from thirtyfold.core.family import Family
        assert Family("aim.metrics").find("odd").__name__ == "Odd"
        assert "odd" in Family("aim.metrics").words()
    """)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_library_names_the_command_that_brings_it(tmp_path: Path):
    (tmp_path / "needy.py").write_text("import ray_is_not_here\n\n\nclass Needy:\n    pass\n")
    info = tmp_path / "needy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: needy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[thirtyfold.metrics]\nneedy = needy:Needy\n")
    code = textwrap.dedent(f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        from thirtyfold.core.family import Family
        from thirtyfold.core.errors import MissingExtra
        try: Family("aim.metrics").find("needy", "metric")
        except MissingExtra as error: print(error)
    """)
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "'needy' needs ray_is_not_here" in said and "pip install ray_is_not_here" in said
    assert MissingExtra.status == 2
