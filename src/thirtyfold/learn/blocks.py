"""Blocks: the images, frames and tokens inside the flat rows of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from thirtyfold.core.encoder import Block
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.fieldtype import Form

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["changed", "needs", "no_tokens", "places"]


def places(layout: tuple[Block, ...], form: Form) -> Iterator[tuple[slice, Block]]:
    """Where the blocks of one form lie in a row."""
    at = 0
    for block in layout:
        if block.form == form:
            yield slice(at, at + block.width), block
        at += block.width


def changed(x: Tensor, layout: tuple[Block, ...], form: Form, change: Callable[[Tensor], Tensor]) -> Tensor:
    """A copy of the rows (rows, width) with every block of one form changed; ``change`` sees (rows, *shape)."""
    out = x.clone()
    for place, block in places(layout, form):
        out[:, place] = change(x[:, place].view(-1, *block.shape)).reshape(len(x), -1)
    return out


def needs(layout: tuple[Block, ...], form: Form, word: str) -> None:
    """Raises SpecError where there is nothing of this form for the regularizer ``word`` to change."""
    if not any(block.form == form for block in layout):
        have = ", ".join(sorted({b.form for b in layout})) or "plain numbers"
        raise SpecError(Fault(f"model.regularizers.{word}", f"it changes {form}, and the rows have {have}."))


def no_tokens(layout: tuple[Block, ...], word: str) -> None:
    """Raises SpecError where rows hold codes: half of one code and half of another is a third."""
    if any(block.form == "tokens" for block in layout):
        raise SpecError(Fault(f"model.regularizers.{word}", "it blends inputs, which codes of tokens cannot be."))
