"""Media: what the header of a picture, a sound, a video or a text says, without decoding what is in it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from thirtyfold.core.pixels import decoded
from thirtyfold.data.reading import library

__all__ = ["KINDS", "PIXELS", "Broken", "header"]

KINDS: dict[str, tuple[str, ...]] = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"),
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au", ".opus"),
    "video": (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg"),
    "text": (".txt", ".md"),
}

PIXELS = 100_000_000
"""A picture of more than this would fill the memory when decoded."""
TEXT = 1_000_000


class Broken(Exception):
    """A file that is not what its ending says, is cut off, or is a trap; the text says which."""


def header(path: Path, kind: str) -> dict[str, Any]:
    """The facts of one file, by its kind. Raises Broken."""
    if not path.stat().st_size:
        raise Broken("the file is empty")
    return {"image": _image, "audio": _audio, "video": _video, "text": _text}[kind](path)


def _image(path: Path) -> dict[str, Any]:
    image = library("PIL.Image", "media")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, which are judged here
            with image.open(path) as opened:
                width, height = opened.size
                found = {"width": width, "height": height, "mode": opened.mode, "format": opened.format}
                found["frames"] = int(getattr(opened, "n_frames", 1))
                if width * height * found["frames"] > 50 * PIXELS or width * height > PIXELS:
                    raise Broken(f"{width:,} x {height:,} points are more than {PIXELS:,}: it looks like a trap")
                opened.verify()
    except image.DecompressionBombError:
        raise Broken(f"its points are more than {PIXELS:,}: it looks like a trap") from None
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError) as error:
        raise Broken(_said("not a picture, or cut off", path, error)) from None
    if found["format"] == "JPEG" and b"\xff\xd9" not in _tail(path):
        raise Broken("the picture is cut off: it does not end as a JPEG does")
    try:
        decoded(path.read_bytes(), (64, 64))  # a header may be whole where the picture breaks off
    except ValueError as error:
        raise Broken(str(error)) from None
    return found


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        return file.read()


def _audio(path: Path) -> dict[str, Any]:
    soundfile = library("soundfile", "media")
    try:
        with soundfile.SoundFile(str(path)) as opened:
            rate, frames = int(opened.samplerate), int(opened.frames)
            found: dict[str, Any] = {"seconds": frames / rate, "rate": rate, "channels": int(opened.channels)}
            found |= {"format": opened.format, "coding": opened.subtype}
    except (soundfile.SoundFileError, RuntimeError, ZeroDivisionError) as error:
        raise Broken(_said("not a sound, or cut off", path, error)) from None
    if not frames:
        raise Broken("the sound has no samples")
    if found["format"] == "WAV" and path.stat().st_size < _promised(path):
        raise Broken("the sound is cut off: its header promises more than there is")
    if (heard := _heard(soundfile, path)) < frames:
        raise Broken(f"the sound breaks off: {frames:,} samples were promised, {heard:,} are there")
    return found


def _heard(soundfile: Any, path: Path) -> int:
    """Samples that can be decoded, a minute of them in memory at a time."""
    total = 0
    try:
        with soundfile.SoundFile(str(path)) as opened:
            for block in opened.blocks(blocksize=60 * 48_000, dtype="int16"):
                total += len(block)
    except (soundfile.SoundFileError, RuntimeError):
        pass
    return total


def _promised(path: Path) -> int:
    """The size that a WAV file's own header gives; 0 where a stream was written that could not know."""
    with path.open("rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:8], "little")
    return 0 if size in (0, 0xFFFFFFFF, 0x7FFFFFFF) else size


def _video(path: Path) -> dict[str, Any]:
    av = library("av", "media")
    try:
        with av.open(str(path)) as opened:
            if not opened.streams.video:
                raise Broken("there is no picture in the video")
            stream = opened.streams.video[0]
            found: dict[str, Any] = {"width": stream.width, "height": stream.height}
            found["coding"] = stream.codec_context.name
            found["seconds"] = float(opened.duration or 0) / 1e6
            found["rate"] = float(stream.average_rate or 0)
            found["frames"] = int(stream.frames or round(found["seconds"] * found["rate"]))
            found["sound"] = bool(opened.streams.audio)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Broken(_said("not a video, or cut off", path, error)) from None
    if not found["width"] or found["width"] * found["height"] > PIXELS:
        raise Broken(f"a picture of {found['width']} x {found['height']} points cannot be shown")
    return found


def _text(path: Path) -> dict[str, Any]:
    if path.stat().st_size > TEXT:
        raise Broken(f"a text of more than {TEXT:,} bytes")
    data = path.read_bytes()
    if b"\0" in data:
        raise Broken("not a text: it holds zero bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return {"text": text.strip(), "words": len(text.split())}


def _said(what: str, path: Path, error: BaseException) -> str:
    """A library's words without the path, which stands in the quarantine already."""
    words = " ".join(str(error).replace(str(path), path.name).split())
    return f"{what} ({words[:120]})" if words else what
