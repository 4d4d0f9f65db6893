"""Quiet: a Context without a clock, a screen or a disk, for stages that are used by themselves."""

import shutil
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["Quiet"]


@dataclass
class Quiet:
    """Checkpoints are kept in memory; looks are counted here; ``seconds`` is what remains of a budget."""

    seed: int = 0
    threads: int = 1
    kept: dict[str, dict[str, bytes]] = field(default_factory=dict)
    looks: int = 0
    seconds: float | None = None
    _room: Path | None = None

    @property
    def checkpoint(self) -> "Quiet":
        return self

    def save(self, name: str, files: Mapping[str, bytes]) -> None:
        self.kept[name] = dict(files)

    def load(self, name: str) -> dict[str, bytes] | None:
        return self.kept.get(name)

    def folder(self, name: str) -> Path:
        if self._room is None:
            self._room = Path(mkdtemp(prefix="thirtyfold-"))
            weakref.finalize(self, shutil.rmtree, self._room, ignore_errors=True)
        path = self._room / name
        path.mkdir(exist_ok=True)
        return path

    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        """Says nothing."""

    def remaining(self) -> float | None:
        return self.seconds

    def look(self, seal: str, why: str) -> int:
        self.looks += 1
        return self.looks
