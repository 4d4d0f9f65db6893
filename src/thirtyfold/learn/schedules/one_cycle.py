"""One cycle: the rate grows far, then falls to almost nothing."""

import math
from typing import Annotated

from pydantic import Field

__all__ = ["OneCycle"]


class OneCycle:
    """From a 25th of the rate up to it and down to a 10,000th, each along half a cosine (Smith and Topin 2019): for
    few epochs with a high rate.
    """

    def __init__(self, rise: Annotated[float, Field(gt=0, lt=1)] = 0.3) -> None:
        self.rise = rise

    def __call__(self, done: float) -> float:
        if done < self.rise:
            return _between(1 / 25, 1.0, done / self.rise)
        return _between(1.0, 1e-4 / 25, (done - self.rise) / (1 - self.rise))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
