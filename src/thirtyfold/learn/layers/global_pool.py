"""GlobalPool: everything seen anywhere as one row of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from thirtyfold.learn.nets.sequences import FAR
from thirtyfold.learn.nets.shapes import Kind, Layer, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["GlobalPool"]


class GlobalPool(Layer):
    """One number a channel for a whole image or sequence, wherever it was seen: few weights behind it, any length."""

    takes: tuple[Kind, ...] = ("image", "sequence")

    def __init__(self, kind: Literal["mean", "max", "both"] = "mean") -> None:
        """Set the options.

        Args:
            kind: The mean over all places, the largest, or both side by side.
        """
        self.kind = kind

    def gives(self, given: Shape) -> Shape:
        channels = given.size[0] if given.kind == "image" else given.size[1]
        return Shape("vector", (None if channels is None else channels * (2 if self.kind == "both" else 1),))

    def module(self, given: Shape) -> nn.Module:
        import torch
        from torch import nn

        kind = self.kind
        channels, *sides = (s or 1 for s in given.size)
        points = 1
        for side in sides:
            points *= side

        class Global(nn.Module):
            padded = True

            def forward(self, x: Tensor, there: Tensor | None) -> tuple[Tensor, None]:
                if there is None:
                    x = x.reshape(-1, channels, points).permute(0, 2, 1)
                    mean, most = x.sum(1) * (1 / points), x.amax(1)
                else:
                    mean = (x * there).sum(1) / (there.sum(1) + 1e-6)
                    most = (x + (there - 1.0) * FAR).amax(1) * there.amax(1)
                return {"mean": mean, "max": most}[kind] if kind != "both" else torch.cat((mean, most), 1), None

        return Global()
