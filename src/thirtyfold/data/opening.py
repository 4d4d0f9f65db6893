"""Opening: the bytes of a file as they were before it was compressed, with bounds against archives that are traps."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.data.reading import library

__all__ = ["FREE", "MOST", "RATIO", "content", "is_packed", "opened", "refuse_bomb", "unpacked"]

FREE = 256 * 1024 * 1024
"""So many bytes may come out of any file."""
RATIO = 200
"""Beyond that, at most so many bytes for each compressed one: real tables reach 10 to 60, a bomb 1,000 and more."""
MOST = 16 * 1024**3
"""And never more than this."""
FILES = 1_000_000

_MARKS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst"}
_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)


def is_packed(path: Path) -> str:
    """How a file is compressed, by its first bytes: gz, bz2, xz, zst, or nothing."""
    with path.open("rb") as file:
        head = file.read(6)
    return next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), "")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as a stream of its uncompressed bytes; the stream raises DataError past the bounds or when cut off."""
    kind = is_packed(path)
    with path.open("rb") as raw:
        if not kind:
            yield raw
            return
        make: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
        errors: tuple[type[Exception], ...] = _ERRORS
        if kind == "zst":
            make["zst"], wrong = _zst()
            errors = (*errors, wrong)
            if not _zst_ends(raw):
                raise DataError(_cut(path, kind, EOFError("the last frame does not end")))
            raw.seek(0)
        with make[kind](raw) as stream:
            yield _Bounded(stream, path, kind, errors)


def content(path: Path, most: int | None = None) -> bytes:
    """All bytes, or the first ``most``, uncompressed."""
    with opened(path) as file:
        return bytes(file.read(most if most is not None else -1))


def _zst() -> tuple[Any, type[Exception]]:
    zstandard = library("zstandard", "files")
    machine = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    return partial(machine.stream_reader, read_across_frames=True), zstandard.ZstdError


def _zst_ends(file: IO[bytes]) -> bool:
    """Whether every frame ends with its last block (RFC 8878, 3.1): the library takes a cut file for a whole one."""
    size = file.seek(0, 2)
    at = file.seek(0)
    while at < size:
        magic = file.read(4)
        if magic[1:] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F:  # a frame to be skipped
            at = file.seek(int.from_bytes(file.read(4), "little"), 1)
            continue
        told = file.read(1)
        if magic != b"\x28\xb5\x2f\xfd" or not told:
            return False
        single, length = told[0] >> 5 & 1, told[0] >> 6
        header = (0 if single else 1) + (0, 1, 2, 4)[told[0] & 3] + ((single, 2, 4, 8)[length])
        file.seek(header, 1)
        last = False
        while not last:
            block = file.read(3)
            if len(block) < 3:
                return False
            number = int.from_bytes(block, "little")
            last = bool(number & 1)
            file.seek(1 if number >> 1 & 3 == 1 else number >> 3, 1)
        at = file.seek(4 if told[0] >> 2 & 1 else 0, 1)
    return at == size


class _Bounded(io.RawIOBase):
    """A stream of uncompressed bytes that stops at the bounds."""

    def __init__(self, stream: Any, path: Path, kind: str, errors: tuple[type[Exception], ...]) -> None:
        self.stream, self.path, self.kind, self.errors = stream, path, kind, errors
        self.left = _bound(path.stat().st_size)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self._some(1 << 20), b""))
        parts: list[bytes] = []
        while size > 0 and (part := self._some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        try:
            data: bytes = self.stream.read(size)
        except self.errors as error:
            raise DataError(_cut(self.path, self.kind, error)) from None
        self.left -= len(data)
        if self.left < 0:
            raise _bomb(self.path)
        return data


def refuse_bomb(path: Path) -> None:
    """Raise DataError for a zip file (a spreadsheet is one) that says it holds far more than its size allows."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(i.file_size for i in archive.infolist()) > _bound(path.stat().st_size):
                raise _bomb(path)


def _bound(compressed: int) -> int:
    return min(MOST, max(FREE, RATIO * compressed))


def _cut(path: Path, kind: str, error: Exception) -> Fault:
    what = f"the {kind} file cannot be uncompressed: it is cut off or damaged ({str(error)[:120]})."
    return Fault(str(path), what, hint="Copy or download it again.")


def _bomb(path: Path) -> DataError:
    size = path.stat().st_size
    return DataError(
        Fault(
            str(path),
            f"{size:,} compressed bytes give more than {_bound(size):,}: it looks like a decompression bomb.",
            hint="Uncompress it yourself if you trust it, and name what comes out.",
        )
    )


def unpacked(path: Path, to: Path) -> list[Path]:
    """The files of a zip or tar archive, written under ``to`` (a folder that this call makes), sorted by name.

    Refuses names that lead out of the folder, links, devices, encrypted members and bombs; each is one DataError.
    Folders that a system adds (``__MACOSX``) and hidden files are left out.
    """
    if not to.is_dir():
        part = to.with_name(to.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            _unpack(path, part)
        except _ERRORS as error:
            shutil.rmtree(part, ignore_errors=True)
            raise DataError(_cut(path, "archive", error)) from None
        except DataError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(to)
    return sorted(p for p in to.rglob("*") if p.is_file())


def _unpack(path: Path, to: Path) -> None:
    left = _bound(path.stat().st_size)
    for count, (name, stream) in enumerate(_members(path), 1):
        if count > FILES:
            raise DataError(Fault(str(path), f"holds more than {FILES:,} files."))
        inside = _safe(name, path)
        if any(p.startswith((".", "__MACOSX")) for p in inside.parts):
            continue
        place = to / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            while block := stream.read(1 << 20):
                left -= len(block)
                if left < 0:
                    raise _bomb(path)
                file.write(block)


def _safe(name: str, path: Path) -> PurePosixPath:
    inside = PurePosixPath(name.replace("\\", "/"))
    if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0] or "\0" in name:
        raise DataError(Fault(str(path), f"the archive holds the name {name!r}, which leads out of its folder."))
    return inside


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                if info.flag_bits & 1:
                    raise DataError(Fault(str(path), f"{info.filename} is encrypted.", hint="Unpack it first."))
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise DataError(Fault(str(path), f"{info.filename} is a link; links are not followed."))
                with archive.open(info) as stream:
                    yield info.filename, stream
        return
    with tarfile.open(path, "r:*") as tar:
        for member in tar:
            if member.isdir():
                continue
            if not member.isfile():
                raise DataError(Fault(str(path), f"{member.name} is a link or a device, not a file."))
            inside = tar.extractfile(member)
            if inside is not None:
                yield member.name, inside
