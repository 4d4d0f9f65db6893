"""Pixels: a picture's file to points, the same in training and at serving. Pillow decodes, and nothing else."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

from thirtyfold.core.content import bytes_of
from thirtyfold.core.errors import Fault, MissingExtra
from thirtyfold.core.late import Array, np

__all__ = ["MOST", "decoded", "facts", "png", "points", "size_of"]

MOST = 100_000_000
"""A picture of more points than this would fill the memory when decoded."""
_WRONG = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error)
"""What Pillow's readers raise for files that are not what they say."""


def _pillow() -> Any:
    try:
        import PIL.Image
        import PIL.ImageOps
    except ModuleNotFoundError:
        what = "pictures need Pillow, which is not installed: pip install 'thirtyfold[media]'"
        raise MissingExtra(Fault("fields", what)) from None
    return PIL


def _opened(data: bytes) -> Any:
    """A picture whose header is read. Raises ValueError."""
    pil = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, which are judged here
            opened = pil.Image.open(io.BytesIO(data))
    except pil.Image.DecompressionBombError:
        raise ValueError(f"its points are more than {MOST:,}: it looks like a trap") from None
    except _WRONG:
        raise ValueError("it is not a picture that can be read") from None
    width, height = opened.size
    if width * height > MOST:
        raise ValueError(f"{width:,} x {height:,} points are more than {MOST:,}: it looks like a trap")
    return opened


def decoded(data: bytes, near: tuple[int, int] | None = None) -> Any:
    """The first picture of a file as a Pillow image of mode L or RGB, turned as its camera says.

    ``near`` (width, height) lets a JPEG be decoded at an eighth, a quarter or half of its size, never below that. What
    can be seen through stands on white. Raises ValueError for what is no picture, is cut off, or is a trap.
    """
    opened, pil = _opened(data), _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if near is not None and opened.format == "JPEG":
                opened.draft("L" if opened.mode == "L" else "RGB", near)
            opened.load()
            turned = pil.ImageOps.exif_transpose(opened)
            return _plain(turned)
    except _WRONG as error:
        cut = "it is cut off" if "truncat" in str(error) or "broken" in str(error) else "it cannot be decoded"
        raise ValueError(f"the picture cannot be read: {cut}") from None


def _plain(image: Any) -> Any:
    """Any mode as L or RGB."""
    pil = _pillow()
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("1", "LA", "La") and "transparency" not in image.info and image.mode == "1":
        return image.convert("L")
    if image.mode.startswith(("I", "F")):
        return _deep(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        white = pil.Image.new("RGBA", over.size, (255, 255, 255, 255))
        flat = pil.Image.alpha_composite(white, over).convert("RGB")
        return flat.convert("L") if image.mode in ("LA", "La") else flat
    return image.convert("RGB")


def _deep(image: Any) -> Any:
    """More than eight bits a point (or numbers of any size): 16 bits by their upper byte, all else by its range."""
    values = np.asarray(image, dtype=np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 255:
        small = values
    elif low >= 0 and high <= 65535:
        small = values / 257
    else:
        small = (values - low) * (255 / (high - low))
    return _pillow().Image.fromarray(np.round(small).astype(np.uint8))


def size_of(value: str) -> tuple[int, int, bool]:
    """Width, height and whether it has colors, as far as the header tells; as it stands after turning."""
    opened = _opened(bytes_of(value))
    width, height = opened.size
    try:
        turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except _WRONG:
        turned = False
    color = opened.mode not in ("1", "L", "LA", "La", "I", "F") and not opened.mode.startswith("I;")
    return (height, width, color) if turned else (width, height, color)


def points(
    data: bytes, height: int, width: int, *, color: bool, crop: bool, method: str | None = None, edge: int = 0
) -> Array:
    """A picture as uint8 (channels, height, width): resized with all points weighed in, or its middle cut out first.

    With ``edge`` the shorter side is made so long and the middle cut out then, as image models are usually fed.
    """
    pil = _pillow()
    image = decoded(data, None if method else (2 * width, 2 * height)).convert("RGB" if color else "L")
    how = pil.Image.Resampling[(method or "bilinear").upper()]
    if edge:
        image = _middle(image, height, width, edge, how)
    elif crop:
        image = pil.ImageOps.fit(image, (width, height), method=how)
    elif image.size != (width, height):
        image = image.resize((width, height), how)
    array = np.asarray(image, dtype=np.uint8)
    return np.ascontiguousarray(array.transpose(2, 0, 1) if color else array[None])


def _middle(image: Any, height: int, width: int, edge: int, how: Any) -> Any:
    """The shorter side made ``edge`` long, and the middle of that."""
    wide, high = image.size
    scale = edge / min(wide, high)
    size = (edge, int(high * edge / wide)) if wide <= high else (int(wide * edge / high), edge)
    image = image.resize(size, how) if scale != 1 else image
    left, top = (image.size[0] - width) // 2, (image.size[1] - height) // 2
    return image.crop((left, top, left + width, top + height))


def facts(data: bytes) -> Array:
    """What is cheap to know of a picture: brightness and contrast (0 to 1), width and height; float32 (4,)."""
    opened = _opened(data)
    width, height = opened.size
    small = np.asarray(decoded(data, (64, 64)).convert("L").resize((32, 32)), dtype=np.float64) / 255
    return np.array([small.mean(), small.std(), width, height], dtype=np.float32)


def png(points: Array) -> bytes:
    """Bytes of gray (height, width) or of color (height, width, 3) as a PNG; nothing but zlib is needed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    array = np.ascontiguousarray(points, dtype=np.uint8)
    height, width = array.shape[:2]
    lines = np.zeros((height, 1 + array[0].size), dtype=np.uint8)
    lines[:, 1:] = array.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if array.ndim == 2 else 2, 0, 0, 0)
    packed = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
