"""What one new thing costs: a new member of eight families is one new file each, and no edit."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

NEW = {
    "data/types/stars.py": '''
"""stars: a rating written as stars."""
from thirtyfold.data.types.number import Number as _Number

__all__ = ["Stars"]


class Stars(_Number):
    """A rating written as one to five stars."""

    @classmethod
    def recognize(cls, sample):
        text = sample.values.cast(str)
        return 1.0 if len(text) and bool(text.str.contains(r"^★+$").all()) else 0.0

    def read(self, value):
        if isinstance(value, float):
            return value
        if set(str(value)) != {"★"}:
            raise ValueError(f"{value!r} is not a row of stars")
        return float(len(str(value)))
''',
    "aim/tasks/pairs.py": '''
"""Which of two is it?"""
from thirtyfold.aim.tasks.classification import Classification as _Classification

__all__ = ["Pairs"]


class Pairs(_Classification):
    """Classification that insists on two classes."""

    @classmethod
    def recognize(cls, type_word, target):
        return 0.0
''',
    "aim/metrics/right_share.py": '''
"""How often is it right, in percent?"""
from thirtyfold.aim.metrics.accuracy import Accuracy as _Accuracy

__all__ = ["RightShare"]


class RightShare(_Accuracy):
    """Accuracy in percent."""

    tasks = ("classification", "pairs")
    bounds = (0.0, 100.0)

    def score(self, truth, raw, decided, weight=None):
        return 100 * super().score(truth, raw, decided, weight)
''',
    "learn/models/stump.py": '''
"""One question."""
from thirtyfold.learn.models.tree import Tree as _Tree

__all__ = ["Stump"]


class Stump(_Tree):
    """A tree that asks few questions."""

    tasks = ("classification", "regression", "pairs")

    def __init__(self, leaf: int = 5, depth: int | None = 3, prune: float = 0.0, *, balance: bool = False):
        super().__init__(leaf, depth, prune, balance=balance)
''',
    "learn/optimizers/plain.py": '''
"""A step against the slope."""
__all__ = ["Plain"]


class Plain:
    """A step against the slope and nothing else."""

    def __init__(self, rate: float = 0.1):
        self.rate = rate

    def over(self, parameters):
        from torch.optim import SGD

        return SGD(parameters, lr=self.rate)
''',
    "prove/audits/size_of_answers.py": '''
"""Does it give every answer at all?"""
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Finding

__all__ = ["SizeOfAnswers"]


class SizeOfAnswers:
    """Counts the different answers."""

    def ask(self, case, context):
        answers = case.package.predict(case.test)["prediction"].n_unique()
        return Finding(Verdict("safety.size_of_answers", answers > 1, f"{answers} different answers", float(answers)))
''',
    "ship/targets/drawer.py": '''
"""A drawer."""
from pathlib import Path

__all__ = ["Drawer"]


class Drawer:
    """Writes the hash into a file."""

    def __init__(self, path: str):
        self.path = Path(path)

    def present(self, name):
        return self.path.read_text() if self.path.is_file() else ""

    def put(self, package):
        self.path.write_text(package.hash)
        return str(self.path)
''',
    "watch/monitors/nights.py": '''
"""Is it asked at night?"""
from thirtyfold.core.verdict import Verdict

__all__ = ["Nights"]


class Nights:
    """Always content."""

    def calibrate(self, package):
        return {}

    def look(self, package, state, live):
        return [Verdict("nights", True, "all quiet", 0.0, None, package.hash)]
''',
}

SPEC = """
name: new
target: bought
collect: {data}
task: pairs
metric: right_share
model: stump
safety: [size_of_answers]
deploy: [drawer: {{path: {drawer}}}]
monitor: [nights]
compress: null
"""


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.py"))
    }


def run(source: Path, spec: Path, home: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "thirtyfold", "run", str(spec), "--json"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(source), "THIRTYFOLD_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with the eight new files."""
    root = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "src" / "thirtyfold", root / "thirtyfold", ignore=shutil.ignore_patterns("__pycache__"))
    before = digests(root / "thirtyfold")
    for name, text in NEW.items():
        (root / "thirtyfold" / name).write_text(text)
    after = digests(root / "thirtyfold")
    assert set(after) - set(before) == set(NEW), "one new file each"
    assert all(after[name] == before[name] for name in before), "and no edit"
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "d.csv"
    rng = np.random.default_rng(0)
    stars, visits = rng.integers(1, 6, 400), rng.normal(10, 3, 400).round(2)
    likes = stars + 0.2 * visits + rng.normal(0, 1, 400) > 5
    rows = [f"{'★' * s},{v},{'yes' if y else 'no'}" for s, v, y in zip(stars, visits, likes, strict=True)]
    path.write_text("rating,visits,bought\n" + "\n".join(rows))
    return path


def test_seven_new_members_in_one_run(source, data, tmp_path):
    spec = tmp_path / "new.yaml"
    spec.write_text(SPEC.format(data=data, drawer=tmp_path / "drawer"))
    summary = run(source, spec, tmp_path / "home")
    assert summary["task"] == "pairs" and summary["score"]["metric"] == "right_share"
    assert 75 < summary["score"]["test"] <= 100, "in percent, with the stars read as numbers"
    assert "1 stars" in summary["steps"][6]["why"]
    assert "safety.size_of_answers" in {g["name"] for g in summary["gates"]}
    assert (tmp_path / "drawer").read_text() == summary["package_hash"]
    assert "nights" in json.dumps(summary["steps"][29])


def test_a_new_optimizer_in_the_one_loop(source, data, tmp_path):
    spec = tmp_path / "o.yaml"
    model = "{mlp: {optimizer: {plain: {rate: 0.05}}, epochs: 3}}"
    spec.write_text(f"name: o\ntarget: bought\ncollect: {data}\nmodel: {model}\nsafety: []\ncompress: null\n")
    summary = run(source, spec, tmp_path / "home")
    assert '"optimizer": "plain"' in json.dumps(summary["steps"][18])
