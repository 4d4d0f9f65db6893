"""url: a file on the web, checked by its sha256; a folder of mirrored files is asked before the network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, split_choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.fetching import fetch
from thirtyfold.data.naming import ending_of, endings, source_of
from thirtyfold.data.reading import Read, Source, columns_of, kept_at, sha256_of

__all__ = ["Url"]

_SHA = r"^[0-9a-fA-F]{64}$"


class Url:
    """A file at an ``address`` (http or https) with the ``sha256`` it must have.

    The folder that ``THIRTYFOLD_MIRROR`` names is searched first: its SHA256SUMS is the index. Downloads are resumed,
    kept under ``.thirtyfold/downloads`` and read by the source for the file's ending, or by the one that ``format``
    names (with options and without the path: ``format: {csv: {names: [...]}}``).
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")

    def __init__(
        self,
        address: str,
        sha256: Annotated[str, Field(pattern=_SHA)] | None = None,
        format: Choice | None = None,  # noqa: A002 - the word that the Spec uses
        timeout: Annotated[float, Field(gt=0)] = 60.0,
    ) -> None:
        self.address, self.sha256, self.format = address, (sha256 or "").lower(), format
        self.timeout = timeout

    def read(self, context: Context) -> Read:
        """All rows of the file behind the address."""
        path = self._file(context)
        read = self._source(path).read(context)
        return read._replace(lineage={**read.lineage, "address": self.address})

    def behind(self) -> Source:
        """The source that reads the file behind the address; it is fetched when it is not here yet."""
        return self._source(self._file(None))

    def columns(self) -> list[str]:
        """The names of the columns; the file is fetched when it is not here yet."""
        return columns_of(self.behind())

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows; the file is fetched when it is not here yet."""
        return self._source(self._file(None)).peek(rows)

    def _source(self, path: Path) -> Source:
        where = "collect.url.format"
        if self.format is not None:
            word, options = split_choice(self.format, where)
            return source_of({word: {**options, "path": str(path)}}, where)
        ending = ending_of(urlsplit(self.address).path)
        known = endings(wanted=ending)
        if ending not in known:
            words = ", ".join(sorted(set(known.values())))
            raise DataError(
                Fault(self.address, "the ending does not say what it is.", words, "Add the option 'format'.")
            )
        return source_of({known[ending]: {"path": str(path)}}, "collect.url")

    def _file(self, context: Context | None) -> Path:
        try:
            parts = urlsplit(self.address)
        except ValueError:  # a bracket that does not close
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise DataError(Fault(self.address, "is not an address.", "http://... or https://..."))
        return self._mirrored() or self._cached() or self._download(context)

    def _mirrored(self) -> Path | None:
        folder = os.environ.get("THIRTYFOLD_MIRROR")
        index = Path(folder or ".") / "SHA256SUMS"
        if not folder or not self.sha256 or not index.is_file():
            return None
        for line in index.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            if digest.lower() == self.sha256:
                return _checked(Path(folder) / name.strip(), self.sha256)
        return None

    def _place(self) -> Path:
        name = Path(unquote(urlsplit(self.address).path)).name or "file"
        key = self.sha256 or hashlib.sha256(self.address.encode()).hexdigest()
        return kept_at("downloads", key[:16], name)

    def _cached(self) -> Path | None:
        place = self._place()
        return place if place.is_file() and (not self.sha256 or sha256_of(place) == self.sha256) else None

    def _download(self, context: Context | None) -> Path:
        place = self._place()
        fetch(self.address, place, self.sha256, self.timeout, context)
        return place


def _checked(path: Path, sha256: str) -> Path:
    if not path.is_file():
        raise DataError(Fault(str(path), "stands in the mirror's SHA256SUMS but is not there."))
    came = sha256_of(path)
    if came != sha256:
        raise DataError(Fault(str(path), f"the mirrored file has the sha256 {came}, not {sha256}."))
    return path
