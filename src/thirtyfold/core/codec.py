"""Codec: any value that steps pass on, to files and back, in open formats, never a pickle.

Frames become Arrow IPC, arrays NumPy's own format without objects, bytes themselves, dataclasses and the rest JSON.
The same value gives the same bytes, so that a value can be named by the hash of its files. A large frame becomes a file
at once and is mapped when it is read (see ``core.laid``): nothing holds it twice.
"""

from __future__ import annotations

import dataclasses
import io
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter

from thirtyfold.core.laid import LARGE, Laid, lay, mapped
from thirtyfold.core.late import np, pl

__all__ = ["pack", "pack_large", "unpack"]


class _Packer(NamedTuple):
    blobs: dict[str, bytes | Laid]
    folder: Path | None = None
    """Where large frames are laid; None where all must be bytes."""

    def add(self, data: bytes | Laid, suffix: str) -> dict[str, str]:
        name = f"{len(self.blobs):04d}.{suffix}"
        self.blobs[name] = data
        return {"$": name}


def pack(value: Any) -> dict[str, bytes]:
    """A value as files: ``value.json`` and whatever it refers to."""
    return cast("dict[str, bytes]", _packed(value, _Packer({})))  # nothing is laid without a folder


def pack_large(value: Any, folder: Path) -> dict[str, bytes | Laid]:
    """As ``pack``, with frames of more than 50 MB as files in ``folder``."""
    return _packed(value, _Packer({}, folder))


def _packed(value: Any, packer: _Packer) -> dict[str, bytes | Laid]:
    tree = _pack(value, packer)
    return {"value.json": json.dumps(tree, sort_keys=True, allow_nan=True).encode(), **packer.blobs}


def _pack(value: Any, packer: _Packer) -> Any:  # noqa: PLR0911 - one return a kind
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return packer.add(buffer.getvalue(), "npy")
    if isinstance(value, pl.DataFrame):
        if packer.folder is not None and _size(value) > LARGE:
            return packer.add(lay(value, packer.folder), "arrow")
        buffer = io.BytesIO()
        value.rechunk().write_ipc(buffer, compression="zstd")
        return packer.add(buffer.getvalue(), "arrow")
    if isinstance(value, bytes):
        return packer.add(value, "bin")
    if hasattr(value, "save") and hasattr(type(value), "load"):
        return {name: packer.add(data, "bin") for name, data in sorted(value.save().items())}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {f.name: _pack(getattr(value, f.name), packer) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {"items": [[_pack(k, packer), _pack(v, packer)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        return [_pack(v, packer) for v in value]
    raise TypeError(f"a step gave a {type(value).__name__}, which cannot be stored")


def _size(frame: pl.DataFrame) -> int:
    """The bytes of a frame; by its rows alone where these show that it is large, for texts take long to add up."""
    least = 8 * frame.height * sum(t.is_numeric() or t.is_temporal() or t == pl.String for t in frame.dtypes)
    return least if least > 8 * LARGE else int(frame.estimated_size())


def unpack(files: Mapping[str, bytes | Laid], hint: Any) -> Any:
    """The value that ``pack`` made, as the type it was declared to be."""
    return _unpack(json.loads(_bytes(files, "value.json")), hint, files)


def _bytes(files: Mapping[str, bytes | Laid], name: str) -> bytes:
    data = files[name]
    return data.path.read_bytes() if isinstance(data, Laid) else data


def _frame(data: bytes | Laid) -> pl.DataFrame:
    return mapped(data) if isinstance(data, Laid) else pl.read_ipc(io.BytesIO(data))


def _unpack(tree: Any, hint: Any, files: Mapping[str, bytes | Laid]) -> Any:  # noqa: PLR0911 - one return a kind
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        return None if tree is None else _unpack(tree, rest[0], files) if len(rest) == 1 else _plain(tree, files)
    if tree is None or hint is Any or origin is Literal:
        return _plain(tree, files)
    if hint is np.ndarray or origin is np.ndarray:
        return np.load(io.BytesIO(_bytes(files, tree["$"])), allow_pickle=False)
    if hint is pl.DataFrame:
        return _frame(files[tree["$"]])
    if hint is bytes:
        return _bytes(files, tree["$"])
    if isinstance(hint, type) and hasattr(hint, "load") and hasattr(hint, "save"):
        return hint.load({name: _bytes(files, ref["$"]) for name, ref in tree.items()})
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        known = {f.name for f in dataclasses.fields(hint)}
        return hint(**{name: _unpack(v, hints[name], files) for name, v in tree.items() if name in known})
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {_unpack(k, args[0], files): _unpack(v, args[1], files) for k, v in tree["items"]}
    if origin is list:
        return [_unpack(v, args[0], files) for v in tree]
    if origin is tuple and len(args) == 2 and args[1] is ...:
        return tuple(_unpack(v, args[0], files) for v in tree)
    if origin is tuple:
        return tuple(_unpack(v, a, files) for v, a in zip(tree, args, strict=True))
    return TypeAdapter(hint).validate_python(_plain(tree, files))


def _plain(tree: Any, files: Mapping[str, bytes | Laid]) -> Any:
    """A tree without a declared type: JSON values, arrays and bytes."""
    if isinstance(tree, dict):
        if set(tree) == {"$"}:
            data = _bytes(files, tree["$"])
            return np.load(io.BytesIO(data), allow_pickle=False) if tree["$"].endswith("npy") else data
        if set(tree) == {"items"}:
            return {_plain(k, files): _plain(v, files) for k, v in tree["items"]}
        return {k: _plain(v, files) for k, v in tree.items()}
    return [_plain(v, files) for v in tree] if isinstance(tree, list) else tree
