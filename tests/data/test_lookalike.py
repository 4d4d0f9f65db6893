"""The same picture under another name, made smaller and brighter, is found; other pictures of the same kind are not."""

import base64
import io
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
from PIL import Image

from thirtyfold.core.table import Column, Table
from thirtyfold.data.cleaners.near_copies import NearCopies
from thirtyfold.data.draft import Draft
from thirtyfold.data.lookalike import lookalikes
from thirtyfold.data.sources.sklearn import Sklearn


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def scene(seed: int) -> Image.Image:
    """Soft blobs of light."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (6, 6), dtype=np.uint8)).resize((120, 90), Image.Resampling.BICUBIC)


def saved(image: Any, kind: str, **options: Any) -> str:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return text(held.getvalue())


@pytest.mark.step(6)
def test_pictures_that_show_the_same_are_found() -> None:
    first = [saved(scene(i), "PNG") for i in range(30)]
    again = [saved(scene(i).resize((50, 40)).point(lambda v: v * 0.9), "JPEG", quality=40) for i in range(30)]
    flat = [saved(Image.new("L", (20, 20), 30 * i), "PNG") for i in range(3)]
    pairs = set(lookalikes(pl.Series([*first, *again, *flat, None]), "image"))
    assert len(pairs & {(i, i + 30) for i in range(30)}) >= 27
    assert pairs <= {(i, i + 30) for i in range(30)}


@pytest.mark.step(6)
def test_digits_of_one_kind_are_not_copies() -> None:
    digits = Sklearn("digits", images=True).peek(600)["image"]
    assert len(list(lookalikes(digits, "image"))) <= 1


@pytest.mark.step(6, 10)
def test_recordings_under_another_name_share_a_group() -> None:
    rng = np.random.default_rng(0)
    values = []
    for i in range(12):
        pitches = rng.uniform(200, 3000, 4).repeat(2000)
        wave = 0.5 * np.sin(2 * np.pi * np.cumsum(pitches) / 8000) * np.repeat(rng.uniform(0.2, 1, 8), 1000)
        for loud, kind in ((1.0, "WAV"), (0.5, "FLAC")):
            held = io.BytesIO()
            soundfile.write(held, loud * wave, 8000, format=kind)
            values.append(text(held.getvalue()))
        del i
    frame = pl.DataFrame({"voice": values, "word": ["a", "b"] * 12})
    table = Table.of(frame, {"voice": Column("voice", "audio"), "word": Column("word", "category", "target")})
    said = NearCopies().propose(Draft(table, frame))
    assert said.copies is not None
    assert said.copies.tolist() == [2 * (i // 2) for i in range(24)]
    assert NearCopies("keep").propose(Draft(table, frame)).copies is None
