"""SpecAugment: stripes of a sound's picture are blanked out."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.learn.blocks import changed, needs
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["SpecAugment"]


class SpecAugment(Regularizer):
    """A stretch of time and a band of pitches of each row's frames become the row's mean (Park et al. 2019)."""

    def __init__(
        self,
        time: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        bands: Annotated[float, Field(ge=0, lt=1)] = 0.2,
    ) -> None:
        """Set the options.

        Args:
            time: The longest stretch of time, as a share of it.
            bands: The widest band of pitches, as a share of all.
        """
        self.time, self.bands = time, bands
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        needs(layout, "frames", "spec_augment")
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        draws = torch.rand(4, len(x), 1)

        def blank(frames: "Tensor") -> "Tensor":
            long, wide = frames.shape[1:]
            stretch = _stripe(long, self.time, draws[0], draws[1]).to(x.device)
            band = _stripe(wide, self.bands, draws[2], draws[3]).to(x.device)
            mean = frames.mean((1, 2), keepdim=True)
            return torch.where(stretch[:, :, None] | band[:, None, :], mean, frames)

        return (changed(x, self._layout, "frames", blank) if self._layout else x), y


def _stripe(size: int, most: float, width: "Tensor", start: "Tensor") -> "Tensor":
    """A stripe of random width and place in each row, by draws (rows, 1) from [0, 1): bool (rows, size)."""
    import torch

    wide = (width * (most * size + 1)).floor()
    begin = (start * (size - wide + 1)).floor()
    place = torch.arange(size)[None]
    return (place >= begin) & (place < begin + wide)
