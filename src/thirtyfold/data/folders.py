"""Folders: the rows of a folder of pictures, sounds, videos or texts, for every source that ends in one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.media import KINDS, Broken, header
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read, outside_of, quarantined, sha256_of, whole

__all__ = ["FolderRows"]

_KIND = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}


class FolderRows:
    """Reads the folder ``path``; the options are those of the source ``folder``."""

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        path: str,
        manifest: Choice | None = None,
        column: str | None = None,
        only: list[str] | None = None,
        named: str | None = None,
        *,
        label: bool = True,
    ) -> None:
        strange = [k for k in only or () if k not in KINDS]
        if strange:
            known = ", ".join(KINDS)
            raise DataError([Fault("collect.folder.only", f"there is no kind '{k}'.", known) for k in strange])
        self.path, self.column, self.kinds, self.label = path, column, tuple(only or KINDS), label
        self.named = _named(named) if named else None
        self.root = Path(path)
        self.manifest = source_of(_beside(manifest, self.root), "collect.folder.manifest") if manifest else None

    def read(self, context: Context) -> Read:
        """All files that can be read, in the order of their names or of the manifest."""
        files = self._files()
        if self.manifest is not None:
            listed = self.manifest.read(context)
            frame, bad = self._listed(listed.frame, files, context)
        else:
            frame, bad = self._found(files, context)
        digest = hashlib.sha256()
        for name, path in files.items():
            digest.update(f"{name} {sha256_of(path)}\n".encode())
        lineage: dict[str, Any] = {
            "address": self.path,
            "sha256": digest.hexdigest(),
            "bytes": sum(p.stat().st_size for p in files.values()),
            "rows": frame.height,
            "columns": frame.width,
            "format": "folder",
            "files": len(files),
            "quarantined": len(bad),
        }
        return Read(frame, quarantined(bad), lineage)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, with the columns of all; headers are small."""
        files = self._files()
        if self.manifest is None:
            return self._found(files, None)[0].head(rows)
        return self._listed(self.manifest.peek(max(rows, 100)), files, None)[0].head(rows)

    def outside(self) -> list[str]:
        """The files by name and content, and what the manifest says."""
        listed = outside_of(self.manifest) if self.manifest is not None else []
        return [*listed, *(f"{name} {sha256_of(path)}" for name, path in self._files().items())]

    def _files(self) -> dict[str, Path]:
        """Every file of the kinds that are asked for, by its path in the folder."""
        if not self.root.is_dir():
            beside = [p.name for p in self.root.parent.iterdir()] if self.root.parent.is_dir() else []
            raise DataError(Fault(self.path, "there is no such folder.", hint=nearest(self.root.name, beside)))
        top = self.root.resolve()
        found = {
            p.relative_to(self.root).as_posix(): p
            for p in sorted(self.root.rglob("*"))
            if _KIND.get(p.suffix.lower()) in self.kinds and p.is_file() and p.resolve().is_relative_to(top)
        }
        found = {n: p for n, p in found.items() if not any(q.startswith(".") for q in PurePosixPath(n).parts)}
        if not found:
            what = f"holds no file of the kinds {', '.join(self.kinds)}."
            raise DataError(Fault(self.path, what, _endings(self.kinds)))
        return found

    def _found(
        self, files: dict[str, Path], context: Context | None
    ) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
        rows: list[dict[str, Any]] = []
        bad: list[tuple[int, str, str]] = []
        labeled = self.label and any("/" in name for name in files)
        for number, (name, facts) in enumerate(_headers(files, context), 1):
            if isinstance(facts, str):
                bad.append((number, facts, name))
                continue
            label = {"label": PurePosixPath(name).parent.as_posix()} if labeled else {}
            rows.append({"path": name, **label, **self._said(name), **facts})
        return self._frame(rows, bad), bad

    def _said(self, name: str) -> dict[str, str | None]:
        """What the name itself says, by ``named``; nothing of a name that is not like it."""
        if self.named is None:
            return {}
        found = self.named.fullmatch(PurePosixPath(name).stem)
        return dict(found.groupdict()) if found else dict.fromkeys(self.named.groupindex)

    def _listed(
        self, listed: pl.DataFrame, files: dict[str, Path], context: Context | None
    ) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
        """The rows of the manifest with the facts of the files they name."""
        find = _finder(files)
        column = self.column or _references(listed, find)
        if column not in listed.columns:
            what = f"the manifest has no column '{column}'."
            hint = nearest(column, listed.columns)
            raise DataError(Fault("collect.folder.column", what, ", ".join(listed.columns), hint))
        names = [find(v) for v in listed[column].cast(pl.String).to_list()]
        facts = dict(_headers({n: files[n] for n in dict.fromkeys(names) if n}, context))
        rows: list[dict[str, Any]] = []
        bad: list[tuple[int, str, str]] = []
        for number, (row, name) in enumerate(zip(listed.iter_rows(named=True), names, strict=True), 1):
            fact = facts[name] if name else f"there is no file '{row[column]}' in the folder"
            if isinstance(fact, str):
                bad.append((number, fact, str(row[column])))
            else:
                rows.append({**row, column: name, **{k: v for k, v in fact.items() if k not in row}})
        return self._frame(rows, bad), bad

    def _frame(self, rows: list[dict[str, Any]], bad: list[tuple[int, str, str]]) -> pl.DataFrame:
        if not rows:
            raise DataError([Fault(f"{self.path}: {raw}", f"{why}.") for _, why, raw in bad[:20]])
        names = list(dict.fromkeys(k for r in rows for k in r))
        frame = pl.DataFrame({n: pl.Series([r.get(n) for r in rows], strict=False) for n in names})
        one_kind = [n for n in ("kind",) if n in frame.columns and frame[n].n_unique() == 1]
        return whole(frame.drop(one_kind), self.path)


def _named(pattern: str) -> re.Pattern[str]:
    """``{digit}_{speaker}`` as a regular expression; raises DataError."""
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    names = pieces[1::2]
    wrong = [n for n in names if not n.isidentifier()]
    if wrong or not names or len(set(names)) < len(names):
        what = (
            f"'{wrong[0]}' cannot be the name of a column." if wrong else f"'{pattern}' names no columns, or one twice."
        )
        raise DataError(Fault("collect.folder.named", what, '"{digit}_{speaker}_{take}"'))
    return re.compile("".join(re.escape(p) if at % 2 == 0 else f"(?P<{p}>.+?)" for at, p in enumerate(pieces)))


def _headers(files: dict[str, Path], context: Context | None) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """What each file's header says, or why it cannot be read; a few at a time, for each is decoded once."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for at, (name, facts) in enumerate(zip(files, pool.map(_facts, files.values()), strict=True)):
            if context is not None and at % 100 == 0:
                context.progress("looking into files", at, len(files))
            yield name, facts


def _facts(path: Path) -> dict[str, Any] | str:
    kind = _KIND[path.suffix.lower()]
    try:
        return {"kind": kind, "bytes": path.stat().st_size, **header(path, kind)}
    except Broken as broken:
        return str(broken)


def _finder(files: dict[str, Path]) -> Any:
    """A function from a reference to a file of the folder: by path, by name, or by name without ending.

    Whatever a reference says, only a file that was found in the folder can come out.
    """
    short: dict[str, str | None] = {}
    for name in files:
        inside = PurePosixPath(name)
        for key in (inside.name, inside.stem, str(inside.with_suffix(""))):
            if key != name:
                short[key] = None if key in short and short[key] != name else name

    def find(reference: str | None) -> str | None:
        if not reference:
            return None
        plain = reference.strip().replace("\\", "/").removeprefix("./")
        parts = [p for p in plain.split("/") if p != ".."]
        for at in range(min(len(parts), 20)):  # a path from another machine ends in one of ours
            if "/".join(parts[at:]) in files:
                return "/".join(parts[at:])
        return short.get(plain) or short.get(plain.rsplit("/", 1)[-1])

    return find


def _references(listed: pl.DataFrame, find: Any) -> str:
    """The column of a manifest whose values name files: the first of which most do."""
    for name in listed.columns:
        values = listed[name].cast(pl.String).drop_nulls().head(200).to_list()
        if values and sum(find(v) is not None for v in values) > 0.5 * len(values):
            return name
    what = "no column of the manifest names files of the folder."
    raise DataError(Fault("collect.folder.column", what, ", ".join(listed.columns)))


def _endings(kinds: tuple[str, ...]) -> str:
    return ", ".join(e for k in kinds for e in KINDS[k])


def _beside(choice: Choice, root: Path) -> Choice:
    """A manifest that is named by a path in the folder."""
    return str(root / choice) if isinstance(choice, str) and (root / choice).is_file() else choice
