"""Package: what is shipped. Raw rows in, predictions out, and nothing else needed.

A Package is its files, as bytes in open formats, and predicts from nothing else: the model that is tested is already
the model that is served. ``hash`` names what decides its answers; card, metrics and exports may be added later without
changing it. On loading every file is checked against the manifest, and nothing that is loaded can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from thirtyfold.core.door import Door
from thirtyfold.core.encoder import Encoder
from thirtyfold.core.errors import DataError, Fault, PackageError
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.foreign import pandas_column
from thirtyfold.core.late import pl
from thirtyfold.core.memo import Memo, key_of
from thirtyfold.core.model import Model
from thirtyfold.core.profile import Profile
from thirtyfold.core.table import Column, Table, to_array
from thirtyfold.core.task import Task
from thirtyfold.core.windows import Windows

__all__ = ["FORMAT", "Package"]

FORMAT = 1
"""Version of the folder's layout; a newer one is refused, an older one is read."""

ADDED = ("card.md", "metrics.json", "example.json", "exports/")
"""What may be added or changed without changing a Package's answers, so not part of its hash."""

_COLUMNS = TypeAdapter(tuple[Column, ...])
_PROFILE = TypeAdapter(Profile)
TASKS: Family[Task] = Family("aim.tasks")
MODELS: Family[Model] = Family("learn.models")
MANY = 1000
"""Rows from which on answers are remembered for a while."""
_ANSWERS = Memo(32 * 1024 * 1024)


@dataclass(frozen=True, repr=False)
class Package:
    """``files`` maps a name such as ``model/model.txt`` to its bytes; ``manifest`` is all that is not a file."""

    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]

    @classmethod
    def build(
        cls,
        name: str,
        *,
        columns: Iterable[Column],
        encoder: Encoder,
        model: tuple[str, Model],
        task: tuple[str, Task],
        profile: Profile | None = None,
        lineage: Mapping[str, Any] | None = None,
        aside: Iterable[str] = (),
        windows: Windows | None = None,
    ) -> Package:
        """Put fitted parts together. ``columns`` are the input columns as cleaned; ``model`` and ``task`` each with
        its word; ``lineage`` says where it comes from (hashes of data and Spec), without times and places; ``aside``
        names the columns of the table that the model does not look at, which a row may have or not; ``windows`` make
        the rows where histories of series come in.
        """
        files = {
            "columns.json": _COLUMNS.dump_json(tuple(columns), indent=1),
            **encoder.save(),
            "task.json": _json({"task": task[0], "state": task[1].state()}),
            "profile.json": _PROFILE.dump_json(profile) if profile else b"null",
            **{f"model/{n}": data for n, data in model[1].save().items()},
        }
        if windows is not None:
            files |= windows.save()
        manifest = {"format": FORMAT, "name": name, "model": model[0], "task": task[0], "lineage": dict(lineage or {})}
        if unused := sorted(aside):
            manifest["aside"] = unused
        return cls(files, manifest)

    def __reduce__(self) -> tuple[Any, ...]:
        """What a process may hand to another: the files alone, for what was opened from them cannot travel."""
        return Package, (dict(self.files), dict(self.manifest))

    @cached_property
    def hash(self) -> str:
        """Names what decides the answers: the same on every machine for the same files."""
        parts = [f"{n} {h}" for n, h in sorted(self._hashes.items()) if not n.startswith(ADDED)]
        core = {k: self.manifest[k] for k in ("format", "model", "task")}
        return hashlib.sha256("\n".join([*parts, json.dumps(core, sort_keys=True)]).encode()).hexdigest()

    @cached_property
    def raw_hash(self) -> str:
        """Names what decides the raw answers: Packages that differ in their task (thresholds) alone share it."""
        parts = [f"{n} {h}" for n, h in sorted(self._hashes.items()) if not n.startswith((*ADDED, "task.json"))]
        return hashlib.sha256("\n".join([*parts, str(self.manifest["model"])]).encode()).hexdigest()

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}

    def __repr__(self) -> str:
        return f"Package({self.name!r}, {self.manifest['model']}, {self.hash[:12]}, {self.size:,} bytes)"

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def size(self) -> int:
        """Bytes that a server needs to answer: everything but what was added for readers."""
        return sum(len(data) for name, data in self.files.items() if not name.startswith(ADDED))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The input columns, as cleaned in training."""
        return _COLUMNS.validate_json(self.files["columns.json"])

    @cached_property
    def door(self) -> Door:
        return Door(self.columns, frozenset(self.manifest.get("aside", ())))

    @cached_property
    def windows(self) -> Windows | None:
        """How rows are made, where histories of series come in instead of rows."""
        return Windows.load(self.files) if "windows.json" in self.files else None

    @property
    def asked(self) -> tuple[Column, ...]:
        """The columns that a client sends: those of the rows, or of the histories that rows are made of."""
        return self.windows.columns if self.windows is not None else self.columns

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder.load(self.files)

    @cached_property
    def task(self) -> Task:
        state = json.loads(self.files["task.json"])
        find: Any = TASKS.find(state["task"], "task.json")
        task: Task = find.restore(state["state"])
        return task

    @cached_property
    def model(self) -> Model:
        find: Any = MODELS.find(str(self.manifest["model"]), "manifest.json")
        inner = {n.removeprefix("model/"): data for n, data in self.files.items() if n.startswith("model/")}
        model: Model = find.load(inner)
        return model

    @cached_property
    def profile(self) -> Profile | None:
        """What the training rows looked like: the baseline for drift."""
        return TypeAdapter(Profile | None).validate_json(self.files["profile.json"])

    def arrays(self, table: Table) -> dict[str, Array]:
        """The typed input columns of a cleaned Table, as encoders see them."""
        return {c.name: to_array(table[c.name]) for c in self.columns}

    def raw(self, columns: Mapping[str, Array]) -> Array:
        """Typed arrays to the model's raw answers, shape (rows, outputs)."""
        return self.raw_of(self.encoder.encode(columns))

    def raw_of(self, matrix: Array) -> Array:
        """Encoded rows to the model's raw answers, shape (rows, outputs)."""
        if len(matrix) < MANY:
            return self.model.predict(matrix)
        # Seven stages ask about the same held-out rows, and a model answers the same rows the same way.
        return _ANSWERS.once(key_of(self.raw_hash, matrix), lambda: self.model.predict(matrix))

    def predict_rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows as JSON objects to answers; raises DataError that names every wrong field.

        Histories of series, where they come in, to the next values of each.
        """
        return self.answered(rows)[0]

    def answered(self, rows: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Array]]:
        """Answers, and the typed columns that the model saw: one row an answer."""
        if self.windows is not None:
            made, faults = self.windows.ahead(self.windows.door.rows(rows))
            if faults:
                raise DataError(faults)
            return self.windows.plain(self._forecast(made)), {c.name: made[c.name] for c in self.columns}
        arrays = self.door.rows(rows)
        if not arrays or not len(next(iter(arrays.values()))):
            return [], arrays
        return self.task.answers(self.raw(arrays), arrays), arrays

    def forecast(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Fault]]:
        """The next values of every history in a raw frame, and the faults of those that have no answer."""
        if self.windows is None:
            raise DataError(Fault("package", f"answers rows: it was made for {self.manifest['task']}."))
        table, wrong = self.windows.door.table(frame)
        made, faults = self.windows.ahead(self.windows.typed(table))
        return self._forecast(made), [*wrong, *faults]

    def _forecast(self, made: Mapping[str, Array]) -> pl.DataFrame:
        assert self.windows is not None
        return self.windows.heads(made).hstack(self.task.decode(self.raw(made), made))

    def predict(self, frame: Any) -> pl.DataFrame:
        """Raw columns (a Polars, pandas or Arrow frame, or rows as dicts), or a Table that is already cleaned, to
        answers, one row each, in order; histories of series to the next values of each.

        Raises DataError that names every wrong row and column.
        """
        if not isinstance(frame, pl.DataFrame | Table):
            frame = _frame(frame)
        if isinstance(frame, pl.DataFrame):
            if self.windows is not None:
                answers, faults = self.forecast(frame)
            else:
                frame, faults = self.door.table(frame)
            if faults:
                raise DataError(faults)
            if self.windows is not None:
                return answers
        arrays = self.arrays(frame)
        return self.task.decode(self.raw(arrays), arrays)

    def with_task(self, task: Task) -> Package:
        """The same model with other decisions (thresholds): a new Package with a new hash."""
        word = str(self.manifest["task"])
        return Package({**self.files, "task.json": _json({"task": word, "state": task.state()})}, self.manifest)

    def with_model(self, word: str, model: Model) -> Package:
        """The same door, encoder and task with another model: a new Package with a new hash."""
        kept = {n: d for n, d in self.files.items() if not n.startswith(("model/", *ADDED))}
        files = {**kept, **{f"model/{n}": data for n, data in model.save().items()}}
        return Package(files, {**self.manifest, "model": word})

    def with_added(self, added: Mapping[str, bytes]) -> Package:
        """The same Package with card, metrics, example or exports; the hash stays."""
        wrong = [name for name in added if not name.startswith(ADDED)]
        if wrong:
            raise ValueError(f"{wrong} would change what the Package answers")
        return replace(self, files={**self.files, **added})

    def save(self) -> dict[str, bytes]:
        """Every file of the folder, ``manifest.json`` with the hashes of all others included."""
        manifest = {**self.manifest, "hash": self.hash, "files": dict(sorted(self._hashes.items()))}
        manifest["seal"] = _seal(manifest)
        return {**self.files, "manifest.json": _json(manifest)}

    @classmethod
    def load(cls, files: Mapping[str, bytes], where: str = "the package") -> Package:
        """Check every file against the manifest; raises PackageError for one that is altered, missing or foreign."""
        try:
            manifest = json.loads(files["manifest.json"])
            listed, version = dict(manifest.pop("files")), int(manifest["format"])
            stated, seal = manifest.pop("hash"), manifest.pop("seal")
        except (KeyError, ValueError, TypeError, AttributeError):
            raise PackageError(f"{where} is not a Package: it has no readable manifest.json.") from None
        if version > FORMAT:
            raise PackageError(f"{where} has format {version}; this version reads up to {FORMAT}. Upgrade thirtyfold.")
        inner = {n: d for n, d in files.items() if n != "manifest.json"}
        faults = [f"{n} is missing" for n in listed.keys() - inner.keys()]
        faults += [f"{n} is not in the manifest" for n in inner.keys() - listed.keys()]
        faults += [f"{n} was altered" for n in listed.keys() & inner.keys() if _sha(inner[n]) != listed[n]]
        if not faults and _seal({**manifest, "hash": stated, "files": listed}) != seal:
            faults.append("manifest.json was altered")
        if faults:
            raise PackageError(f"{where} was changed since it was made: {'; '.join(sorted(faults))}.")
        package = cls(inner, manifest)
        if package.hash != stated:
            raise PackageError(f"{where} was changed since it was made: its hash does not match.")
        return package

    @classmethod
    def open(cls, folder: str | Path) -> Package:
        """Read a Package from a folder."""
        root = Path(folder)
        if not (root / "manifest.json").is_file():
            raise PackageError(f"{folder} is not a Package: it has no manifest.json.")
        paths = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
        return cls.load({str(PurePosixPath(p.relative_to(root))): p.read_bytes() for p in paths}, str(folder))


def _frame(data: Any) -> pl.DataFrame:
    """A frame of another make, or rows as dicts, as Polars."""
    if type(data).__module__.split(".")[0] == "pandas":
        return pl.DataFrame([pandas_column(data.iloc[:, at]).alias(str(n)) for at, n in enumerate(data.columns)])
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    return pl.DataFrame(data, infer_schema_length=None)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _seal(manifest: Mapping[str, Any]) -> str:
    return _sha(_json({k: v for k, v in manifest.items() if k != "seal"}))
