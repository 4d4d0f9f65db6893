"""object_store: files in a store such as S3, Google Cloud Storage or Azure, through fsspec."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import urlsplit

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, split_choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read, Source, kept_at, library

__all__ = ["ObjectStore"]


class ObjectStore:
    """An object, a pattern, or all below a prefix (``s3://bucket/sales/``), as one table.

    Credentials come from where the store's own tools take them (environment, profile, role), never from the Spec;
    ``anonymous`` asks without any, ``endpoint`` is another server that speaks S3. Objects are kept under their version,
    so that only new ones are fetched again. ``format`` says what they are where the ending does not.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    schemes: ClassVar[tuple[str, ...]] = ("s3", "gs", "gcs", "az", "abfs", "abfss")

    def __init__(
        self,
        address: str,
        format: Choice | None = None,  # noqa: A002 - the word that the Spec uses
        endpoint: str | None = None,
        *,
        anonymous: bool = False,
    ) -> None:
        self.address, self.format, self.endpoint, self.anonymous = address, format, endpoint, anonymous

    def read(self, context: Context) -> Read:
        """All rows of all objects."""
        read = self._source(context).read(context)
        return read._replace(lineage={**read.lineage, "address": self.address})

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows; the objects are fetched when they are not here yet."""
        return self._source(None).peek(rows)

    def outside(self) -> list[str]:
        """The objects by name and version, as the store says."""
        return [f"{name} {version}" for name, version, _ in self._objects(self._store())]

    def _source(self, context: Context | None) -> Source:
        folder, names = self._fetched(context)
        path = str(folder / names[0]) if len(names) == 1 else str(folder)
        where = "collect.object_store.format"
        if len(names) > 1:
            return source_of({"parts": {"path": path, "format": self.format}}, where)
        if self.format is None:
            return source_of(path, "collect.object_store")
        word, options = split_choice(self.format, where)
        return source_of({word: {**options, "path": path}}, where)

    def _store(self) -> Any:
        fsspec = library("fsspec", "cloud")
        scheme = urlsplit(self.address).scheme
        options: dict[str, Any] = {"anon": True} if self.anonymous else {}
        if scheme == "s3":
            options["use_listings_cache"] = False
            options |= {"client_kwargs": {"endpoint_url": self.endpoint}} if self.endpoint else {}
        try:
            return fsspec.filesystem(scheme, **options)
        except ImportError as error:
            what = f"'{scheme}://' needs a library that is not installed ({error}): pip install 'thirtyfold[cloud]'"
            raise DataError(Fault(self.address, what)) from None

    def _objects(self, store: Any) -> list[tuple[str, str, int]]:
        """Name, version and size of each object, in order."""
        bare = self.address.split("://", 1)[1]
        try:
            if any(mark in bare for mark in "*?["):
                found = store.glob(bare, detail=True)
            else:
                found = store.find(bare.rstrip("/"), detail=True)
        except _refusals() as error:
            raise DataError(Fault(self.address, f"the store says: {_words(error)}.")) from None
        files = ((n, i) for n, i in sorted(found.items()) if i["type"] == "file" and i["size"])
        objects = [(n, _version(i), int(i["size"])) for n, i in files]
        if not objects:
            raise DataError(Fault(self.address, "there is no object that fits, or they are all empty."))
        return objects

    def _fetched(self, context: Context | None) -> tuple[Path, list[str]]:
        """The objects as files in a folder that is named by all their versions."""
        store = self._store()
        objects = self._objects(store)
        key = hashlib.sha256("".join(f"{n} {v}\n" for n, v, _ in objects).encode()).hexdigest()[:16]
        folder, names = kept_at("downloads", f"store-{key}"), []
        base = str(PurePosixPath(objects[0][0]).parent) if len(objects) == 1 else _common([n for n, _, _ in objects])
        for at, (name, version, size) in enumerate(objects):
            inside = str(PurePosixPath(name).relative_to(base))
            if ".." in PurePosixPath(inside).parts:
                raise DataError(Fault(self.address, f"the object {name!r} has a name that leads out of its folder."))
            names.append(inside)
            if context is not None:
                context.progress(f"fetching {name}", at, len(objects))
            self._fetch(store, name, version, size, folder / inside)
        return folder, names

    def _fetch(self, store: Any, name: str, version: str, size: int, place: Path) -> None:
        """One object, by way of a file that is kept by version and linked into the folder."""
        kept = kept_at("downloads", "objects", hashlib.sha256(f"{name} {version}".encode()).hexdigest())
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_name(kept.name + ".part")
            try:
                store.get_file(name, str(part))
            except _refusals() as error:
                raise DataError(Fault(f"{self.address}: {name}", f"could not be fetched: {_words(error)}.")) from None
            came = part.stat().st_size
            if came != size:
                what = f"{came:,} bytes came of {size:,} promised."
                raise DataError(Fault(f"{self.address}: {name}", what, hint="Run again."))
            part.replace(kept)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.hardlink_to(kept)


def _common(names: list[str]) -> str:
    """The folder that all names have in common."""
    parts = [PurePosixPath(n).parent.parts for n in names]
    same = 0
    while all(len(p) > same and p[same] == parts[0][same] for p in parts):
        same += 1
    return "/".join(parts[0][:same])


def _version(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "updated", "last_modified", "mtime"):
        if info.get(key):
            return str(info[key])
    return str(info.get("size"))


def _refusals() -> tuple[type[BaseException], ...]:
    """What a store's library raises when the store or the network says no: they have no base in common."""
    named = (
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("aiohttp", "ClientError"),
    )
    loaded = [getattr(sys.modules[m], n) for m, n in named if m in sys.modules]
    return (OSError, *loaded)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
