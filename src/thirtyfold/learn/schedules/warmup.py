"""Warm-up: the rate grows first, then stays."""

from typing import Annotated

from pydantic import Field

__all__ = ["Warmup"]


class Warmup:
    """From almost none to the whole rate over the first ``share`` of all steps, then constant (Goyal et al. 2017)."""

    def __init__(self, share: Annotated[float, Field(gt=0, le=1)] = 0.1) -> None:
        self.share = share

    def __call__(self, done: float) -> float:
        return min(1.0, (done + 1e-3) / (self.share + 1e-3))
