"""Fetching: one file from the web to one place, going on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.step import Context
from thirtyfold.data.reading import sha256_of

__all__ = ["MOST", "fetch", "json_at"]

MOST = 1024**4
"""A server that sends more than this is not sending a file."""


def fetch(address: str, place: Path, sha256: str, timeout: float, context: Context | None) -> None:
    """Download to ``place``, by way of ``place.part``, which is kept when the server goes away and gone on with.

    A file that has changed on the server since (by its ETag or date) is begun anew. Raises DataError.
    """
    import httpx

    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(place.name + ".part")
    try:
        with httpx.Client(follow_redirects=True, timeout=timeout) as client:
            _take(client, address, part, context)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        hint = "Run again to go on where it stopped, or name a folder that has it in THIRTYFOLD_MIRROR."
        raise DataError(Fault(address, f"could not be downloaded ({error}).", hint=hint)) from None
    came = sha256_of(part)
    if sha256 and came != sha256:
        part.unlink()
        raise DataError(Fault(address, f"the file has the sha256 {came}, not {sha256}."))
    part.replace(place)
    _mark(part).unlink(missing_ok=True)


def _mark(part: Path) -> Path:
    """Where the version of a half-done download is written down."""
    return part.with_name(part.name + ".version")


def _take(client: Any, address: str, part: Path, context: Context | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    mark = _mark(part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if mark.exists():
            headers["If-Range"] = mark.read_text(encoding="utf-8")
    with client.stream("GET", address, headers=headers) as answer:
        if answer.status_code == 416:  # all of it is here already
            return
        answer.raise_for_status()
        goes_on = have and answer.status_code == 206
        done = have if goes_on else 0
        promised = answer.headers.get("content-length")
        total = int(promised) + done if promised else None
        version = answer.headers.get("etag") or answer.headers.get("last-modified")
        if version and not version.startswith("W/"):
            mark.write_text(version, encoding="utf-8")
        with part.open("ab" if goes_on else "wb") as file:
            for block in answer.iter_raw():
                file.write(block)
                done += len(block)
                if done > MOST:
                    raise DataError(Fault(address, f"sends more than {MOST:,} bytes."))
                if context is not None:
                    context.progress(f"downloading {address}", done, total)


def json_at(address: str, timeout: float) -> Any:
    """What a server answers in JSON. Raises DataError."""
    import httpx

    try:
        with httpx.Client(follow_redirects=True, timeout=timeout) as client:
            answer = client.get(address)
            answer.raise_for_status()
            return answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        raise DataError(Fault(address, f"could not be asked ({error}).")) from None
