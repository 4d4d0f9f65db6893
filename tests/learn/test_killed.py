"""kill -9 at random moments, inside epochs too: the weights end as if nothing had happened, to the bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, json, os, random, signal, sys, time
from pathlib import Path
import numpy as np, torch
from sklearn.datasets import load_digits
from thirtyfold.core.encoder import Block
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.store import Folder
from thirtyfold.learn.loop import Plan, Rows, learn

torch.set_num_threads(1)
KIND, ROOT = sys.argv[1], Path(sys.argv[2])
IMAGE = (Block("image", (1, 8, 8)),)


class OnDisk(Quiet):
    @property
    def checkpoint(self):
        return Folder(self.folder)


def member(family, choice):
    return Family(f"learn.{family}").build(choice, family)


def network():
    n = torch.nn
    torch.manual_seed(0)
    if KIND == "table":
        drop = member("regularizers", {"dropout": 0.2}).layer()
        return n.Sequential(n.Linear(64, 64), n.SiLU(), drop, n.Linear(64, 64), n.SiLU(), n.Linear(64, 10))
    return n.Sequential(
        n.Unflatten(1, (1, 8, 8)), n.Conv2d(1, 16, 3, padding=1), n.BatchNorm2d(16), n.ReLU(), n.Dropout(0.1),
        n.Flatten(), n.Linear(1024, 10),
    )


def plan():
    if KIND == "table":
        parts = [{"mixup": 0.3}, {"noise": 0.1}, "averaging", {"early_stopping": 50}]
        optimizer, schedule = "muon", {"plateau": {"patience": 1}}
    else:
        parts = [{"shift": 0.2}, "cutmix", {"weight_decay": 0.05}, {"early_stopping": 50}]
        optimizer, schedule = {"adamw": {"rate": 0.004}}, "one_cycle"
    return Plan(
        member("losses", "cross_entropy"), member("optimizers", optimizer), member("schedules", schedule),
        tuple(member("regularizers", p) for p in parts), epochs=3, batch=8, layout=IMAGE, keep=0.01,
    )


def train(folder):
    digits = load_digits()
    x, y = (16 * digits.data).clip(0, 255).astype(np.float32), np.eye(10, dtype=np.float32)[digits.target]
    weight = np.linspace(0.5, 1.5, len(x), dtype=np.float32)
    rows, held = (Rows(x[w], y[w], weight[w]) for w in (slice(800), slice(800, 1100)))
    context = OnDisk(seed=4)
    context.folder = ROOT / folder
    net = network()
    curves = learn(net, plan(), rows, held, context)
    whole = b"".join(v.numpy().tobytes() for v in net.state_dict().values()) + json.dumps(curves.train).encode()
    (ROOT / f"{folder}.hash").write_text(hashlib.sha256(whole).hexdigest())


begun = time.monotonic()
train("whole")  # here, so that everything is imported when children are forked
taken = time.monotonic() - begun
draw, resumed = random.Random(), []
for kill in (True, True, True, True, False):
    states = [json.loads(p.read_text()) for p in (ROOT / "killed").glob("*/state.json")]
    resumed.append(max(states, key=lambda s: s["written"])["batch"] if states else None)
    child = os.fork()
    if child == 0:
        train("killed")
        os._exit(0)
    if kill:
        time.sleep(draw.uniform(0.15, 0.35) * taken)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(json.dumps({n: (ROOT / f"{n}.hash").read_text() for n in ("whole", "killed")} | {"resumed": resumed}))
"""


@pytest.mark.parametrize("kind", ["table", "images"])
@pytest.mark.step(20)
def test_killed_at_any_batch_it_ends_the_same(tmp_path: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert any(told["resumed"]), "it never went on from inside an epoch"
    assert told["killed"] == told["whole"]
