"""Lines: an image or sound read line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thirtyfold.learn.nets.shapes import Kind, Layer, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Lines"]


class Lines(Layer):
    """An image as a sequence of its lines, a sound as one of its moments; put in where a sequence is needed."""

    takes: tuple[Kind, ...] = ("image",)

    def gives(self, given: Shape) -> Shape:
        channels, height, width = given.size
        return Shape("sequence", (height, None if channels is None or width is None else channels * width))

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        channels, height, width = (s or 1 for s in given.size)

        class Read(nn.Module):
            padded = True

            def forward(self, x: Tensor, there: None) -> tuple[Tensor, Tensor]:
                del there
                found = x.reshape(-1, channels, height, width).permute(0, 2, 1, 3)
                found = found.reshape(-1, height, channels * width)
                return found, found[:, :, :1] * 0.0 + 1.0

        return Read()
