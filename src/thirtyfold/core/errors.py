"""Everything that can go wrong, in one tree.

* ThirtyfoldError      base of all errors raised on purpose
  - SpecError          the Spec asks for what cannot be            (exit status 2)
  - DataError          the data is not what the Spec says          (exit status 2)
  - MissingExtra       a library that a member needs is not here   (exit status 2)
  - PackageError       a Package is altered, unreadable or foreign (exit status 2)
  - GateError          a gate said no                              (exit status 3)
  - Stopped            the user asked for the run to stop          (exit status 130)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "DataError",
    "Fault",
    "GateError",
    "MissingExtra",
    "PackageError",
    "SpecError",
    "Stopped",
    "ThirtyfoldError",
]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where it stands, what came, what is allowed, what to try."""

    where: str
    what: str
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.hint:
            parts.append(self.hint)
        if self.allowed:
            parts.append(f"Allowed: {self.allowed}.")
        return " ".join(parts)


class ThirtyfoldError(Exception):
    """Base of all errors raised on purpose. Carries every fault that was found, not only the first."""

    status = 1

    def __init__(self, faults: str | Fault | Sequence[Fault]) -> None:
        if isinstance(faults, str):
            faults = [Fault("", faults)]
        elif isinstance(faults, Fault):
            faults = [faults]
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class SpecError(ThirtyfoldError):
    """The Spec asks for what cannot be. ``sound`` is the Spec of its other keys, where those make one."""

    status = 2
    sound: Any = None


class DataError(ThirtyfoldError):
    """The data is not what the Spec says, or cannot be read."""

    status = 2


class MissingExtra(ThirtyfoldError):
    """A library that a member needs is not installed; the text names the command that brings it."""

    status = 2


class PackageError(ThirtyfoldError):
    """A Package was altered, cannot be read, or was written by a newer version."""

    status = 2


class GateError(ThirtyfoldError):
    """A gate said no: the run is complete and nothing was deployed."""

    status = 3


class Stopped(ThirtyfoldError):
    """The user stopped the run; what was done is kept and the same command goes on."""

    status = 130
