"""Two processes of torchrun learn what one learns, within rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
