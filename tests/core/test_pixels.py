"""Pictures of every make come out as plain points; what is broken or a trap is said in one sentence."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from thirtyfold.core.pixels import decoded, facts, png, points


def saved(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


RED = Image.new("RGB", (9, 5), (255, 0, 0))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (saved(RED), (255, 0, 0)),
        (saved(RED.convert("CMYK"), "JPEG"), (254, 0, 0)),
        (saved(RED.convert("P")), (255, 0, 0)),
        (saved(Image.new("RGBA", (9, 5), (255, 0, 0, 0))), (255, 255, 255)),
        (saved(Image.new("LA", (9, 5), (0, 128))), (127, 127, 127)),
        (saved(Image.new("1", (9, 5), 1)), (255, 255, 255)),
        (saved(Image.fromarray(np.full((5, 9), 65535, dtype=np.uint16))), (255, 255, 255)),
        (saved(RED, "GIF", save_all=True, append_images=[Image.new("RGB", (9, 5), (0, 0, 255))]), (255, 0, 0)),
        (saved(Image.new("RGB", (1, 1), (255, 0, 0))), (255, 0, 0)),
        (saved(Image.new("RGB", (30_000, 1), (255, 0, 0))), (255, 0, 0)),
    ],
    ids=["rgb", "cmyk", "palette", "clear", "half-clear", "bits", "deep", "animated", "one-point", "wide"],
)
def test_every_mode_is_plain_points(data: bytes, wanted: tuple[int, int, int]) -> None:
    got = points(data, 4, 6, color=True, crop=False)
    assert got.shape == (3, 4, 6) and got.dtype == np.uint8
    assert np.abs(got.reshape(3, -1).T.astype(int) - wanted).max() <= 2


def test_it_is_turned_as_the_camera_says() -> None:
    image = Image.fromarray(np.array([[0, 255]], dtype=np.uint8).repeat(8, 0).repeat(8, 1))  # bright on the right
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees to the right to see it upright
    turned = points(saved(image, "JPEG", exif=exif), 16, 8, color=False, crop=False)[0]
    assert turned[:6].mean() < 20 and turned[10:].mean() > 235


def test_the_middle_is_cut_out_or_all_is_stretched() -> None:
    array = np.zeros((4, 12), dtype=np.uint8)
    array[:, 4:8] = 255
    data = saved(Image.fromarray(array))
    assert points(data, 4, 4, color=False, crop=True).min() == 255
    assert points(data, 4, 4, color=False, crop=False)[0, :, 0].max() < 80


def bomb() -> bytes:
    """A PNG whose header says 30,000 x 30,000 points."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + saved(RED)[33:]


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a picture"),
        (b"not a picture at all", "not a picture"),
        (saved(NOISE, "JPEG")[:2000], "cut off"),
        (saved(NOISE)[:6000], "cannot be read"),
        (bomb(), "a trap"),
    ],
    ids=["empty", "text", "half-jpeg", "half-png", "bomb"],
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decoded(data)


def test_our_png_is_a_png() -> None:
    for array in (np.arange(60, dtype=np.uint8).reshape(5, 12), NOISE_ARRAY):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(array)))), array)


NOISE_ARRAY = np.asarray(NOISE)


def test_facts_are_brightness_contrast_and_size() -> None:
    half = np.zeros((40, 20), dtype=np.uint8)
    half[:20] = 255
    brightness, contrast, width, height = facts(saved(Image.fromarray(half)))
    assert (width, height) == (20, 40)
    assert brightness == pytest.approx(0.5, abs=0.02) and contrast == pytest.approx(0.5, abs=0.03)
