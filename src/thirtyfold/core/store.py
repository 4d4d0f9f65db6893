"""Store: results by the hash of what made them. Every write is atomic: whole, or not there."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from thirtyfold.core.errors import DataError
from thirtyfold.core.laid import Laid

__all__ = ["Files", "Folder", "Store", "Stored", "digest", "read_folder", "write_folder", "write_text"]

Files = Mapping[str, bytes]
Stored = Mapping[str, bytes | Laid]
"""Files, of which large ones lie on disk."""


def digest(files: Stored) -> str:
    """The hash of a set of files, by name and content."""
    whole = hashlib.sha256()
    for name in sorted(files):
        data = files[name]
        content = data.name if isinstance(data, Laid) else hashlib.sha256(data).hexdigest()
        whole.update(f"{name} {content}\n".encode())
    return whole.hexdigest()


def write_folder(folder: Path, files: Stored) -> None:
    """Write a folder whole: into a new one beside it, flushed to disk, then renamed into place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, data in files.items():
            path = new / _inside(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(data, Laid):
                _link(data.path, path)
                continue
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        new.chmod(0o755)
        old = folder.with_name(f".{folder.name}.{new.name[-8:]}.old")
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        if old.exists():  # under another name while it goes, so that what is called old is always whole
            gone = old.with_suffix(".gone")
            old.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).chmod(0o644)
    Path(name).replace(path)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative name."""
    return {str(PurePosixPath(p.relative_to(folder))): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{name!r} would be written outside its folder.")
    return path


class Folder:
    """A Checkpoint on disk: half-done work of one stage, by name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, name: str, files: Files) -> None:
        write_folder(self.root / name, files)

    def load(self, name: str) -> dict[str, bytes] | None:
        folder = self.root / name
        if folder.is_dir():
            return read_folder(folder)
        # Killed between the two renames: the earlier state is whole under its old name. A kill before may have left
        # another one there; the one that was written last is it.
        old = self.root.glob(f".{name}.*.old") if self.root.is_dir() else ()
        last = max(old, key=lambda p: p.stat().st_mtime_ns, default=None)
        return None if last is None else read_folder(last)

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path


class Store:
    """``done/KEY`` are results of stages, each gift in a folder of its own; ``partial/KEY`` is half-done work."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def laying(self) -> Path:
        """Where large frames are written before the gift that they belong to is put."""
        return self.root / "laying"

    def put(self, key: str, gifts: Mapping[str, Stored], notes: bytes) -> dict[str, str]:
        """Keep what a stage gave with its evidence; returns the hash of each gift."""
        hashes = {name: digest(files) for name, files in gifts.items()}
        files = {f"{name}/{file}": data for name, inner in gifts.items() for file, data in inner.items()}
        large = {name: data for name, data in files.items() if isinstance(data, Laid)}
        told: dict[str, bytes] = {"index.json": json.dumps(hashes, sort_keys=True).encode(), "notes.json": notes}
        if large:
            told["large.json"] = json.dumps({n: d.name for n, d in large.items()}, sort_keys=True).encode()
        write_folder(self._done(key), {**files, **told})
        for data in large.values():
            if data.path.parent == self.laying:
                data.path.unlink(missing_ok=True)
        shutil.rmtree(self.root / "partial" / key, ignore_errors=True)
        return hashes

    def index(self, key: str) -> dict[str, str] | None:
        """The hash of each gift that is stored under a key, or None."""
        path = self._done(key) / "index.json"
        return dict(json.loads(path.read_bytes())) if path.is_file() else None

    def gift(self, key: str, name: str) -> dict[str, bytes | Laid]:
        """The files of one gift; large ones stay on disk."""
        folder, found = self._done(key), dict[str, bytes | Laid]()
        known = folder / "large.json"
        large = json.loads(known.read_bytes()) if known.is_file() else {}
        for path in (p for p in (folder / name).rglob("*") if p.is_file()):
            file = str(PurePosixPath(path.relative_to(folder / name)))
            content = large.get(f"{name}/{file}")
            found[file] = path.read_bytes() if content is None else Laid(path, content)
        return found

    def notes(self, key: str) -> bytes:
        return (self._done(key) / "notes.json").read_bytes()

    def partial(self, key: str) -> Folder:
        return Folder(self.root / "partial" / key)

    def _done(self, key: str) -> Path:
        return self.root / "done" / key
