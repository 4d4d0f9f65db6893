"""Useful: which rows are most worth a label next: those a quick model is unsure of, far from each other."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from thirtyfold.core.door import read_column
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Column, Table
from thirtyfold.data.clean import recognize, sample_of
from thirtyfold.data.quick import chances, features

__all__ = ["Ranked", "look_at", "media_features", "rank"]

KNOWN = ("number", "category", "boolean", "text")
BATCH = 30


class Ranked(NamedTuple):
    """Positions in the order in which they should be labeled, and the guesses (rows, classes), if there are any."""

    order: Array
    chances: Array | None


def look_at(table: Table, media: dict[str, Callable[[Sequence[str]], Any]]) -> Any:
    """A sparse matrix of a collected table, columns typed as far as they can be, media as small pictures of them."""
    from scipy import sparse

    columns: dict[str, Column] = {}
    frame = table.frame
    blocks = []
    for name in table.columns:
        if name in media:
            blocks.append(sparse.csr_matrix(media[name]([v or "" for v in table[name].to_list()])))
            continue
        word, _ = recognize(sample_of(Column(name), table[name]))
        if word in KNOWN:
            columns[name] = Column(name, word)
            frame = frame.with_columns(read_column(columns[name], table[name])[0].alias(name))
    typed = Table(frame.select("__row__", *columns), columns)
    blocks.append(features(typed))
    return sparse.hstack(blocks, format="csr")


def rank(x: Any, labeled: Array, codes: Array, classes: int, open_: Array, seed: int = 0) -> Ranked:
    """Positions ``open_``, the most useful first; ``labeled`` positions have the classes ``codes``.

    The first ``BATCH`` are chosen one by one: the model's doubt (how near its second class is to its first) times the
    distance to the rows chosen before. Without two classes to learn from, each is drawn with the square of its distance
    (as k-means++ begins). The others follow by doubt.
    """
    rng = np.random.default_rng(seed)
    if not len(open_):
        return Ranked(open_, None)
    pool = rng.permutation(open_)
    rows = _unit(x[pool])
    if len(np.unique(codes)) < 2:
        first = _spread(rows, _unit(x[labeled[-200:]]), rng)
        rest = np.setdiff1d(np.arange(len(pool)), first)
        return Ranked(pool[np.concatenate([first, rng.permutation(rest)])], None)
    said = chances(x[labeled], codes, x, classes)
    two = np.sort(said[pool], axis=1)[:, -2:]
    doubt = 1 - (two[:, 1] - two[:, 0])
    first = _doubtful(rows, doubt)
    order = np.argsort(-doubt, kind="stable")
    return Ranked(pool[np.concatenate([first, order[~np.isin(order, first)]])], said)


def _unit(rows: Any) -> Any:
    """Rows of length 1, so that products are cosines."""
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return rows.multiply(1 / np.maximum(length, 1e-12)[:, None]).tocsr()


def _like(rows: Any, one: Any) -> Array:
    return np.asarray((rows @ one.T).todense()).ravel()


def _spread(rows: Any, done: Any, rng: np.random.Generator) -> Array:
    near = np.zeros(rows.shape[0])
    for at in range(done.shape[0]):
        near = np.maximum(near, _like(rows, done[at]))
    chosen: list[int] = []
    for _ in range(min(BATCH, rows.shape[0])):
        odds = np.maximum(1 - near, 1e-9) ** 2
        odds[chosen] = 0
        chosen.append(int(rng.choice(rows.shape[0], p=odds / odds.sum())))
        near = np.maximum(near, _like(rows, rows[chosen[-1]]))
    return np.array(chosen, dtype=np.int64)


def _doubtful(rows: Any, doubt: Array) -> Array:
    near = np.zeros(rows.shape[0])
    chosen: list[int] = []
    for _ in range(min(BATCH, rows.shape[0])):
        score = doubt * (1 - near)
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        near = np.maximum(near, _like(rows, rows[chosen[-1]]))
    return np.array(chosen, dtype=np.int64)


def media_features(kind: str, find: Callable[[str], Path | None]) -> Callable[[Sequence[str]], Array]:
    """What makes a small picture of every file of a column: 8 x 8 gray for images and a first frame, 32 bands of sound.

    Zeros for a file that cannot be opened, or where the library for it is not installed.
    """
    makers: dict[str, tuple[int, Callable[[Path], Array]]] = {
        "image": (64, _image),
        "video": (64, _video),
        "audio": (32, _audio),
    }
    width, make = makers[kind]

    def all_of(values: Sequence[str]) -> Array:
        out = np.zeros((len(values), width))
        for at, value in enumerate(values):
            path = find(value)
            if path is None:
                continue
            try:
                out[at] = make(path)
            except ModuleNotFoundError:
                return np.zeros((len(values), width))
            except (OSError, ValueError, RuntimeError, IndexError, StopIteration):
                continue  # the page shows that it cannot be shown
        spread = out.std(axis=0)
        return np.asarray((out - out.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / np.sqrt(width))

    return all_of


def _image(path: Path) -> Array:
    from PIL import Image

    with Image.open(path) as image:
        image.draft("L", (64, 64))
        return _small(image)


def _small(image: Any) -> Array:
    return np.asarray(image.convert("L").resize((8, 8)), dtype=np.float64).ravel() / 255


def _video(path: Path) -> Array:
    import av

    with av.open(str(path)) as video:
        frame: Any = next(video.decode(video=0))
        return _small(frame.to_image())


def _audio(path: Path) -> Array:
    import soundfile  # type: ignore[import-untyped, unused-ignore]

    sound, _ = soundfile.read(str(path), frames=480_000, dtype="float32", always_2d=True)
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    edges = np.unique(np.geomspace(1, max(2, len(power) - 1), 33).astype(np.int64))
    bands = np.array([power[a:b].sum() for a, b in pairwise(edges.tolist())])
    out = np.zeros(32)
    out[: len(bands)] = np.log1p(bands)
    return out
