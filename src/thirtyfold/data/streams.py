"""Streams: text that is read piece by piece: lines of any file, and the elements of one JSON array."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.data.opening import opened

__all__ = ["LONGEST", "PLAIN", "elements", "lines_of", "place_of", "starts_as_array"]

LONGEST = 32 * 1024 * 1024
"""A line of so many characters is cut: it is no record of a table, and would fill the memory."""
PLAIN = ("utf-8", "utf-8-sig", "ascii", "latin-1", "cp1252")
"""Encodings in which a line end is one byte that means nothing else."""
_PIECE = 4 * 1024 * 1024


def pieces(file: Any, encoding: str, where: str, errors: str = "strict") -> Iterator[str]:
    """A stream's text in pieces. Raises DataError where it is not of this encoding."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        while data := bytes(file.read(_PIECE)):
            yield decoder.decode(data)
        yield decoder.decode(b"", final=True)
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(Fault(where, f"is not {encoding} text: {error}.")) from None


def lines_of(
    file: Any, encoding: str, where: str, before: int = 0, errors: str = "strict"
) -> Iterator[tuple[int, str]]:
    """Each line with its number, without its end; ``before`` lines are counted as read. What is too long is cut."""
    number, rest = before, ""
    for piece in pieces(file, encoding, where, errors):
        *ended, rest = (rest + piece).split("\n") if len(rest) < LONGEST else _cut(rest, piece)
        for line in ended:
            number += 1
            yield number, line
    if rest:
        yield number + 1, rest


def _cut(rest: str, piece: str) -> list[str]:
    """A line that is too long already goes on: what comes of it is let go."""
    _, end, after = piece.partition("\n")
    return [rest, *after.split("\n")] if end else [rest]


def starts_as_array(path: Path, encoding: str) -> bool:
    """Whether the first sign of a file opens a JSON array."""
    with opened(path) as file:
        head = bytes(file.read(4096))
    try:
        return head.decode(encoding, "ignore").lstrip().startswith("[")
    except LookupError:
        return False


def elements(file: Any, encoding: str, where: str) -> Iterator[Any]:
    """Each element of one JSON array. Raises JSONDecodeError where the text is none."""
    read, text, at = pieces(file, encoding, where), "", 0
    decoder = json.JSONDecoder()
    text, at = _from(read, text, at)
    at += 1  # the bracket
    while True:
        text, at = _from(read, text, at)
        if text[at : at + 1] == "]":
            text, at = _from(read, text, at + 1)
            if at < len(text):
                raise json.JSONDecodeError("more after the array", text, at)
            return
        value, text, at = _one(decoder, read, text, at)
        yield value
        text, at = _from(read, text, at)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "]":
            raise json.JSONDecodeError("no comma", text, at)


def _from(read: Iterator[str], text: str, at: int) -> tuple[str, int]:
    """The text from the next sign that is not blank; more is read where there is none."""
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at < len(text):
            return (text[at:], 0) if at > _PIECE else (text, at)
        more = next(read, None)
        if more is None:
            return "", 0
        text, at = more, 0


def _one(decoder: json.JSONDecoder, read: Iterator[str], text: str, at: int) -> tuple[Any, str, int]:
    """The next value, the text and the place behind it; more is read where it may go on."""
    while True:
        try:
            value, end = decoder.raw_decode(text, at)
        except RecursionError:
            raise json.JSONDecodeError("nested too deeply", text[:100], 0) from None
        except json.JSONDecodeError:
            value, end = None, len(text)
        if end < len(text):
            return value, text, end
        more = next(read, None)
        if more is None or len(text) - at > LONGEST:
            raise json.JSONDecodeError("the array is cut off", text[-100:], 0)
        text, at = text[at:] + more, 0


def place_of(path: Path, lines: int) -> int:
    """The byte at which a file's line begins that has so many before it."""
    at = 0
    with path.open("rb") as file:
        while lines and (data := file.read(_PIECE)):
            here = data.count(b"\n")
            if here < lines:
                at, lines = at + len(data), lines - here
                continue
            end = -1
            for _ in range(lines):
                end = data.index(b"\n", end + 1)
            return at + end + 1
    return at
