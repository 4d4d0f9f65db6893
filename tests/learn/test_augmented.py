"""What augmentation makes of rows, seen in the pictures of the report: read back with Pillow."""

import base64
import io
import re

import numpy as np
import PIL.Image
import pytest
from sklearn.datasets import load_digits

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.evidence import Picture
from thirtyfold.core.model import Candidate
from thirtyfold.learn.augmented import augmented


def _rows(layout: tuple[Block, ...], matrix: np.ndarray) -> Encoded:
    wide = matrix.shape[1]
    names = tuple(f"f{i}" for i in range(wide))
    return Encoded(matrix, names, (0,) * wide, np.arange(len(matrix)) % 3, None, 3, layout)


def _tiles(picture: Picture) -> list[np.ndarray]:
    return [
        np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))))
        for data in re.findall(r"base64,([^\"]+)", picture.svg)
    ]


@pytest.mark.step(23)
def test_pictures_before_and_after_are_those_of_the_rows() -> None:
    images = np.round(load_digits().images[:9] * (255 / 16))
    matrix = np.hstack([images.reshape(9, -1), np.ones((9, 2))]).astype(np.float32)
    rows = _rows((Block("image", (1, 8, 8), "digit"), Block("vector", (2,))), matrix)
    candidate = Candidate("cnn", {"regularizers": [{"flip": {"chance": 1.0}}, {"label_smoothing": {}}]}, "image")
    (picture,) = augmented(candidate, rows, 0)
    assert picture.title == "digit: what flip makes of 6 training rows"
    tiles = _tiles(picture)
    assert len(tiles) == 12
    for before, after, image in zip(tiles[:6], tiles[6:], images, strict=False):
        assert np.array_equal(before, image)
        assert np.array_equal(after, image[:, ::-1])


@pytest.mark.step(23)
def test_stripes_of_a_sound_are_seen() -> None:
    frames = np.random.default_rng(0).normal(size=(3, 20, 8))
    rows = _rows((Block("frames", (20, 8), "sound"),), frames.reshape(3, -1).astype(np.float32))
    candidate = Candidate("cnn", {"regularizers": [{"spec_augment": {"time": 0.5, "bands": 0.5}}]}, "frames")
    (picture,) = augmented(candidate, rows, 0)
    tiles = _tiles(picture)
    assert len(tiles) == 12  # three of each line are blank
    assert tiles[0].shape == (8, 20), "bands upward, time to the right"
    assert any(not np.array_equal(a, b) for a, b in zip(tiles[:3], tiles[6:9], strict=True))


def test_plain_rows_have_no_pictures() -> None:
    rows = _rows((), np.zeros((4, 3), dtype=np.float32))
    assert augmented(Candidate("mlp", {"regularizers": ["mixup"]}, "vector"), rows, 0) == []
