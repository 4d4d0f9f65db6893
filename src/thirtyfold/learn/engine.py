"""Engine: how one batch is computed: precision, compiling, parts, and the processes that share it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from thirtyfold.learn.checkpointing import State
from thirtyfold.learn.feed import Batch, Feed
from thirtyfold.learn.guards import no_memory, split_further
from thirtyfold.learn.normal import normalized_together
from thirtyfold.learn.parts import Plan, Precision

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Engine"]

EVERY = 25
"""Batches between two looks at the loss on a GPU."""
TRIED = 12
"""Batches that each way of computing is measured on; the first third warms up."""
WAYS: tuple[Precision, ...] = ("float32", "bfloat16")
GAIN = 1.05
"""A way of computing is taken when it is faster by this."""
WORTH = 60.0
"""Seconds that are left to learn, at least, for compiling to be tried: it takes about as long itself."""


class Engine:
    """Computes slopes. With ``torch.distributed`` running, each process takes its share of every batch."""

    def __init__(self, plan: Plan, network: nn.Module) -> None:
        import torch

        self.plan, self.network = plan, network
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.gpu = plan.device.startswith("cuda")
        self.every = EVERY if self.gpu else 1
        self.precision: str = "float32" if plan.precision == "auto" else plan.precision
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.rank = torch.distributed.get_rank() if together else 0
        self.many = torch.distributed.get_world_size() if together else 1
        self.share = slice(self.rank, None, self.many) if self.many > 1 else slice(None)
        self.forward: Any = network
        self.settings: dict[str, Any] = {}

    @property
    def first(self) -> bool:
        """Whether this process writes what all of them know."""
        return self.rank == 0

    def scaler(self) -> Any:
        """Keeps float16 slopes from vanishing; does nothing at other precisions."""
        import torch

        return torch.amp.GradScaler(self.plan.device, enabled=self.precision == "float16")

    def scatter(self, seed: int) -> None:
        """Random numbers of its own for each process, once the order of rows, which all share, is drawn."""
        import torch

        if self.rank:
            torch.manual_seed(seed + self.rank)

    def slope(self, state: State, batch: Batch) -> Tensor:
        """Forward and backward on a batch, in more parts than before whenever memory runs out. Returns its loss: the
        mean over its rows.
        """
        while True:
            try:
                loss = self._in_parts(state, batch)
            except RuntimeError as error:
                if not no_memory(error):
                    raise
            else:
                if self.many > 1:
                    self._together()
                return loss
            split_further(state, len(batch.x))

    def _in_parts(self, state: State, batch: Batch) -> Tensor:
        import torch

        state.stepper.zero_grad(set_to_none=True)
        losses = []
        for x, y, weight in batch.parts(state.parts):
            for regularizer in self.plan.regularizers:
                x, y = regularizer.batch(x, y)  # noqa: PLW2901 - the part as the network shall see it
            with self._cast():
                outputs = self.forward(x)
            by_row = self.plan.loss(outputs.float(), y)
            if weight is None and batch.total == len(y):
                loss = by_row.mean()  # the same as below in one operation less, forward and backward
            else:
                loss = (by_row if weight is None else by_row * weight).sum() / batch.total
            state.scaler.scale(loss).backward()
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _cast(self) -> Any:
        import torch

        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.plan.device.split(":")[0], getattr(torch, self.precision))

    def _together(self) -> None:
        """Add up the slopes of all processes: each has the part of the loss that its rows have in the whole batch."""
        import torch

        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.reshape(-1) for p in self.parameters if p.grad is not None])
        torch.distributed.all_reduce(flat)
        at = 0
        for parameter in self.parameters:
            parameter.grad = flat[at : at + parameter.numel()].view_as(parameter)
            at += parameter.numel()

    def shared(self) -> AbstractContextManager[None]:
        """In here what is computed over the rows of a batch is computed over those of all processes."""
        return normalized_together(self.network) if self.many > 1 else nullcontext()

    def summed(self, losses: list[Tensor]) -> float:
        """The sum of losses as a number, over all processes."""
        import torch

        if self.many == 1:
            return sum(map(float, losses))
        whole = torch.stack(losses).double().sum()
        torch.distributed.all_reduce(whole)
        return float(whole)

    def any(self, *, flag: bool) -> bool:
        """Whether it is so in any process."""
        import torch

        if self.many == 1:
            return flag
        told = torch.tensor([float(flag)], device=self.plan.device)
        torch.distributed.all_reduce(told)
        return bool(told.item() > 0)

    def clip(self) -> Tensor:
        """Shorten the gradient to the plan's length; returns how long it was."""
        from torch.nn.utils import clip_grad_norm_

        return clip_grad_norm_(self.parameters, self.plan.clip or float("inf"))

    def choose(self, state: State, feed: Feed) -> None:
        """Precision and compiling by a short measurement where the plan says ``auto`` and there is a GPU.

        What was chosen once stays: it is in the checkpoints with the curves.
        """
        import torch

        kept = state.curves.settings
        if not kept:
            kept["precision"] = self._precise(state, feed)
            kept["compile"] = self._compiles(state, feed)
        self.precision = str(kept["precision"])
        self.forward = torch.compile(self.network) if kept["compile"] else self.network
        self.settings = {"precision": self.precision, "compile": bool(kept["compile"]), "processes": self.many}

    def _precise(self, state: State, feed: Feed) -> str:
        if self.plan.precision != "auto" or not self.gpu:
            return self.precision
        found = {}
        for precision in WAYS:
            self.precision = precision
            found[precision] = self._seconds(state, feed)
        return "bfloat16" if found["bfloat16"] * GAIN < found["float32"] else "float32"

    def _compiles(self, state: State, feed: Feed) -> bool:
        import torch

        if self.plan.compile != "auto" or not self.gpu:
            return self.plan.compile is True
        plain = self._seconds(state, feed)
        if plain * self.plan.epochs * len(feed) / self.plan.batch < WORTH:
            return False
        self.forward = torch.compile(self.network)
        return self._seconds(state, feed) * GAIN < plain

    def _seconds(self, state: State, feed: Feed) -> float:
        """Seconds that forward and backward of one batch take; nothing is learned and no random number is used up."""
        import torch

        batch = feed.first(self.plan.batch)
        held = {n: v.clone() for n, v in self.network.state_dict().items()}
        self.network.train()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            for at in range(TRIED):
                if at == TRIED // 3:
                    self._wait()
                    begun = time.perf_counter()
                self.slope(state, batch)
            self._wait()
        taken = time.perf_counter() - begun
        self.network.load_state_dict(held)  # the means that normalizing layers keep have moved
        return taken / (TRIED - TRIED // 3)

    def _wait(self) -> None:
        import torch

        if self.gpu:
            torch.cuda.synchronize()
