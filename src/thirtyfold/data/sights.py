"""Sights: what a network sees of a row's pictures and sounds, drawn for step 12."""

import base64
from html import escape

import numpy as np

from thirtyfold.core.encoder import Encoder
from thirtyfold.core.evidence import Picture
from thirtyfold.core.fieldtype import Array, Feature
from thirtyfold.core.pixels import png

__all__ = ["sights"]

SHOWN = 12
_ACROSS, _CELL = 6, 100


def sights(encoder: Encoder, matrix: Array, contents: set[str]) -> tuple[list[str], list[Picture]]:
    """A sentence and a picture for every block with a shape: what is left of the files when a network gets them."""
    said: list[str] = []
    drawn: list[Picture] = []
    at = 0
    for feature in encoder.features:
        width = feature.width
        if feature.shape and feature.column in contents:
            part = matrix[:, at : at + width]
            size = part.nbytes / 1e6
            said.append(f"'{feature.column}' is {_told(feature)} for every row: {size:,.1f} MB in all.")
            chosen = np.linspace(0, len(part) - 1, min(SHOWN, len(part))).astype(int)
            tiles = [_tile(row.reshape(feature.shape), feature.form) for row in part[chosen]]
            drawn.append(_sheet(feature.column, tiles, _told(feature)))
        at += width
    return said, drawn


def _told(feature: Feature) -> str:
    if feature.form == "image":
        channels, height, width = feature.shape
        return f"{width} x {height} points {'in color' if channels == 3 else 'of gray'}"
    return f"{feature.shape[0]} frames of {feature.shape[1]} bands"


def _tile(block: Array, form: str) -> Array:
    """One row as bytes of gray (height, width) or color: frames with time to the right and high tones above."""
    if form == "image":
        channels = np.clip(block, 0, 255).astype(np.uint8)
        return channels[0] if len(channels) == 1 else channels.transpose(1, 2, 0)
    low, high = float(block.min()), float(block.max())
    scaled = (block - low) * (255 / (high - low or 1.0))
    return scaled.T[::-1].astype(np.uint8)


def _sheet(column: str, tiles: list[Array], told: str) -> Picture:
    parts = []
    for i, tile in enumerate(tiles):
        x, y = (i % _ACROSS) * _CELL, (i // _ACROSS) * _CELL
        data = base64.b64encode(png(tile)).decode("ascii")
        parts.append(
            f'<image x="{x + 2}" y="{y + 2}" width="{_CELL - 4}" height="{_CELL - 4}" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )
    height = (len(tiles) + _ACROSS - 1) // _ACROSS * _CELL
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_ACROSS * _CELL} {height}" role="img" '
        f'aria-label="{escape(column, quote=True)}: what a network sees">{"".join(parts)}</svg>'
    )
    return Picture(f"{column}: what a network sees", svg, told)
