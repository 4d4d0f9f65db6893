"""Shelf: the Package in service, and how it is exchanged for another without losing a request."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from thirtyfold.core.door import typed
from thirtyfold.core.errors import ThirtyfoldError
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.package import Package
from thirtyfold.core.registry import read_pointer
from thirtyfold.core.transform import Lookup, OneHot
from thirtyfold.ship.server.schema import example_rows

__all__ = ["Served", "Shelf"]

log = logging.getLogger("thirtyfold.server")


@dataclass(frozen=True)
class Served:
    """A Package made ready: everything is loaded and one row was answered before it is put on the shelf."""

    package: Package
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", self.package.hash)
        self.answer(example_rows(self.package))

    def answer(self, rows: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Array]]:
        """Answers and the typed columns; raises DataError that names every wrong field."""
        return self.package.answered(rows)

    def made(self, columns: Mapping[str, Array]) -> list[dict[str, Any]]:
        """The rows that were made of histories, as the Package's own door reads them again: what monitors look at."""
        names = [c.name for c in self.package.columns]
        moments = {c.name for c in self.package.columns if typed(c).dtype == "moment"}
        values = [_written(columns[n], moment=n in moments) for n in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    @cached_property
    def known(self) -> dict[str, frozenset[str]]:
        """For each text column the values that the model knows; for one that it reads word by word, none is listed."""
        found: dict[str, frozenset[str]] = {}
        for feature in self.package.encoder.features:
            first = feature.chain[0] if feature.chain else None
            if isinstance(first, Lookup | OneHot):
                names = first.table if isinstance(first, Lookup) else first.categories
                found[feature.column] = found.get(feature.column, frozenset()) | frozenset(names)
        return found

    def unknown(self, columns: Mapping[str, Array]) -> dict[str, int]:
        """How many values of each column the model has never seen."""
        found: dict[str, int] = {}
        for name, known in self.known.items():
            times = Counter(columns[name].tolist())
            found[name] = sum(count for value, count in times.items() if value is not None and value not in known)
        return {n: c for n, c in found.items() if c}


def _written(values: Array, *, moment: bool) -> list[Any]:
    """A typed column as JSON values."""
    if values.dtype == object:
        return list(values)
    if moment:
        return [None if np.isnan(v) else str(np.datetime64(int(v * 1e6), "us")) for v in values.tolist()]
    return [None if np.isnan(v) else v for v in values.tolist()]


class Shelf:
    """Holds the one Package that answers. ``source`` is a Package, its folder, or a registry's pointer file.

    A pointer, or a folder that is replaced, is watched: the new Package is read, checked and tried beside the old
    one, and then takes its place at once. One that cannot be used is left aside and the old one stays.
    """

    def __init__(
        self, source: Package | str | Path, changed: Callable[[Served | None], None] | None = None, every: float = 0.5
    ) -> None:
        self.source, self.every = source, every
        self._changed = changed or (lambda _: None)
        self._mark = self._stamp()
        self.current = Served(self._read())
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Start to watch the source; a Package that was given as a value does not change."""
        if not isinstance(self.source, Package):
            self._thread = threading.Thread(target=self._watch, name="shelf", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> bool:
        """Exchange the Package if the source changed; True when it was exchanged."""
        mark = self._stamp()
        if mark == self._mark:
            return False
        self._mark = mark
        try:
            package = self._read()
            if package.hash == self.current.hash:
                return False
            served = Served(package)
        except (ThirtyfoldError, OSError) as error:
            log.warning("The new model cannot be used, %s stays: %s", self.current.hash[:12], error)
            self._changed(None)
            return False
        self.current = served
        log.info("Model %s is in service now.", served.hash[:12])
        self._changed(served)
        return True

    def _watch(self) -> None:
        while not self._stop.wait(self.every):
            self.look()

    def _stamp(self) -> tuple[Any, ...]:
        """Changes when the source does."""
        if isinstance(self.source, Package):
            return ()
        path = Path(self.source)
        try:
            found = (path if path.is_file() else path / "manifest.json").stat()
        except OSError:
            return ("gone",)
        return (found.st_mtime_ns, found.st_ino, found.st_size)

    def _read(self) -> Package:
        if isinstance(self.source, Package):
            return self.source
        champion = read_pointer(Path(self.source)) if Path(self.source).suffix == ".json" else None
        return champion.open() if champion else Package.open(self.source)
