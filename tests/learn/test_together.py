"""Two processes, of torchrun or started here, learn what one learns, within rounding."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from sklearn.datasets import load_digits

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet

SCRIPT = """
import json, os, sys
from pathlib import Path
import numpy as np, torch
from sklearn.datasets import load_digits
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.store import Folder
from thirtyfold.learn.loop import Plan, Rows, learn

class OnDisk(Quiet):
    @property
    def checkpoint(self):
        return Folder(Path(sys.argv[1]) / "kept")

def member(family, choice):
    return Family(f"learn.{family}").build(choice, family)

torch.set_num_threads(1)
if "RANK" in os.environ:
    torch.distributed.init_process_group("gloo")
digits = load_digits()
x, y = digits.data.astype(np.float32) / 16, np.eye(10, dtype=np.float32)[digits.target]
weight = np.linspace(0.5, 1.5, len(x), dtype=np.float32)
rows, held = (Rows(x[w], y[w], weight[w]) for w in (slice(1001), slice(1001, 1400)))
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
parts = [member("regularizers", p) for p in ("averaging", {"early_stopping": 3})]
plan = Plan(
    member("losses", "cross_entropy"), member("optimizers", "adamw"), member("schedules", "cosine"), tuple(parts),
    epochs=4, batch=40, keep=0.05,
)
curves = learn(net, plan, rows, held, OnDisk(seed=3))
rank = os.environ.get("RANK", "one")
told = {
    "validation": curves.validation, "train": curves.train, "processes": curves.settings["processes"],
    "weights": torch.cat([p.detach().flatten() for p in net.parameters()]).tolist(),
}
(Path(sys.argv[1]) / f"{rank}.json").write_text(json.dumps(told))
if rank != "one":
    torch.distributed.destroy_process_group()
"""


@pytest.mark.step(19, 20)
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """A global batch of 40 and one of 1 at the end, of which the second process has no row; unequal weights."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    (tmp_path / "alone").mkdir()
    (tmp_path / "together").mkdir()
    subprocess.run([sys.executable, str(script), str(tmp_path / "alone")], check=True, env=env)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*torchrun, str(script), str(tmp_path / "together")], check=True, env=env, capture_output=True)
    alone = json.loads((tmp_path / "alone" / "one.json").read_text())
    first, second = (json.loads((tmp_path / "together" / f"{r}.json").read_text()) for r in "01")
    assert (alone["processes"], first["processes"]) == (1, 2)
    assert first == second
    assert first["train"] == pytest.approx(alone["train"], rel=1e-4)
    assert first["validation"] == pytest.approx(alone["validation"], rel=1e-4)
    assert first["weights"] == pytest.approx(alone["weights"], abs=1e-3)


def digits() -> tuple[Encoded, Encoded]:
    """Training and validation rows of scikit-learn's digits as pictures."""
    data = load_digits()
    names, layout = tuple(f"p{n}" for n in range(64)), (Block("image", (1, 8, 8), "picture"),)
    whole = Encoded(data.data.astype(np.float32), names, (0,) * 64, data.target.astype(np.int64), None, 10, layout)
    return whole.take(np.arange(1201)), whole.take(np.arange(1201, 1797))


def model_of(word: str, processes: int, **options: object):
    framework = {"pytorch": {"processes": processes}}
    return Family("learn.models").build({word: {"framework": framework, **options}}, "model")


@pytest.mark.step(13, 19)
def test_a_model_is_learned_by_the_processes_that_the_spec_asks_for():
    """With batch normalization over all rows of a batch: its running mean and variance are those of one process."""
    train, held = digits()
    one, two = (model_of("cnn", n, epochs=1, dropout=0.0, width=4) for n in (1, 2))
    one.fit(train, held, Quiet(seed=2))
    two.fit(train, held, Quiet(seed=2))
    assert (one.curves.settings["processes"], two.curves.settings["processes"]) == (1, 2)
    assert two.curves.train == pytest.approx(one.curves.train, rel=1e-3)
    assert two.predict(held.matrix) == pytest.approx(one.predict(held.matrix), abs=0.02)
    assert "in each of 2 processes" in two.story()[0].why
    assert [e.step for e in two.story()] == [e.step for e in one.story()]


PARENT = """
import hashlib, sys
sys.path.insert(0, sys.argv[2])
from test_together import digits, model_of
from pathlib import Path
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.store import Folder

class OnDisk(Quiet):
    @property
    def checkpoint(self):
        return Folder(Path(sys.argv[1]))

    def progress(self, text, done=None, total=None):
        print(text, flush=True)

train, held = digits()
model = model_of("mlp", 2, epochs=int(sys.argv[3]), batch=16, regularizers=[])
model.fit(train, held, OnDisk(seed=3))
print(hashlib.sha256(model.save()["model.safetensors"]).hexdigest())
"""


@pytest.mark.slow
def test_killed_with_its_processes_it_ends_the_same(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(PARENT)

    def begin(kept: str) -> subprocess.Popen[str]:
        words = [sys.executable, str(script), str(tmp_path / kept), str(Path(__file__).parent), "25"]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    undisturbed = begin("undisturbed").communicate()[0].splitlines()[-1]
    killed = begin("killed")
    while not list((tmp_path / "killed").glob("together/kept/loop-*")):
        assert killed.poll() is None, "it was over before the first checkpoint"
        time.sleep(0.02)
    processes = psutil.Process(killed.pid).children()
    assert len(processes) == 2
    killed.kill()
    killed.communicate()
    assert not psutil.wait_procs(processes, timeout=10)[1], "they go on without the one that started them"
    assert begin("killed").communicate()[0].splitlines()[-1] == undisturbed


def processes() -> list[psutil.Process]:
    """Those that learn for this one, by rank; other tests may have started others."""
    found = (p for p in psutil.Process().children() if "thirtyfold.learn.together" in p.cmdline())
    return sorted(found, key=lambda p: p.cmdline()[-1])


def test_when_one_process_dies_it_is_said_and_none_stays():
    train, held = digits()
    model = model_of("mlp", 2, epochs=100_000, regularizers=[])

    class Killing(Quiet):
        def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
            processes()[1].kill()

    with pytest.raises(DataError, match=r"process 2 of 2 was ended by signal 9\. Was there memory enough"):
        model.fit(train, held, Killing(seed=1))
    assert not processes()


def test_what_the_processes_refuse_is_refused_here():
    train, held = digits()
    with pytest.raises(SpecError, match="huber is for regression"):
        model_of("mlp", 2, loss="huber").fit(train, held, Quiet())
    with pytest.raises(SpecError, match="a GPU is used by one"):
        Family("learn.frameworks").build({"pytorch": {"device": "cuda", "processes": 2}}, "model.framework")
