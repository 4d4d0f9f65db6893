"""Inner: the runner's handle for one piece of a stage's work, with checkpoints of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from thirtyfold.core.step import Checkpoint, Context

__all__ = ["Inner", "steady"]


class Inner:
    """The same seed and threads; names of checkpoints and progress begin with ``name``.

    ``reserve`` seconds of the budget are kept back for what comes later; with ``None`` the work may take its
    time, because half of it would be worth nothing.
    """

    def __init__(self, context: Context, name: str, seed: int | None = None, reserve: float | None = None) -> None:
        self._context, self._name, self._reserve = context, name, reserve
        self.seed = context.seed if seed is None else seed
        self.threads = context.threads

    @property
    def checkpoint(self) -> Checkpoint:
        return self

    def save(self, name: str, files: Mapping[str, bytes]) -> None:
        self._context.checkpoint.save(f"{self._name}-{name}", files)

    def load(self, name: str) -> dict[str, bytes] | None:
        return self._context.checkpoint.load(f"{self._name}-{name}")

    def folder(self, name: str) -> Path:
        return self._context.checkpoint.folder(f"{self._name}-{name}")

    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        self._context.progress(f"{self._name}: {text}", done, total)

    def remaining(self) -> float | None:
        left = self._context.remaining()
        return None if left is None or self._reserve is None else max(0.0, left - self._reserve)

    def look(self, seal: str, why: str) -> int:
        return self._context.look(seal, why)


@contextmanager
def steady() -> Iterator[None]:
    """One thread for NumPy's sums in here: in another order they are other sums, and the bytes may not depend on how
    busy the machine is.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
