"""Augmented: what augmentation makes of real rows, as pictures before and after."""

from __future__ import annotations

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.evidence import Picture
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.model import Candidate
from thirtyfold.core.sheet import ACROSS, sheet, tile
from thirtyfold.learn.blocks import places
from thirtyfold.learn.parts import Regularizer

__all__ = ["augmented"]


def augmented(candidate: Candidate, rows: Encoded, seed: int) -> list[Picture]:
    """A picture for every image or sound of the first rows that the candidate's regularizers change.

    They are drawn from ``seed``: the same kind of change as in training, not the very same one.
    """
    choices = candidate.options.get("regularizers") or []
    shaped = any(b.form in ("image", "frames") for b in rows.blocks)
    if not choices or not shaped:
        return []
    few = rows.take(np.arange(min(ACROSS, len(rows))))
    family: Family[Regularizer] = Family("learn.regularizers")
    drawn: list[Picture] = []
    before = np.asarray(few.matrix, dtype=np.float32)
    for choice in choices:
        after = _changed(family.build(choice, "model.regularizers"), few, before, seed)
        word = split_choice(choice, "model.regularizers")[0]
        drawn += [_pair(word, block, before[:, place], after[:, place]) for place, block in _moved(few, before, after)]
    return drawn


def _changed(regularizer: Regularizer, few: Encoded, before: Array, seed: int) -> Array:
    """The rows as the network would get them."""
    import torch
    from torch import nn

    y = np.eye(few.classes)[few.target] if few.classes else np.asarray(few.target)[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        regularizer.begin(nn.Identity(), few.layout)
        x, _ = regularizer.batch(torch.from_numpy(before.copy()), torch.from_numpy(y.astype(np.float32)))
    return np.asarray(x.numpy())


def _moved(few: Encoded, before: Array, after: Array) -> list[tuple[slice, Block]]:
    """Images and frames that are not what they were."""
    found = [pair for form in ("image", "frames") for pair in places(few.blocks, form)]
    return [(place, block) for place, block in found if not np.array_equal(before[:, place], after[:, place])]


def _pair(word: str, block: Block, before: Array, after: Array) -> Picture:
    tiles = [tile(row.reshape(block.shape), block.form) for part in (before, after) for row in part]
    blank = np.full((1, 1), 255, dtype=np.uint8)
    if len(before) < ACROSS:  # each of the two lines is filled up
        lacking = [blank] * (ACROSS - len(before))
        tiles = [*tiles[: len(before)], *lacking, *tiles[len(before) :], *lacking]
    title = f"{block.column or block.form}: what {word} makes of {len(before)} training rows"
    return sheet(title, tiles, "Above as they are, below as the network may get them.", ("before", f"after {word}"))
