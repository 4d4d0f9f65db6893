"""Sights: what a network sees of a row's pictures and sounds, drawn for step 12."""

import numpy as np

from thirtyfold.core.encoder import Encoder
from thirtyfold.core.evidence import Picture
from thirtyfold.core.fieldtype import Array, Feature
from thirtyfold.core.sheet import sheet, tile

__all__ = ["sights"]

SHOWN = 12


def sights(encoder: Encoder, matrix: Array, contents: set[str]) -> tuple[list[str], list[Picture]]:
    """A sentence and a picture for every block with a shape: what is left of the files when a network gets them."""
    said: list[str] = []
    drawn: list[Picture] = []
    at = 0
    for feature in encoder.features:
        width = feature.width
        if feature.shape and feature.column in contents and feature.shape[-1] > 1:
            part = matrix[:, at : at + width]
            size = part.nbytes / 1e6
            said.append(f"'{feature.column}' is {_told(feature)} for every row: {size:,.1f} MB in all.")
            chosen = np.linspace(0, len(part) - 1, min(SHOWN, len(part))).astype(int)
            tiles = [tile(row.reshape(feature.shape), feature.form) for row in part[chosen]]
            drawn.append(sheet(f"{feature.column}: what a network sees", tiles, _told(feature)))
        at += width
    return said, drawn


def _told(feature: Feature) -> str:
    if feature.form == "image":
        channels, height, width = feature.shape
        return f"{width} x {height} points {'in color' if channels == 3 else 'of gray'}"
    return f"{feature.shape[0]} frames of {feature.shape[1]} bands"
