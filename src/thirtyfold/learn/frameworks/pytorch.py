"""PyTorch: the framework of everything here that learns by gradient."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import Field

from thirtyfold.core.errors import Fault, SpecError

__all__ = ["Pytorch"]


class Pytorch:
    """PyTorch on the device there is; on a CPU the same seed gives the same bytes."""

    def __init__(
        self,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        threads: Annotated[int, Field(ge=1, le=256)] = 1,
        processes: Annotated[int, Field(ge=1, le=256)] = 1,
    ) -> None:
        """Set the options.

        Args:
            device: Where to learn. ``auto`` takes a GPU when there is one; equal bytes are promised on a CPU alone, so
                ``cpu`` keeps to it. ``cuda`` asks for a GPU.
            threads: Of the CPU. Fixed, because sums in another order are other sums: the same bytes on every machine,
                however busy. Networks for tables are small, and one thread does adult's batches in about the time of
                two; networks for images gain from more.
            processes: That share every batch, on a CPU: the same result as of one process, within rounding.
        """
        if device == "cuda" and processes > 1:
            what = "several processes share the batches on a CPU; a GPU is used by one."
            raise SpecError(Fault("model.framework.pytorch.processes", what, hint="Take 'device: cpu' or one process."))
        self.device, self.threads, self.processes = device, threads, processes

    @property
    def place(self) -> str:
        """The device that is used."""
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise SpecError(Fault("model.framework.pytorch.device", "there is no GPU here.", hint="Take 'auto'."))
        return "cuda" if self.device != "cpu" and self.processes == 1 and torch.cuda.is_available() else "cpu"

    def facts(self) -> dict[str, Any]:
        """Name, version, device and threads, for the evidence."""
        import torch

        return {"framework": "pytorch", "version": torch.__version__, "device": self.place, "threads": self.threads}

    @contextmanager
    def session(self, seed: int) -> Iterator[str]:
        """Learn in here: threads and random numbers are set, and put back afterwards. Gives the device."""
        import torch

        threads, place = torch.get_num_threads(), self.place
        torch.set_num_threads(self.threads)
        try:
            with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if place == "cuda" else []):
                torch.manual_seed(seed)
                yield place
        finally:
            torch.set_num_threads(threads)
