"""parts: a table in many files: a folder, a pattern such as ``sales/*.csv``, or an archive (zip, tar)."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any, ClassVar, Literal

from thirtyfold import __version__
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, nearest, split_choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.arrivals import Arrived, arrived, gathered
from thirtyfold.data.naming import ARCHIVES, ending_of, endings, source_of
from thirtyfold.data.opening import unpacked
from thirtyfold.data.reading import QUARANTINE, Read, existing, kept_at, no_rows, sha256_of

__all__ = ["Parts"]


class Parts:
    """Files of one table under each other, in the order of their names.

    ``path`` is a folder (and the folders in it), a pattern, or a zip or tar archive. Each part is read by the source
    for its ending, or by ``format`` (its options without the path). A column that some parts lack is missing in those
    (``columns: same`` refuses it); the report says which. ``origin`` names a column to hold each row's part. A part
    that was read before and has the same content is not parsed again. A part that cannot be read is quarantined.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

    def __init__(
        self,
        path: str,
        format: Choice | None = None,  # noqa: A002 - the word that the Spec uses
        columns: Literal["union", "same"] = "union",
        origin: str | None = None,
    ) -> None:
        self.path, self.format, self.union, self.origin = path, format, columns == "union", origin

    def read(self, context: Context) -> Read:
        """All rows of all parts; the lineage lists each."""
        files = self._files()
        reads: list[tuple[str, Read]] = []
        faults: list[tuple[str, str]] = []
        for at, (name, path) in enumerate(files):
            context.progress(f"reading {name}", at, len(files))
            try:
                read = self._part(path, context)
            except DataError as error:
                faults.append((name, " ".join(f.what for f in error.faults)))
                continue
            reads.append((name, read))
        if not reads:
            raise DataError([Fault(f"{self.path}: {name}", why) for name, why in faults[:20]])
        known = sum(r.arrived is not None and not r.arrived.new_rows for _, r in reads)
        context.progress(f"{len(reads)} parts, {known} of them known already")
        return self._whole(reads, faults)._replace(arrived=gathered(r.arrived for _, r in reads))

    def peek(self, rows: int) -> pl.DataFrame:
        """Some of the first rows of the first parts."""
        frames = [(n, self._source(p).peek(rows)) for n, p in self._files()[:20]]
        return self._stacked(frames)[0].head(rows)

    def outside(self) -> list[str]:
        """The parts by name and content."""
        return [f"{name} {sha256_of(path)}" for name, path in self._files()]

    def _files(self) -> list[tuple[str, Path]]:
        """The parts by the name that people see, in order."""
        path = Path(self.path)
        if path.is_dir():
            inside = [p for p in path.rglob("*") if p.is_file()]
            base = path
        elif any(mark in self.path for mark in "*?["):
            base, pattern = _split_pattern(path)
            inside = [p for p in base.glob(pattern) if p.is_file()] if base.is_dir() else []
            if not inside:
                raise DataError(Fault(self.path, "no file fits this pattern.", hint=_near(base)))
        else:
            base = _unpacked(existing(path))
            inside = [p for p in base.rglob("*") if p.is_file()]
        own = kept_at().absolute()
        if own not in base.absolute().parents:
            inside = [p for p in inside if own not in p.absolute().parents]
        named = [(p.relative_to(base).as_posix(), p) for p in inside]
        parts = sorted((n, p) for n, p in named if not any(q.startswith((".", "_")) for q in Path(n).parts))
        parts = self._of_one_kind([(n, p) for n, p in parts if p.stat().st_size])
        if not parts:
            raise DataError(Fault(self.path, "there is no file in it that holds anything."))
        return parts

    def _of_one_kind(self, parts: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
        """Where no format is said, the files of the ending that most of them have among those that are tables."""
        if self.format is not None:
            return parts
        known = {e for e in endings(wanted=".csv") if e not in ARCHIVES}
        count: dict[str, int] = {}
        for name, _ in parts:
            ending = ending_of(name)
            if ending in known:
                count[ending] = count.get(ending, 0) + 1
        best = max(count, key=lambda e: (count[e], e), default="")
        return [(n, p) for n, p in parts if ending_of(n) == best]

    def _source(self, path: Path) -> Any:
        where = "collect.parts.format"
        if self.format is None:
            return source_of(str(path), "collect.parts")
        word, options = split_choice(self.format, where)
        return source_of({word: {**options, "path": str(path)}}, where)

    def _part(self, path: Path, context: Context) -> Read:
        """One part, kept by its content and by how it is read."""
        how = json.dumps([__version__, self.format, ending_of(path.name)], sort_keys=True)
        key = hashlib.sha256(f"{sha256_of(path)} {how}".encode()).hexdigest()
        kept = kept_at("parts", key)
        if kept.is_dir():
            lineage = json.loads((kept / "lineage.json").read_text(encoding="utf-8"))
            rows, bad = (pl.read_parquet(kept / f"{n}.parquet") for n in ("rows", "quarantine"))
            known = Arrived(rows.height, 0, int(lineage["bytes"]), 0)
            return Read(rows, bad, {**lineage, "address": str(path)}, arrived=known)
        read: Read = self._source(path).read(context)
        _keep(kept, read)
        return read if read.arrived else read._replace(arrived=arrived(None, "", path, read.frame))

    def _whole(self, reads: list[tuple[str, Read]], faults: list[tuple[str, str]]) -> Read:
        frame, lacking = self._stacked([(n, r.frame) for n, r in reads])
        if not frame.height:
            raise no_rows(self.path, frame.columns)
        bad = [
            r.quarantine.select(QUARANTINE).with_columns(reason=pl.concat_str(pl.lit(f"{n}: "), pl.col("reason")))
            for n, r in reads
        ]
        lost = pl.DataFrame(
            [(0, f"{n}: the part cannot be read: {why}", n) for n, why in faults],
            schema=dict(zip(QUARANTINE, (pl.Int64, pl.String, pl.String), strict=True)),
            orient="row",
        )
        notes = [f"{len(reads)} parts were read."]
        notes += [f"Part {n} has no column {', '.join(map(repr, c))}; it is missing there." for n, c in lacking[:20]]
        notes += [f"Part {n} cannot be read and is left out: {why}" for n, why in faults[:20]]
        parts = [{**r.lineage, "address": n} for n, r in reads]
        lineage: dict[str, Any] = {
            "address": self.path,
            "sha256": hashlib.sha256("".join(f"{p['address']} {p['sha256']}\n" for p in parts).encode()).hexdigest(),
            "bytes": sum(int(p["bytes"]) for p in parts),
            "rows": frame.height,
            "columns": frame.width,
            "format": "parts",
            "notes": notes,
            "parts": parts,
        }
        return Read(frame, pl.concat([*bad, lost]), lineage)

    def _stacked(self, frames: list[tuple[str, pl.DataFrame]]) -> tuple[pl.DataFrame, list[tuple[str, list[str]]]]:
        names = list(dict.fromkeys(c for _, f in frames for c in f.columns))
        lacking = [(n, [c for c in names if c not in f.columns]) for n, f in frames]
        lacking = [(n, c) for n, c in lacking if c]
        if lacking and not self.union:
            raise DataError(
                [Fault(f"{self.path}: {n}", f"has no column {', '.join(map(repr, c))}.") for n, c in lacking]
            )
        kinds = {c: {f.schema[c] for _, f in frames if c in f.columns} for c in names}
        done = []
        for name, frame in frames:
            part = frame.with_columns(pl.lit(None).alias(c) for c in names if c not in frame.columns).select(names)
            part = part.with_columns(pl.col(c).cast(pl.String) for c in names if len(kinds[c]) > 1)
            done.append(part if self.origin is None else part.with_columns(pl.lit(name).alias(self.origin)))
        return pl.concat(done, how="vertical_relaxed"), lacking


def _split_pattern(path: Path) -> tuple[Path, str]:
    """The folder before the first sign of a pattern, and the rest."""
    parts = path.parts
    first = next(i for i, p in enumerate(parts) if any(mark in p for mark in "*?["))
    return Path(*parts[:first]) if first else Path(), str(Path(*parts[first:]))


def _near(base: Path) -> str:
    if not base.is_dir():
        return nearest(base.name, [p.name for p in base.parent.glob("*")]) if base.parent.is_dir() else ""
    inside = ", ".join(sorted(p.name for p in base.iterdir())[:8])
    return f"{base} holds {inside}." if inside else f"{base} is empty."


def _unpacked(path: Path) -> Path:
    to = kept_at("unpacked", sha256_of(path))
    unpacked(path, to)
    return to


def _keep(kept: Path, read: Read) -> None:
    """Written beside and moved to its place at once, so that a half is never found."""
    part = kept.with_name(f"{kept.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    for name, frame in (("rows", read.frame), ("quarantine", read.quarantine)):
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        (part / f"{name}.parquet").write_bytes(buffer.getvalue())
    (part / "lineage.json").write_text(json.dumps(read.lineage), encoding="utf-8")
    if not kept.exists():
        part.rename(kept)
