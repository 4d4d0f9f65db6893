"""Early stopping: stop when validation rows say so."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from thirtyfold.learn.parts import Regularizer

__all__ = ["EarlyStopping"]


class EarlyStopping(Regularizer):
    """Stop after ``patience`` epochs without a better validation loss, and take the best epoch (Prechelt 1998)."""

    def __init__(self, patience: Annotated[int, Field(ge=1)] = 5) -> None:
        self.patience = patience

    restores: ClassVar[bool] = True

    def stop(self, losses: Sequence[float]) -> bool:
        best = min(range(len(losses)), key=losses.__getitem__, default=0)
        return len(losses) - 1 - best >= self.patience
