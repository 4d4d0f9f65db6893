"""Token dropout: some pieces of a text are not seen."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from thirtyfold.core.encoder import Block
from thirtyfold.core.tokens import UNKNOWN
from thirtyfold.learn.blocks import changed, needs
from thirtyfold.learn.parts import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["TokenDropout"]


class TokenDropout(Regularizer):
    """A share of the tokens of each text becomes the unknown one (Iyyer et al. 2015 leave words out in the same way).

    The others keep their places, and padding stays padding.
    """

    def __init__(self, share: Annotated[float, Field(gt=0, lt=1)] = 0.1) -> None:
        self.share = share
        self._layout: tuple[Block, ...] = ()

    def begin(self, network: "nn.Module", layout: tuple[Block, ...]) -> None:
        del network
        needs(layout, "tokens", "token_dropout")
        self._layout = layout

    def batch(self, x: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        def drop(tokens: "Tensor") -> "Tensor":
            gone = torch.rand(tokens.shape).to(x.device) < self.share
            return tokens.masked_fill(gone & (tokens > 0), UNKNOWN)

        return (changed(x, self._layout, "tokens", drop) if self._layout else x), y
