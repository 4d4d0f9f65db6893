"""image: a picture, decoded, turned upright and made one size for all rows."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core import pixels
from thirtyfold.core.content import each
from thirtyfold.core.fieldtype import Array, Feature, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.transform import Pixels, Scale
from thirtyfold.data.contents import ROOM, asked_of_request, evenly, profile_of, reads, recognized, schema_of
from thirtyfold.data.media import KINDS

__all__ = ["Image"]

_FACTS = {"brightness": 3, "contrast": 3, "width": 0, "height": 0}
_LONGEST = 64
"""Points of the longer side where nothing is said: what a small network on two cores learns from in minutes."""
_LEAST = 8
_NUMBERS = 256
"""Numbers of a picture at most for models that know no pictures."""


class Image:
    """A picture: the path of a file in a collected folder, or the file as base64. Networks see its points at one size
    for all rows; other models see a very small copy.
    """

    forms: ClassVar[tuple[Form, ...]] = ("image", "vector", "levels")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "text"
    content: ClassVar[str] = "image"

    def __init__(
        self,
        size: Annotated[int, Field(ge=2, le=1024)] | None = None,
        fit: Literal["stretch", "crop"] = "stretch",
        *,
        color: bool | None = None,
    ) -> None:
        """Set the options.

        Args:
            size: Points of the longer side; by default as in the training rows, 64 at most.
            fit: How a picture of other proportions is made to fit: stretched, or its middle cut out.
            color: Whether colors are kept; by default where the training rows have any.
        """
        self.size, self.color, self.fit_by = size, color, fit

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """References to pictures that are there, or pictures as base64."""
        return recognized(sample, KINDS["image"], _begins)

    def read(self, value: object) -> object:
        """The value itself, when there is a picture behind it."""
        return reads(value, pixels.decoded)

    def request(self, value: object) -> None:
        """What a request may hold: the file itself."""
        asked_of_request(value)

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """Rows over intervals of brightness; contrast and size in numbers."""
        return profile_of(name, column, like, "image", ("image facts", pixels.facts, _FACTS))

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """Size and colors from (at most 200 of) the training rows; their mean stands for a picture that is missing."""
        del signal
        some = evenly(column, 200)
        if not some:
            return Fitted((), why="there is no picture")
        sizes = [pixels.size_of(v) for v in some]
        color = _colored(some, sizes) if self.color is None else self.color
        height, width = self._shape(sizes, len(column), form, color=color)
        op = Pixels(height=height, width=width, color=color, crop=self.fit_by == "crop")
        seen = op.apply(np.array(some[:: max(1, len(some) // 60)], dtype=object))
        op = op.model_copy(update={"fill": round(float(seen.mean()), 3)})
        why = f"'{name}': {width} x {height} points{' in color' if color else ''}, from {len(some)} training rows"
        if form == "image":
            return Fitted((Feature(name, (name,), (op,), shape=op.shape, form="image"),), why=why)
        spread = float(seen.std()) or 1.0
        chain = (op, Scale(center=op.fill, scale=spread)) if form == "vector" else (op,)
        places = [",".join(map(str, np.unravel_index(i, op.shape))) for i in range(int(np.prod(op.shape)))]
        return Fitted((Feature(name, tuple(f"{name}[{p}]" for p in places), chain),), why=why)

    def _shape(self, sizes: list[tuple[int, int, bool]], rows: int, form: Form, *, color: bool) -> tuple[int, int]:
        """Height and width: the usual proportions, within what was asked for and what the memory holds."""
        width, height = (float(np.median([s[i] for s in sizes])) for i in (0, 1))
        longest = float(self.size or min(_LONGEST, max(width, height, _LEAST)))
        scale = longest / max(width, height)
        most = (_NUMBERS if form != "image" else ROOM / 4 / max(1, rows)) / (3 if color else 1)
        scale = min(scale, (most / (width * height)) ** 0.5)
        least = 2 if form != "image" else min(_LEAST, int(longest))
        return max(least, int(height * scale + 1e-6)), max(least, int(width * scale + 1e-6))

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """A picture's file."""
        del column
        return schema_of("a picture", "image/*", _EXAMPLE)


def _begins(data: bytes) -> bool:
    starts = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    return data.startswith(starts) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _colored(some: list[str], sizes: list[tuple[int, int, bool]]) -> bool:
    """Whether any of some pictures has a point that is not gray; JPEG's own noise is none."""
    told = [v for v, (_, _, color) in zip(some, sizes, strict=True) if color][:24]
    if not told:
        return False
    small = each(told, "color", _small, np.zeros(3 * 256)).reshape(len(told), 3, 256)
    return bool((small.max(axis=1) - small.min(axis=1)).max() > 12)


def _small(data: bytes) -> Array:
    return pixels.points(data, 16, 16, color=True, crop=False)


_EXAMPLE = pixels.png(np.tile(np.arange(0, 256, 17, dtype=np.uint8), (16, 1)))
"""A gray square that grows brighter from left to right."""
