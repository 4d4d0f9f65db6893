"""Cutmix: a piece of another image is put into each image."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import changed, needs
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Cutmix"]


class Cutmix(Regularizer):
    """A rectangle of another row's image replaces part of each image, and the target is mixed by the area (Yun et al.
    2019). Done in a share ``chance`` of all batches.
    """

    def __init__(
        self,
        alpha: Annotated[float, Field(gt=0)] = 1.0,
        chance: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        """Set the options.

        Args:
            alpha: The share of the image that stays is drawn from Beta(alpha, alpha).
            chance: Share of the batches that are mixed.
        """
        self.alpha, self.chance = alpha, chance
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        needs(layout, "image", "cutmix")
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        draws = torch.rand(3)
        share = float(torch._sample_dirichlet(torch.full((1, 2), self.alpha))[0, 0])
        other = torch.randperm(len(x)).to(x.device)
        if not self._layout or float(draws[0]) >= self.chance:
            return x, y
        kept = 1.0

        def put(images: "Tensor") -> "Tensor":
            nonlocal kept
            top, bottom, left, right = _box(images.shape[2], images.shape[3], 1 - share, draws[1:].tolist())
            images = images.clone()
            images[:, :, top:bottom, left:right] = images[other][:, :, top:bottom, left:right]
            kept = 1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
            return images

        mixed = changed(x, self._layout, "image", put)
        return mixed, kept * y + (1 - kept) * y[other]


def _box(high: int, wide: int, area: float, center: list[float]) -> tuple[int, int, int, int]:
    """A rectangle of this share of the area around a point, cut off at the edges: top, bottom, left, right."""
    half = area**0.5 / 2
    rows = (int((center[0] - half) * high), int((center[0] + half) * high))
    columns = (int((center[1] - half) * wide), int((center[1] + half) * wide))
    return max(0, rows[0]), min(high, rows[1]), max(0, columns[0]), min(wide, columns[1])
