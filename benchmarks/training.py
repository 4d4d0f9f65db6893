"""How fast the loop learns beside a loop written by hand, the Hugging Face Trainer and Lightning: samples a second.

usage: python benchmarks/training.py [--rounds 5] [--peer PYTHON] [--threads 2] [--clock wall|cpu]

The same network, batches of the same size and the same data, on the CPU: dense layers on rows like those of Adult and a
small convolutional network on 32 x 32 pictures in color. The rounds alternate between the loops, so that all of them
meet the same neighbors; medians are printed with the ratio to the loop by hand. ``--peer`` is a Python in which
``transformers`` with ``accelerate``, or ``lightning``, can be imported beside the same PyTorch. On a machine where others
work too, take ``--threads 1 --clock cpu``: seconds of the processor instead of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class Case(NamedTuple):
    """What is learned: rows, numbers in a row, classes, rows in a batch, epochs."""

    make: Callable[[], nn.Module]
    rows: int
    width: int
    classes: int
    batch: int
    epochs: int


def dense() -> nn.Module:
    """As the model ``mlp`` makes it, without dropout, which everyone's loop would draw differently."""
    return nn.Sequential(nn.Linear(100, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (3, 32, 32)),
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(4096, 10)),
    )


CASES = {
    "dense": Case(dense, 34_000, 100, 2, 256, 10),
    "convolutional": Case(convolutional, 4_000, 3072, 10, 64, 3),
}
RATE, CLIP = 1e-3, 1.0
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Clock = Callable[[], float]


def data(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Random rows and class codes, the same for every loop."""
    rng = np.random.default_rng(0)
    x = rng.random((case.rows, case.width), dtype=np.float32)
    return torch.from_numpy(x), torch.from_numpy(rng.integers(0, case.classes, case.rows))


def by_hand(case: Case, now: Clock) -> float:
    """A plain loop, as one writes it for one network: tensors in memory, fused AdamW, clipped gradients."""
    x, codes = data(case)
    network = case.make().train()
    stepper = torch.optim.AdamW(network.parameters(), lr=RATE, fused=True)
    begun = now()
    for _ in range(case.epochs):
        for chosen in torch.split(torch.randperm(len(x)), case.batch):
            loss = nn.functional.cross_entropy(network(x[chosen]), codes[chosen])
            stepper.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            stepper.step()
    return now() - begun


def ours(case: Case, now: Clock) -> float:
    from thirtyfold.core.family import Family
    from thirtyfold.core.quiet import Quiet
    from thirtyfold.learn.loop import Plan, Rows, learn

    def member(family: str, choice: Any) -> Any:
        return Family[Any](f"learn.{family}").build(choice, family)

    x, codes = data(case)
    rows = Rows(x.numpy(), np.eye(case.classes, dtype=np.float32)[codes.numpy()], np.ones(case.rows, np.float32))
    optimizer = member("optimizers", {"adamw": {"rate": RATE}})
    plan = Plan(member("losses", "cross_entropy"), optimizer, member("schedules", "constant"), (), case.epochs)
    begun = now()
    learn(case.make(), plan._replace(batch=case.batch, clip=CLIP), rows, None, Quiet())
    return now() - begun


class Coded(torch.utils.data.Dataset[Any]):
    """Rows one by one, as the peers read them."""

    def __init__(self, case: Case) -> None:
        self.x, self.codes = data(case)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[at], "labels": self.codes[at]}


def trainer(case: Case, now: Clock) -> float:
    from transformers import Trainer, TrainingArguments

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = case.make()

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            outputs = self.inner(x)
            return {"loss": nn.functional.cross_entropy(outputs, labels), "logits": outputs}

    options = TrainingArguments(
        tempfile.mkdtemp(), per_device_train_batch_size=case.batch, num_train_epochs=case.epochs, learning_rate=RATE,
        max_grad_norm=CLIP, optim="adamw_torch_fused", lr_scheduler_type="constant", save_strategy="no", report_to=[],
        logging_strategy="no", disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False,
    )  # fmt: skip
    run = Trainer(Network(), options, train_dataset=Coded(case))
    begun = now()
    run.train()
    return now() - begun


def lightning(case: Case, now: Clock) -> float:
    import lightning as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner = case.make()

        def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
            return nn.functional.cross_entropy(self.inner(batch["x"]), batch["labels"])

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=RATE)

    loader = torch.utils.data.DataLoader(Coded(case), case.batch, shuffle=True)
    run = pl.Trainer(
        max_epochs=case.epochs, accelerator="cpu", logger=False, enable_checkpointing=False, gradient_clip_val=CLIP,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    begun = now()
    run.fit(Module(), loader)
    return now() - begun


def one(loop: str, name: str, threads: int, clock: str) -> float:
    """Seconds of one loop in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return float(globals()[loop](CASES[name], CLOCKS[clock]))


def elsewhere(python: str, loop: str, name: str, threads: int, clock: str) -> float | None:
    """Seconds of one loop in another Python; None where its library is not there."""
    words = [python, __file__, "--one", loop, name, "--threads", str(threads), "--clock", clock]
    alone = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=alone)
    if done.returncode:
        print(f"{loop}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}", file=sys.stderr)
        return None
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", default="")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    how = (options.threads, options.clock)
    if options.one:
        one(*options.one, *how)  # the first time also imports and warms up
        print(one(*options.one, *how))
        return
    for name, case in CASES.items():
        taken: dict[str, list[float]] = {loop: [] for loop in ("by_hand", "ours", "trainer", "lightning")}
        for loop in ("by_hand", "ours"):
            one(loop, name, *how)
        for _ in range(options.rounds):
            for loop, seconds in taken.items():
                if loop in ("by_hand", "ours"):
                    seconds.append(one(loop, name, *how))
                elif options.peer and (found := elsewhere(options.peer, loop, name, *how)) is not None:
                    seconds.append(found)
        _print(name, case, taken, how)


def _print(name: str, case: Case, taken: dict[str, list[float]], how: tuple[int, str]) -> None:
    base = statistics.median(taken["by_hand"])
    for loop, seconds in taken.items():
        if seconds:
            middle = statistics.median(seconds)
            told = {
                "case": name,
                "loop": loop,
                "samples_per_s": round(case.rows * case.epochs / middle),
                "of_by_hand": round(base / middle, 3),
                "seconds": [round(s, 2) for s in sorted(seconds)],
                "threads": how[0],
                "clock": how[1],
                "load": round(os.getloadavg()[0], 1),
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
