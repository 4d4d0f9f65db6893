"""Registry: every version of a model by name, which one is the champion, and which one was before it.

``registry/NAME/packages/HASH/`` holds the Packages, ``versions.jsonl`` what happened (append-only), ``champion.json``
points to the one in service; it is replaced at once, so that a server that follows it never reads half of it.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import Fault, PackageError, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.package import Package
from thirtyfold.core.record import Record
from thirtyfold.core.store import write_folder

__all__ = ["Champion", "Registry", "read_pointer"]


@dataclass(frozen=True)
class Champion:
    """The version in service. ``previous`` are the hashes of earlier champions, the last one last."""

    hash: str
    folder: str
    run: str = ""
    previous: tuple[str, ...] = ()
    time: float = 0.0
    why: str = ""

    def open(self) -> Package:
        """The Package, checked against its manifest and against the hash that was promoted."""
        package = Package.open(self.folder)
        if package.hash != self.hash:
            raise PackageError(f"{self.folder} holds {package.hash[:12]}, but {self.hash[:12]} was promoted.")
        return package


class Registry:
    """The versions of one name under ``root/registry/NAME``."""

    def __init__(self, root: str | Path, name: str) -> None:
        self.name = name
        self.folder = Path(root) / "registry" / name

    @property
    def pointer(self) -> Path:
        """The file that names the champion; a server watches it."""
        return self.folder / "champion.json"

    @property
    def _record(self) -> Record:
        return Record(self.folder / "versions.jsonl")

    def add(self, package: Package, run: str = "") -> Path:
        """Keep a version; returns its folder. Adding the same one again changes nothing but its card and metrics."""
        folder = self.folder / "packages" / package.hash[:16]
        if not folder.is_dir() or Package.open(folder).save() != package.save():
            write_folder(folder, package.save())
        if package.hash not in {v["hash"] for v in self.versions()}:
            event = {"hash": package.hash, "folder": str(folder), "run": run, "time": time.time()}
            self._record.add("added", **event, metrics=_metrics(package))
        return folder

    def versions(self) -> list[dict[str, Any]]:
        """Every version that was added, oldest first: number, hash, folder, run, time, metrics."""
        added = [e for e in self._record if e["event"] == "added"]
        return [{"number": i + 1, **{k: v for k, v in e.items() if k != "event"}} for i, e in enumerate(added)]

    def history(self) -> list[dict[str, Any]]:
        """Everything that happened: added, promoted, rolled_back."""
        return list(self._record)

    def champion(self) -> Champion | None:
        """The version in service, or None when none was promoted yet."""
        return read_pointer(self.pointer)

    def promote(self, which: str, why: str = "") -> Champion:
        """Make a version the champion, by its hash, the start of it, or its number. Raises SpecError for none such."""
        version = self._find(which)
        now = self.champion()
        if now is not None and now.hash == version["hash"]:
            return now
        previous = (*now.previous, now.hash) if now else ()
        return self._point("promoted", version, previous, why)

    def rollback(self, why: str = "") -> Champion:
        """Make the champion before this one the champion again. Raises SpecError when there was none."""
        now = self.champion()
        if now is None or not now.previous:
            raise SpecError(f"'{self.name}' has no earlier champion to go back to.")
        *previous, last = now.previous
        return self._point("rolled_back", self._find(last), tuple(previous), why)

    def _find(self, which: str) -> dict[str, Any]:
        versions = self.versions()
        found = [v for v in versions if str(v["number"]) == which or (len(which) >= 4 and v["hash"].startswith(which))]
        if len(found) != 1:
            known = [f"{v['number']} ({v['hash'][:12]})" for v in versions[-8:]]
            hint = nearest(which, [v["hash"][:12] for v in versions])
            raise SpecError(Fault(self.name, f"there is no one version '{which}'.", ", ".join(known), hint))
        return found[0]

    def _point(self, event: str, version: dict[str, Any], previous: tuple[str, ...], why: str) -> Champion:
        made = Champion(version["hash"], version["folder"], version["run"], previous, time.time(), why)
        made.open()
        new = self.pointer.with_name(f".{self.pointer.name}.{os.getpid()}.new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(made), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        self._record.add(event, hash=made.hash, run=made.run, time=made.time, why=why)
        new.replace(self.pointer)
        return made


def read_pointer(path: Path) -> Champion | None:
    """The champion that a pointer file names, or None where there is no such file."""
    try:
        state = json.loads(path.read_bytes())
        return Champion(**{**state, "previous": tuple(state["previous"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise PackageError(f"{path} does not name a champion.") from None


def _metrics(package: Package) -> dict[str, Any]:
    return dict(json.loads(package.files.get("metrics.json", b"{}")))
