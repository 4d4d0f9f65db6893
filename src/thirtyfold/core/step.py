"""Stage: one part of the lifecycle. The signature of its ``run`` is its contract.

It needs what its parameters are named and gives what the fields of its result are named; ``context`` among the
parameters is the runner's handle and ``evidence`` among the fields goes to the record. ``plan.py`` refuses a plan in
which a need is not given, or is given as another type, before anything runs.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, get_type_hints

__all__ = ["Checkpoint", "Context", "Contract", "Stage", "contract"]


class Checkpoint(Protocol):
    """A place for half-done work of the running stage; what is saved survives ``kill -9`` and is saved atomically."""

    def save(self, name: str, files: Mapping[str, bytes]) -> None:
        """Keep ``files`` under ``name``, replacing what was there at once."""
        ...

    def load(self, name: str) -> dict[str, bytes] | None:
        """What was last saved under ``name``, or ``None``."""
        ...

    def folder(self, name: str) -> Path:
        """A folder for what other processes write by themselves; it stays as long as what is saved."""
        ...


class Context(Protocol):
    """The runner's handle: everything a stage may know of the world outside its values."""

    @property
    def seed(self) -> int:
        """The seed of the run; derive others from it, never from the clock."""
        ...

    @property
    def threads(self) -> int:
        """How many threads this stage may use, at most the free cores."""
        ...

    @property
    def checkpoint(self) -> Checkpoint: ...

    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        """Say what is being done now; with ``total``, a bar with the time left is shown."""
        ...

    def remaining(self) -> float | None:
        """Seconds left of the user's budget in minutes, or ``None`` where there is none."""
        ...

    def look(self, seal: str, why: str) -> int:
        """Count one look at sealed rows, durably and before they are seen; returns how many there were so far."""
        ...


class Stage(Protocol):
    """Built from the Spec, run on what came before. ``steps`` are the numbers of the thirty that it does."""

    steps: ClassVar[tuple[int, ...]]

    @property
    def run(self) -> Any: ...


class Contract(NamedTuple):
    """What a stage needs and gives: names with their types."""

    needs: dict[str, Any]
    gives: dict[str, Any]
    wants_context: bool


def contract(stage: Any) -> Contract:
    """Read a stage's contract from the signature of its ``run``.

    A parameter with a default is an optional need: it is passed when an earlier stage gives it.
    """
    hints = get_type_hints(stage.run)
    gives = dict(get_type_hints(hints.pop("return")))
    gives.pop("evidence")
    needs = {name: hints[name] for name in inspect.signature(stage.run).parameters if name != "self"}
    wants = needs.pop("context", None) is not None
    return Contract(needs, gives, wants)
