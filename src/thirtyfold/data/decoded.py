"""Decoded: a bounded sample of pictures, sounds and videos, opened to see what their headers cannot say.

How bright and sharp the pictures are, how loud the sounds and how long their silence, how much moves in a video; and
whether the border of the pictures, or the silence around the sounds, tells the answer by itself.
"""

import base64
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from thirtyfold.core.fieldtype import Array
from thirtyfold.data.reading import library

__all__ = ["FACTS", "Seen", "look_at"]

PICTURES, SOUNDS, VIDEOS = 240, 160, 40
"""Files of each kind that are opened at most."""
SIDE = 256
"""Pictures are looked at in at most about so many points a side."""
SECONDS = 30
"""Of a sound, at most the first so many are heard."""
SHOWN = 24
"""Pictures that are shown."""

FACTS: dict[str, dict[str, str]] = {
    "image": {"brightness": "0 black, 1 white", "contrast": "deviation of brightness", "color": "0 gray",
              "sharpness": "mean step between neighboring points"},
    "audio": {"loudness": "mean square, decibels below full", "peak": "1 is full", "silence": "share of the time",
              "lead": "seconds of silence before", "tail": "seconds of silence after", "clipped": "share of samples"},
    "video": {"brightness": "0 black, 1 white", "movement": "mean change between first and middle picture"},
}  # fmt: skip
"""What is found of each kind, and what the number means."""


@dataclass
class Seen:
    """What was seen of one kind: positions of the rows, facts by name, what surrounds the content (rows, features), and
    small pictures as base64 JPEG by row.
    """

    kind: str
    rows: list[int] = field(default_factory=list)
    facts: dict[str, list[float]] = field(default_factory=dict)
    edge: list[list[float]] = field(default_factory=list)
    thumbs: dict[int, str] = field(default_factory=dict)
    broken: int = 0


def look_at(files: Mapping[int, Path], kind: str) -> Seen:
    """Open each file of a kind; what cannot be decoded is counted. ``files`` by the position of their row."""
    most, look = {"image": (PICTURES, _image), "audio": (SOUNDS, _audio), "video": (VIDEOS, _video)}[kind]
    found = Seen(kind)
    looker: Callable[[Path], tuple[dict[str, float], list[float], Any]] = look
    for at, path in list(files.items())[:most]:
        try:
            facts, edge, picture = looker(path)
        except (OSError, ValueError, RuntimeError, SyntaxError, EOFError):
            found.broken += 1
            continue
        found.rows.append(at)
        found.edge.append(edge)
        for name, value in facts.items():
            found.facts.setdefault(name, []).append(value)
        if picture is not None and len(found.thumbs) < SHOWN:
            found.thumbs[at] = _thumb(picture)
    return found


def _image(path: Path) -> tuple[dict[str, float], list[float], Any]:
    image = library("PIL.Image", "media")
    with image.open(path) as opened:
        opened.draft("RGB", (SIDE, SIDE))  # a JPEG is decoded at an eighth, a quarter or half of its size
        small = opened.convert("RGB")
    points = np.asarray(small, dtype=np.float64) / 255
    return _of_points(points), _border(points), small


def _of_points(points: Array) -> dict[str, float]:
    """Facts of one picture, shape (height, width, 3), 0 to 1."""
    gray = points @ np.array([0.299, 0.587, 0.114])
    steps = [np.abs(np.diff(gray, axis=a)).mean() for a in (0, 1) if gray.shape[a] > 1]
    return {
        "brightness": float(gray.mean()),
        "contrast": float(gray.std()),
        "color": float((points.max(axis=2) - points.min(axis=2)).mean()),
        "sharpness": float(np.mean(steps)) if steps else 0.0,
    }


def _border(points: Array) -> list[float]:
    """The outermost two points of each side: mean of each color and deviation; and the color of the four corners."""
    sides = (points[:2], points[-2:], points[:, :2], points[:, -2:])
    out: list[float] = []
    for side in sides:
        out += [*side.mean(axis=(0, 1)).tolist(), float(side.std())]
    for y in (0, -1):
        for x in (0, -1):
            out += points[y, x].tolist()
    return out


def _thumb(small: Any) -> str:
    copy = small.copy()
    copy.thumbnail((72, 72))
    held = io.BytesIO()
    copy.save(held, "JPEG", quality=60)
    return base64.b64encode(held.getvalue()).decode()


def _audio(path: Path) -> tuple[dict[str, float], list[float], Any]:
    soundfile = library("soundfile", "media")
    with soundfile.SoundFile(str(path)) as opened:
        rate = int(opened.samplerate)
        heard = opened.read(SECONDS * rate, dtype="float64", always_2d=True)
    return (*_of_sound(heard.mean(axis=1), rate), None)


def _of_sound(wave: Array, rate: int) -> tuple[dict[str, float], list[float]]:
    """Facts of one sound, shape (samples,), -1 to 1. Silence is 40 decibels below the loudest 20 milliseconds."""
    if not len(wave):
        raise ValueError("no samples")
    step = max(1, rate // 50)
    whole = wave[: len(wave) // step * step].reshape(-1, step) if len(wave) >= step else wave[None]
    power = (whole**2).mean(axis=1)
    loud = np.flatnonzero(power > max(float(power.max()) * 1e-4, 1e-12))
    silent = 1 - len(loud) / len(power)
    lead = float(loud[0]) * step / rate if len(loud) else len(wave) / rate
    tail = float(len(power) - 1 - loud[-1]) * step / rate if len(loud) else len(wave) / rate
    mean = float((wave**2).mean())
    facts = {
        "loudness": 10 * math.log10(max(mean, 1e-12)),
        "peak": float(np.abs(wave).max()),
        "silence": float(silent),
        "lead": lead,
        "tail": tail,
        "clipped": float((np.abs(wave) >= 0.999).mean()),
    }
    floor = 10 * math.log10(max(float(np.quantile(power, 0.05)), 1e-12))
    return facts, [lead, tail, float(wave.mean()), floor]


def _video(path: Path) -> tuple[dict[str, float], list[float], Any]:
    av = library("av", "media")
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        start = next(opened.decode(stream), None)
        if start is None:
            raise ValueError("no picture in the video")
        first = start.to_image()
        if opened.duration:
            opened.seek(int(opened.duration // 2))
        middle = next(opened.decode(stream), None)
        second = middle.to_image() if middle is not None else first
    one, two = (np.asarray(p.convert("RGB").resize((64, 64)), dtype=np.float64) / 255 for p in (first, second))
    facts = {"brightness": _of_points(one)["brightness"], "movement": float(np.abs(one - two).mean())}
    return facts, _border(one), first.convert("RGB")
