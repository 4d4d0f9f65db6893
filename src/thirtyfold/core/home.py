"""Home: where everything that the tool keeps lies: ``.thirtyfold`` beside the Spec, or ``THIRTYFOLD_HOME``."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.store import Store

__all__ = ["Home"]


class Home:
    """``runs/RUN``, ``store``, ``looks`` and ``registry`` under one folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @classmethod
    def beside(cls, spec: str | Path | None = None) -> "Home":
        """The home of a Spec's folder, or of the current one."""
        told = os.environ.get("THIRTYFOLD_HOME")
        folder = Path(spec).resolve().parent if spec is not None else Path.cwd()
        return cls(told or folder / ".thirtyfold")

    @contextmanager
    def told(self) -> Iterator[None]:
        """While it lasts, sources and targets keep what they keep in this home."""
        before = os.environ.get("THIRTYFOLD_HOME")
        os.environ["THIRTYFOLD_HOME"] = str(self.root.absolute())
        try:
            yield
        finally:
            if before is None:
                del os.environ["THIRTYFOLD_HOME"]
            else:
                os.environ["THIRTYFOLD_HOME"] = before

    @property
    def store(self) -> Store:
        return Store(self.root / "store")

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def new_run(self, name: str) -> Path:
        """A fresh folder for a run; its name sorts by time."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for extra in range(1000):
            folder = self.runs / (f"{name}-{stamp}" + (f"-{extra}" if extra else ""))
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise SpecError(f"{self.runs} has too many runs of this second.")

    def run(self, name: str | None = None) -> Path:
        """The folder of a run by its id, or the last one. Raises SpecError that lists what there is."""
        found = {p.name: p for p in self.runs.glob("*") if (p / "record.jsonl").is_file()}
        if not found and name is not None:
            hint = f"There is no run in {self.runs} yet."
            raise SpecError(Fault(name, "is no folder, no run and no name@champion.", hint=hint))
        if not found:
            raise SpecError(f"There is no run in {self.runs} yet: start one with 'thirtyfold run SPEC'.")
        if name is None:
            return max(found.values(), key=lambda p: (p / "record.jsonl").stat().st_mtime)
        if Path(name).is_dir() and (Path(name) / "record.jsonl").is_file():
            return Path(name)
        if name not in found:
            said = nearest(name, found) or "'thirtyfold runs' lists them all."
            raise SpecError(Fault(name, "is no folder, no run and no name@champion.", hint=said))
        return found[name]

    def look(self, seal: str, why: str, run: str = "") -> int:
        """Count a look at sealed rows: appended and flushed before the rows are seen; survives every re-run.

        Returns how many runs have looked: test, audits and the second test of one run choose nothing for each other.
        """
        path = self.root / "looks" / f"{seal}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), "why": why, "run": run}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return len({look.get("run") or at for at, look in enumerate(self.looks(seal))})

    def looks(self, seal: str) -> list[dict[str, Any]]:
        """Every look at these rows so far."""
        path = self.root / "looks" / f"{seal}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
