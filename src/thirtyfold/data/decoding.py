"""Decoding: the text of a file, in the encoding that it is found to have."""

from __future__ import annotations

from pathlib import Path

from thirtyfold.core.errors import DataError, Fault

__all__ = ["decoded", "is_utf8"]


def decoded(data: bytes, path: Path, encoding: str) -> tuple[str, str]:
    """Text with plain line ends, and the encoding: a byte order mark, UTF-8, or the Western one that is left."""
    asked = encoding
    if encoding == "auto":
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            encoding = "utf-16"
        elif data[:3] == b"\xef\xbb\xbf":
            encoding = "utf-8-sig"
        else:
            _refuse_binary(data, path)
            encoding = "utf-8" if is_utf8(data) else "cp1252" if _fits(data, "cp1252") else "latin-1"
    try:
        cut = encoding == "utf-8" and asked == "auto"  # a file may end in half a character: that one is replaced
        text = data.decode(encoding, "replace" if cut else "strict")
    except LookupError:
        raise DataError(Fault(str(path), f"there is no encoding '{encoding}'.", "utf-8, latin-1, utf-16")) from None
    except UnicodeDecodeError as error:
        raise DataError(
            Fault(str(path), f"is not {encoding} at byte {error.start:,}.", hint="Leave 'encoding' out to find it.")
        ) from None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, encoding


def _refuse_binary(data: bytes, path: Path) -> None:
    kinds = {b"PAR1": "parquet", b"PK\x03\x04": "xlsx or zip", b"SQLite": "sqlite", b"\x1f\x8b": "gzip", b"%PDF": "PDF"}
    known = next((kind for mark, kind in kinds.items() if data.startswith(mark)), None)
    head = data[:65536]
    control = sum(head.count(bytes([c])) for c in (*range(9), *range(14, 27)))
    if known or control > len(head) * 0.003:
        what = f"it looks like {known}" if known else "it holds control characters"
        raise DataError(
            Fault(
                str(path),
                f"is not a text file: {what}.",
                hint="Name the source that reads it: collect: {parquet: ...}.",
            )
        )


def is_utf8(data: bytes) -> bool:
    """A whole number of characters, but for one cut off at the very end."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end >= len(data) - 3 and error.reason == "unexpected end of data"
    return True


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
