"""Inner: the runner's handle for one piece of a stage's work, with checkpoints of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from thirtyfold.core.step import Checkpoint, Context

__all__ = ["Inner", "steady"]


class Inner:
    """The same seed, threads and budget; names of checkpoints and progress begin with ``name``."""

    def __init__(self, context: Context, name: str, seed: int | None = None) -> None:
        self._context, self._name = context, name
        self.seed = context.seed if seed is None else seed
        self.threads = context.threads

    @property
    def checkpoint(self) -> Checkpoint:
        return self

    def save(self, name: str, files: Mapping[str, bytes]) -> None:
        self._context.checkpoint.save(f"{self._name}-{name}", files)

    def load(self, name: str) -> dict[str, bytes] | None:
        return self._context.checkpoint.load(f"{self._name}-{name}")

    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        self._context.progress(f"{self._name}: {text}", done, total)

    def remaining(self) -> float | None:
        return self._context.remaining()

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
