"""Cosine: the rate falls along half a cosine."""

import math
from typing import Annotated

from pydantic import Field

__all__ = ["Cosine"]


class Cosine:
    """From the whole rate to ``least`` of it along half a cosine, after an optional warm-up (Loshchilov and Hutter
    2017).
    """

    def __init__(
        self,
        warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        least: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        self.warmup, self.least = warmup, least

    def __call__(self, done: float) -> float:
        if done < self.warmup:
            return (done + 1e-3) / (self.warmup + 1e-3)
        left = (done - self.warmup) / (1 - self.warmup)
        return self.least + (1 - self.least) * (1 + math.cos(math.pi * left)) / 2
