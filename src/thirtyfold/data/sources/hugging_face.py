"""hugging_face: a data set as the Hugging Face hub keeps it: files of Parquet, JSON lines or CSV beside a card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.fetching import fetch, json_at
from thirtyfold.data.naming import ending_of, source_of
from thirtyfold.data.reading import Read, kept_at, sha256_of, whole

__all__ = ["HuggingFace"]

_TABLES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".arrow")


class HuggingFace:
    """A data set by the ``name`` of its folder here, or by its name on the hub (``owner/name``).

    ``config`` and ``split`` choose among those that the card lists, or that stand in the file names; with all splits,
    the column ``split`` says where a row comes from. A name is looked for in the hub's own cache and then fetched
    (HF_ENDPOINT is another hub; HF_TOKEN opens closed sets). Whole numbers that stand for classes get their names.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        name: str,
        split: str | None = None,
        config: str | None = None,
        revision: str = "main",
        timeout: Annotated[float, Field(gt=0)] = 60.0,
    ) -> None:
        self.name, self.split, self.config, self.revision, self.timeout = name, split, config, revision, timeout

    def read(self, context: Context) -> Read:
        """All rows of the split, or of all splits."""
        folder = self._folder(context)
        card = _card(folder)
        reads = [(s, source_of(str(p), "collect.hugging_face").read(context)) for s, p in self._files(folder, card)]
        frame = self._framed([(s, r.frame) for s, r in reads], card)
        parts = [r.lineage for _, r in reads]
        lineage: dict[str, Any] = {
            "address": self.name,
            "sha256": parts[0]["sha256"] if len(parts) == 1 else _digest(parts),
            "bytes": sum(int(p["bytes"]) for p in parts),
            "rows": frame.height,
            "columns": frame.width,
            "format": "hugging_face",
            "license": str(card.get("license", "")),
            "parts": parts,
        }
        return Read(frame, pl.concat([r.quarantine for _, r in reads]), lineage)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        folder = self._folder(None)
        card = _card(folder)
        files = self._files(folder, card)
        return self._framed([(s, source_of(str(p)).peek(rows)) for s, p in files], card).head(rows)

    def outside(self) -> list[str]:
        """The files by content."""
        folder = self._folder(None)
        return [f"{p.name} {sha256_of(p)}" for _, p in self._files(folder, _card(folder))]

    def _folder(self, context: Context | None) -> Path:
        local = Path(self.name)
        if local.is_dir():
            return local
        if self.name.count("/") != 1 or self.name.startswith((".", "/")):
            raise DataError(Fault(self.name, "is neither a folder here nor a name on the hub.", "owner/name"))
        return _cached(self.name) or self._download(context)

    def _download(self, context: Context | None) -> Path:
        hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        told = json_at(f"{hub}/api/datasets/{self.name}/revision/{self.revision}", self.timeout)
        names = [str(s["rfilename"]) for s in told.get("siblings", ())]
        version = str(told.get("sha", self.revision))
        folder = kept_at("downloads", "hub", self.name.replace("/", "--"), version)
        for name in (n for n in names if n == "README.md" or ending_of(n) in _TABLES):
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise DataError(Fault(self.name, f"the file {name!r} has a name that leads out of its folder."))
            if not (folder / name).is_file():
                fetch(f"{hub}/datasets/{self.name}/resolve/{version}/{name}", folder / name, "", self.timeout, context)
        return folder

    def _files(self, folder: Path, card: dict[str, Any]) -> list[tuple[str, Path]]:
        """The files to read, each with its split, in order."""
        every = sorted(p for p in folder.rglob("*") if p.is_file() and ending_of(p.name) in _TABLES)
        every = [p for p in every if not any(q.startswith(".") for q in p.relative_to(folder).parts)]
        found = list(self._listed(folder, card, every)) or [(_split_of(p.relative_to(folder)), p) for p in every]
        if self.split is not None:
            splits = sorted({s for s, _ in found})
            found = [(s, p) for s, p in found if s == self.split]
            if not found:
                hint = nearest(self.split, splits)
                raise DataError(Fault(self.name, f"there is no split '{self.split}'.", ", ".join(splits), hint))
        if not found:
            raise DataError(Fault(self.name, "there is no file of rows in it.", ", ".join(_TABLES)))
        return found

    def _listed(self, folder: Path, card: dict[str, Any], every: list[Path]) -> Iterator[tuple[str, Path]]:
        """What the card says of its files (``configs``)."""
        configs = [c for c in card.get("configs") or () if isinstance(c, dict)]
        names = [str(c.get("config_name", "default")) for c in configs]
        if self.config is not None and self.config not in names:
            hint = nearest(self.config, names)
            raise DataError(Fault(self.name, f"there is no config '{self.config}'.", ", ".join(names), hint))
        if self.config is None and len(configs) > 1:
            configs = [c for c in configs if c.get("config_name") == "default" or c.get("default")] or configs[:1]
        for config in configs:
            if self.config not in (None, config.get("config_name", "default")):
                continue
            for split, pattern in _patterns(config.get("data_files")):
                yield from ((split, p) for p in every if fnmatchcase(p.relative_to(folder).as_posix(), pattern))

    def _framed(self, frames: list[tuple[str, pl.DataFrame]], card: dict[str, Any]) -> pl.DataFrame:
        splits = list(dict.fromkeys(s for s, _ in frames))
        done = [f if len(splits) == 1 else f.with_columns(pl.lit(s).alias("split")) for s, f in frames]
        frame = pl.concat(done, how="diagonal_relaxed")
        return whole(_named(frame, card, self.config), self.name)


def _digest(parts: list[dict[str, Any]]) -> str:
    return hashlib.sha256("".join(str(p["sha256"]) for p in parts).encode()).hexdigest()


def _card(folder: Path) -> dict[str, Any]:
    """The head of the card, or nothing."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith("---"):
        return {}
    try:
        head = yaml.safe_load(text.split("\n---", 1)[0].removeprefix("---"))
    except yaml.YAMLError as error:
        raise DataError(Fault(str(path), f"the head of the card is not YAML: {str(error)[:200]}.")) from None
    return head if isinstance(head, dict) else {}


def _patterns(files: Any) -> Iterator[tuple[str, str]]:
    for entry in [files] if isinstance(files, str | dict) else files or ():
        if isinstance(entry, str):
            yield "train", entry
        elif "split" in entry:
            paths = entry.get("path") or ()
            for pattern in [paths] if isinstance(paths, str) else paths:
                yield str(entry["split"]), str(pattern)


def _split_of(inside: Path) -> str:
    """The split that stands in a file's path, as the hub's own rule has it."""
    words = inside.as_posix().lower().replace("-", "_").replace("/", "_").replace(".", "_").split("_")
    for split, known in (("test", ("test", "testing", "eval")), ("validation", ("validation", "valid", "val", "dev"))):
        if any(k in words for k in known):
            return split
    return "train"


def _named(frame: pl.DataFrame, card: dict[str, Any], config: str | None) -> pl.DataFrame:
    """Numbers of classes as the names that the card gives them."""
    info = card.get("dataset_info") or {}
    infos = info if isinstance(info, list) else [info]
    chosen = next((i for i in infos if config is None or i.get("config_name") == config), {})
    for feature in chosen.get("features") or ():
        kind = feature.get("dtype")
        names = kind.get("class_label", {}).get("names") if isinstance(kind, dict) else None
        column = feature.get("name")
        if names and column in frame.columns and frame.schema[column].is_integer():
            known = {int(k): str(v) for k, v in (names.items() if isinstance(names, dict) else enumerate(names))}
            frame = frame.with_columns(pl.col(column).replace_strict(known, default=None, return_dtype=pl.String))
    return frame


def _cached(name: str) -> Path | None:
    """The newest copy that the hub's own tools have left on this machine."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"datasets--{name.replace('/', '--')}"
    main = cache / "refs/main"
    found = cache / "snapshots" / main.read_text(encoding="utf-8").strip() if main.is_file() else None
    return found if found is not None and found.is_dir() else None
