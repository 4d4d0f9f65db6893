"""Transforms: the small closed set of operations of which every encoder is made.

They are data, not code: an encoder is saved as JSON, and each transform has one meaning here (NumPy) and the same one
in the exported graph, so that serving cannot differ from training. Numbers are float64 arrays of shape (rows,) with
NaN for missing; text is an object array of ``str`` or ``None``. A transform that widens gives shape (rows, width).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from thirtyfold.core.late import Array, np

__all__ = [
    "Calendar",
    "Clip",
    "Cycle",
    "Decoder",
    "Elementwise",
    "Fill",
    "IsMissing",
    "Length",
    "Log",
    "LogMel",
    "Lookup",
    "OneHot",
    "Pixels",
    "Scale",
    "Tokens",
    "Transform",
    "Words",
    "abreast",
]


class _Op(BaseModel):
    # Built when first used: a command that only looks has half a second, and makes no transform.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Fill(_Op):
    """Missing numbers become ``value``."""

    op: Literal["fill"] = "fill"
    value: float

    def apply(self, x: Array) -> Array:
        return np.where(np.isnan(x), self.value, x)


class IsMissing(_Op):
    """1.0 where a number or text is missing, else 0.0."""

    op: Literal["is_missing"] = "is_missing"

    def apply(self, x: Array) -> Array:
        if x.dtype == object:
            return np.array([v is None for v in x], dtype=np.float64)
        return np.isnan(x).astype(np.float64)


class Clip(_Op):
    """Numbers outside [low, high] become the nearer border."""

    op: Literal["clip"] = "clip"
    low: float
    high: float

    def apply(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)


class Log(_Op):
    """sign(x) * log(1 + |x|): tames long tails, keeps zero and sign."""

    op: Literal["log"] = "log"

    def apply(self, x: Array) -> Array:
        return np.sign(x) * np.log1p(np.abs(x))


class Scale(_Op):
    """(x - center) / scale."""

    op: Literal["scale"] = "scale"
    center: float
    scale: float

    def apply(self, x: Array) -> Array:
        # In float64 whatever comes, as the exported graph does: a tree's threshold may lie between the two.
        return (np.asarray(x, dtype=np.float64) - self.center) / self.scale


class Cycle(_Op):
    """A number that comes round every ``period`` as its sine and cosine: width 2.

    Rounded to six figures: half a turn is 0 everywhere, where libraries have 1e-16 or -9e-8 and trees a border at 0.
    """

    op: Literal["cycle"] = "cycle"
    period: float

    def apply(self, x: Array) -> Array:
        turn = x * (2 * np.pi / self.period)
        return np.round(np.stack([np.sin(turn), np.cos(turn)], axis=1), 6)


class Calendar(_Op):
    """A part of a moment (seconds since 1970, UTC): year; month 1-12; day 1-31; weekday Monday=0; hour 0-23;
    yearday 1-366; minute 0-59.
    """

    op: Literal["calendar"] = "calendar"
    part: Literal["year", "month", "day", "weekday", "hour", "minute", "yearday"]

    def apply(self, x: Array) -> Array:
        known = ~np.isnan(x)
        out = np.full(len(x), np.nan)
        stamp = np.floor(x[known]).astype("datetime64[s]")
        day, month, year = (stamp.astype(f"datetime64[{u}]") for u in "DMY")
        match self.part:
            case "year":
                out[known] = year.astype(np.int64) + 1970
            case "month":
                out[known] = month.astype(np.int64) % 12 + 1
            case "day":
                out[known] = (day - month.astype("datetime64[D]")).astype(np.int64) + 1
            case "yearday":
                out[known] = (day - year.astype("datetime64[D]")).astype(np.int64) + 1
            case "weekday":
                out[known] = (day.astype(np.int64) + 3) % 7
            case "hour":
                out[known] = stamp.astype(np.int64) // 3600 % 24
            case "minute":
                out[known] = stamp.astype(np.int64) // 60 % 60
        return out


class Lookup(_Op):
    """Text to a number by a table: codes, counts, target encodings."""

    op: Literal["lookup"] = "lookup"
    table: dict[str, float]
    unknown: float | None = None
    """For text not in the table; ``None`` is NaN."""
    missing: float | None = None
    """For missing text; ``None`` is NaN."""

    def apply(self, x: Array) -> Array:
        unknown = np.nan if self.unknown is None else self.unknown
        missing = np.nan if self.missing is None else self.missing
        get = self.table.get
        return np.array([missing if v is None else get(v, unknown) for v in x], dtype=np.float64)


class OneHot(_Op):
    """Text to one 1.0 among zeros: width = categories (+ 1 for all others and missing if ``other``)."""

    op: Literal["one_hot"] = "one_hot"
    categories: tuple[str, ...]
    other: bool = True

    def apply(self, x: Array) -> Array:
        place = {c: i for i, c in enumerate(self.categories)}
        last = len(self.categories)
        out = np.zeros((len(x), last + 1))
        out[np.arange(len(x)), [last if v is None else place.get(v, last) for v in x]] = 1.0
        return out if self.other else out[:, :last]


class Words(_Op):
    """Short text to ``weights[i]`` where ``words[i]`` occurs in it, else 0: width = words.

    A word is lower-case letters, digits and underscores of ASCII, found between word borders, case ignored.
    """

    op: Literal["words"] = "words"
    words: tuple[str, ...]
    weights: tuple[float, ...]

    def apply(self, x: Array) -> Array:
        place = {w: i for i, w in enumerate(self.words)}
        out = np.zeros((len(x), len(self.words)))
        for row, text in enumerate(x):
            for word in set(re.findall(r"[0-9A-Za-z_]+", text or "")):
                column = place.get(word.lower())
                if column is not None:
                    out[row, column] = self.weights[column]
        return out


class Length(_Op):
    """Characters (Unicode code points) of a text; 0 when missing."""

    op: Literal["length"] = "length"

    def apply(self, x: Array) -> Array:
        return np.array([len(v) if v else 0 for v in x], dtype=np.float64)


class Pixels(_Op):
    """The file of a picture (see ``core.content``) to its points, 0 to 255: width = channels x height x width."""

    op: Literal["pixels"] = "pixels"
    height: int
    width: int
    color: bool
    crop: bool = False
    """Whether the middle is cut out to keep the proportions, or the picture is stretched."""
    fill: float = 0.0
    """Every point of a picture that is missing."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (3 if self.color else 1, self.height, self.width)

    def apply(self, x: Array) -> Array:
        from thirtyfold.core import content, pixels

        def make(data: bytes) -> Array:
            return pixels.points(data, self.height, self.width, color=self.color, crop=self.crop)

        blank = np.full(self.shape, self.fill, dtype=np.float32)
        return content.each(x, self.model_dump_json(exclude={"fill"}), make, blank)


class LogMel(_Op):
    """The file of a recording (see ``core.content``) to its log-mel frames (see ``core.sound``): width = frames x
    bands. A missing one is silence.
    """

    op: Literal["log_mel"] = "log_mel"
    rate: int
    frames: int
    window: int
    hop: int
    bands: int
    level: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """(frames, bands)."""
        return (self.frames, self.bands)

    def apply(self, x: Array) -> Array:
        from thirtyfold.core import content, sound

        def make(data: bytes) -> Array:
            return sound.log_mel(data, self.rate, self.frames, self.window, self.hop, self.bands, level=self.level)

        blank = np.full(self.shape, np.log(sound.FLOOR), dtype=np.float32)
        return content.each(x, self.model_dump_json(), make, blank)


class Tokens(_Op):
    """Text to the numbers of its pieces (see ``core.tokens``), 0 after its end: width = length; missing is empty."""

    op: Literal["tokens"] = "tokens"
    tokenizer: str
    """The tokenizer's own JSON."""
    length: int

    @property
    def shape(self) -> tuple[int]:
        """(length,)."""
        return (self.length,)

    def apply(self, x: Array) -> Array:
        from thirtyfold.core.tokens import codes

        return codes(x, self.tokenizer, self.length)


Decoder = Pixels | LogMel | Tokens
"""What no graph can compute. It stands first in a chain; the exported graph takes what it gives, of its ``shape``."""

Elementwise = Fill | Clip | Log | Scale
"""What gives a number for each number by itself, whatever the shape."""


def abreast(chains: Sequence[Sequence[_Op]]) -> tuple[Elementwise, ...]:
    """Chains of the same kinds of elementwise transforms as one, for arrays of shape (chains, rows)."""
    return tuple(_abreast(ops) for ops in zip(*chains, strict=True))


def _abreast(ops: tuple[Any, ...]) -> Any:
    # Not validated: its settings are columns of numbers, one for each chain, which NumPy spreads over the rows.
    kind: Any = type(ops[0])
    settings = [name for name in kind.model_fields if name != "op"]
    return kind.model_construct(**{n: np.array([[getattr(op, n)] for op in ops]) for n in settings})


Transform = Annotated[
    Fill
    | IsMissing
    | Clip
    | Log
    | Scale
    | Cycle
    | Calendar
    | Lookup
    | OneHot
    | Words
    | Length
    | Pixels
    | LogMel
    | Tokens,
    Field(discriminator="op"),
]
