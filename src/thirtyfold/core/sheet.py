"""Sheet: rows of pictures and sounds as a network gets them, drawn side by side."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from thirtyfold.core.evidence import Picture
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.pixels import png

__all__ = ["ACROSS", "sheet", "tile"]

ACROSS = 6
_CELL, _LABEL = 100, 22


def tile(block: Array, form: str) -> Array:
    """One row's block as bytes of gray (height, width) or of color (height, width, 3).

    An ``image`` is (channels, height, width) of 0 to 255; of ``frames`` (time, bands) time goes to the right and high
    tones are above, from the softest of its values to the loudest.
    """
    if form == "image":
        channels = np.clip(block, 0, 255).astype(np.uint8)
        return channels[0] if len(channels) == 1 else channels.transpose(1, 2, 0)
    low, high = float(block.min()), float(block.max())
    scaled = (block - low) * (255 / (high - low or 1.0))
    return scaled.T[::-1].astype(np.uint8)


def sheet(title: str, tiles: Sequence[Array], note: str, labels: Sequence[str] = ()) -> Picture:
    """Tiles in lines of six; ``labels`` stand above each line."""
    parts: list[str] = []
    step = _CELL + (_LABEL if labels else 0)
    for at, one in enumerate(tiles):
        x, y = (at % ACROSS) * _CELL, (at // ACROSS) * step + step - _CELL
        data = base64.b64encode(png(one)).decode("ascii")
        parts.append(
            f'<image x="{x + 2}" y="{y + 2}" width="{_CELL - 4}" height="{_CELL - 4}" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )
    for line, label in enumerate(labels):
        parts.append(
            f'<text x="4" y="{line * step + 16}" style="font:13px system-ui,sans-serif;fill:currentColor">'
            f"{escape(label)}</text>"
        )
    height = -(-len(tiles) // ACROSS) * step
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {ACROSS * _CELL} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{"".join(parts)}</svg>'
    )
    return Picture(title, svg, note)
