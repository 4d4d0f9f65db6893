"""files: many files behind one public address, named by patterns: a row each, or the parts of one table."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.fetching import fetch
from thirtyfold.data.folders import FolderRows
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read, Source, kept_at, sha256_of

__all__ = ["Files"]

_SHA = "^[0-9a-fA-F]{64}$"
_MOST = 200_000
_BRACES = re.compile(r"\{([^{}]*)\}")


class Files:
    """Files of one address, a row each, as ``folder`` reads them; or, with ``format`` (``xml``, ``{json: {...}}``),
    parts of one table, with the column ``file``. ``{0..9}`` and ``{anna,ben}`` in a name stand for all of these. Names
    may be given by part: ``{train: [...], test: [...]}`` makes a column ``part``.

    ``sha256`` is the hash of the sorted lines "sha256, two spaces, name" of all files, so that a change is seen. The
    folder that ``THIRTYFOLD_MIRROR`` names is searched first: its SHA256SUMS is the index. ``named`` takes columns from
    the names (``"{digit}_{speaker}_{take}"``).
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        address: str,
        names: list[str] | dict[str, list[str]],
        sha256: Annotated[str, Field(pattern=_SHA)] | None = None,
        named: str | None = None,
        timeout: Annotated[float, Field(gt=0)] = 60.0,
        format: Choice | None = None,  # noqa: A002 - the word that the Spec uses
        *,
        label: bool = False,
    ) -> None:
        if format is not None and (named or label):
            what = "goes not together with 'named' and 'label', which are about files that are a row each."
            raise DataError(Fault("collect.files.format", what))
        self.address, self.sha256 = address.rstrip("/") + "/", (sha256 or "").lower()
        self.names, self.named, self.timeout, self.label, self.format = names, named, timeout, label, format

    def read(self, context: Context) -> Read:
        """All files, fetched when they are not here yet."""
        place = self._place()
        self._here(place, context)
        read = self._source(place).read(context)
        told = {"address": self.address, "kept": place.relative_to(kept_at()).as_posix()}
        frame = self._with_part(read.frame)
        lineage = {**read.lineage, **told, "columns": frame.width}
        return read._replace(frame=frame, lineage=lineage)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows; files are fetched when they are not here yet."""
        place = self._place()
        self._here(place, None)
        return self._with_part(self._source(place).peek(rows))

    def _source(self, place: Path) -> Source:
        """What reads the files once they are here."""
        if self.format is None:
            return FolderRows(str(place), named=self.named, label=self.label)
        return source_of({"parts": {"path": str(place), "format": self.format, "origin": "file"}}, "collect.files")

    def outside(self) -> list[str]:
        """The hash of all files where it is said, else of those that are here."""
        place = self._place()
        return [self.sha256] if self.sha256 else [sha256_of(p) for p in sorted(place.rglob("*")) if p.is_file()]

    def _parts(self) -> dict[str, str]:
        """The part that each name belongs to, "" where there are none."""
        given: Mapping[str, list[str]] = self.names if isinstance(self.names, dict) else {"": self.names}
        found: dict[str, str] = {}
        for part, patterns in given.items():
            for pattern in patterns:
                for name in _spelled(pattern):
                    found[name] = part
                    if len(found) > _MOST:
                        raise DataError(Fault("collect.files.names", f"stand for more than {_MOST:,} files."))
        wrong = [n for n in found if PurePosixPath(n).is_absolute() or ".." in PurePosixPath(n).parts]
        if wrong or not found:
            what = f"'{wrong[0]}' leads out of the address." if wrong else "name no file."
            raise DataError(Fault("collect.files.names", what))
        return found

    def _with_part(self, frame: pl.DataFrame) -> pl.DataFrame:
        if not isinstance(self.names, dict):
            return frame
        parts, column = self._parts(), "path" if self.format is None else "file"
        return frame.with_columns(pl.Series("part", [parts[n] for n in frame[column].to_list()]))

    def _place(self) -> Path:
        told = "\n".join([self.address, self.sha256, *sorted(self._parts())])
        return kept_at("folders", hashlib.sha256(told.encode()).hexdigest()[:16])

    def _here(self, place: Path, context: Context | None) -> None:
        """All files at their place, from the mirror or the web; raises DataError when they are not what was said."""
        names = sorted(self._parts())
        done = place.with_name(place.name + ".done")
        if done.is_file() and all((place / n).is_file() for n in names):
            return
        mirror = _mirrored(names)
        for at, name in enumerate(names):
            if context is not None and at % 20 == 0:
                context.progress("fetching files", at, len(names))
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if mirror is not None:
                shutil.copyfile(mirror / name, target)
            elif not target.is_file():
                fetch(self.address + name, target, "", self.timeout, context)
        lines = "".join(f"{sha256_of(place / n)}  {n}\n" for n in names)
        came = hashlib.sha256(lines.encode()).hexdigest()
        if self.sha256 and came != self.sha256:
            shutil.rmtree(place)
            raise DataError(Fault(self.address, f"the files have the sha256 {came}, not {self.sha256}."))
        done.write_text(came, encoding="utf-8")


def _spelled(pattern: str) -> Iterator[str]:
    """Every name that a pattern stands for."""
    pieces = _BRACES.split(pattern)
    choices = [[piece] if at % 2 == 0 else _choices(piece) for at, piece in enumerate(pieces)]
    yield from ("".join(chosen) for chosen in product(*choices))


def _choices(inside: str) -> list[str]:
    span = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if span:
        first, last = int(span[1]), int(span[2])
        return [str(i).zfill(len(span[1]) if span[1].startswith("0") else 0) for i in range(first, last + 1)]
    return inside.split(",")


def _mirrored(names: list[str]) -> Path | None:
    """The folder of the mirror that has all of these names, if there is one."""
    folder = os.environ.get("THIRTYFOLD_MIRROR")
    index = Path(folder or ".") / "SHA256SUMS"
    if not folder or not index.is_file():
        return None
    listed = [line.partition("  ")[2].strip() for line in index.read_text(encoding="utf-8").splitlines()]
    ends = [n.removesuffix(names[0]) for n in listed if n.endswith(names[0])]
    known = set(listed)
    return next((Path(folder) / start for start in ends if all(f"{start}{n}" in known for n in names)), None)
