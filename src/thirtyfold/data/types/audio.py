"""audio: a recording, at one rate and one length, as the power in bands of pitch over time (log-mel)."""

import math
import struct
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core import sound
from thirtyfold.core.content import each
from thirtyfold.core.fieldtype import Array, Feature, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.transform import LogMel, Scale
from thirtyfold.data.contents import ROOM, asked_of_request, evenly, profile_of, reads, recognized, schema_of
from thirtyfold.data.media import KINDS

__all__ = ["Audio"]

_FACTS = {"loudness": 1, "silence": 3, "seconds": 2}
_FRAMES = 400
"""Frames at most: of a longer recording each frame stands for more time."""
_SECONDS = 30.0
_RATE = 16_000
"""Samples a second at most: above 8 kHz there is little that tells words, voices or noises apart."""
_STEPS, _BANDS = 10, 20
"""Moments and bands for models that know no frames."""


class Audio:
    """A recording: the path of a file in a collected folder, or the file as base64. Networks see 40 bands of pitch
    every ten milliseconds; other models see ten moments of 20 bands.
    """

    forms: ClassVar[tuple[Form, ...]] = ("frames", "vector", "levels")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "text"
    content: ClassVar[str] = "audio"

    def __init__(
        self,
        seconds: Annotated[float, Field(gt=0, le=600)] | None = None,
        rate: Annotated[int, Field(ge=1000, le=96_000)] | None = None,
        bands: Annotated[int, Field(ge=8, le=256)] = 40,
        *,
        level: bool = True,
    ) -> None:
        """Set the options.

        Args:
            seconds: What is heard of each recording, from its start; by default nearly all of 95 in 100 training rows,
                30 at most.
            rate: Samples a second that all are brought to; by default as in the training rows, 16,000 at most.
            bands: Bands of pitch.
            level: Whether the loudest moment of each is made equally loud first.
        """
        self.seconds, self.rate, self.bands, self.level = seconds, rate, bands, level

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """References to recordings that are there, or recordings as base64."""
        return recognized(sample, KINDS["audio"], _begins)

    def read(self, value: object) -> object:
        """The value itself, when there is a recording behind it."""
        return reads(value, _heard)

    def request(self, value: object) -> None:
        """What a request may hold: the file itself."""
        asked_of_request(value)

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """Rows over intervals of loudness; silence and seconds in numbers."""
        return profile_of(name, column, like, "audio", ("audio facts", sound.facts, _FACTS))

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """Rate and length from (at most 200 of) the training rows."""
        del signal
        some = evenly(column, 200)
        if not some:
            return Fitted((), why="there is no recording")
        told = each(some, "length", lambda data: np.array(sound.length_of(data)), np.zeros(2))
        rate = self.rate or int(min(_RATE, np.median(told[:, 1])))
        seconds = self.seconds or min(_SECONDS, max(0.1, float(np.quantile(told[:, 0], 0.95))))
        op = self._frames(rate, seconds, len(column)) if form == "frames" else _moments(rate, seconds, level=self.level)
        heard = f"{seconds:.2f} seconds at {rate:,} samples a second as {op.frames} frames of {op.bands} bands"
        why = f"'{name}': {heard}, from {len(some)} training rows"
        if form == "frames":
            return Fitted((Feature(name, (name,), (op,), shape=op.shape, form="frames"),), why=why)
        seen = op.apply(np.array(some[:: max(1, len(some) // 60)], dtype=object))
        scale = (Scale(center=float(seen.mean()), scale=float(seen.std()) or 1.0),) if form == "vector" else ()
        names = tuple(f"{name}[{t},{b}]" for t in range(op.frames) for b in range(op.bands))
        return Fitted((Feature(name, names, (op, *scale)),), why=why)

    def _frames(self, rate: int, seconds: float, rows: int) -> LogMel:
        most = int(min(_FRAMES, max(8, ROOM / 4 / max(1, rows) / self.bands)))
        hop = max(1, round(rate * 0.01), math.ceil(seconds * rate / (most - 1)))
        window = 2 ** math.ceil(math.log2(max(hop * 2.5, 64)))
        return LogMel(
            rate=rate, frames=1 + math.ceil(seconds * rate / hop), window=window, hop=hop, bands=self.bands,
            level=self.level,
        )  # fmt: skip

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """A recording's file."""
        del column
        return schema_of("a recording", "audio/*", _EXAMPLE)


def _moments(rate: int, seconds: float, *, level: bool) -> LogMel:
    hop = max(1, math.ceil(seconds * rate / (_STEPS - 1)))
    window = 2 ** math.ceil(math.log2(max(hop, 512)))
    return LogMel(rate=rate, frames=_STEPS, window=window, hop=hop, bands=_BANDS, level=level)


def _heard(data: bytes) -> None:
    """Read the whole recording, half a minute at most; raises ValueError."""
    seconds, rate = sound.length_of(data)
    sound.wave(data, rate, min(seconds, _SECONDS))


def _begins(data: bytes) -> bool:
    if data[:4] in (b"RIFF", b"FORM"):
        return data[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return data.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b".snd"))


def _wav(seconds: float, rate: int, pitch: float) -> bytes:
    """A tone, 8 bits a sample."""
    data = bytes(128 + round(90 * math.sin(2 * math.pi * pitch * i / rate)) for i in range(int(seconds * rate)))
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    return head + struct.pack("<4sI", b"data", len(data)) + data


_EXAMPLE = _wav(0.2, 4000, 440.0)
