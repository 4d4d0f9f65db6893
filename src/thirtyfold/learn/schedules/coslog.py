"""Coslog: several waves of the rate, each longer than the one before."""

import math
from typing import Annotated

from pydantic import Field

__all__ = ["Coslog"]


class Coslog:
    """The rate in waves that grow longer, up and down to nothing: small networks for tables, any number of epochs.

    Holzmüller et al. 2024 (RealMLP), with four waves: (1 - cos(2 pi log2(1 + (2^waves - 1) done))) / 2.
    """

    def __init__(self, waves: Annotated[int, Field(ge=1, le=8)] = 4) -> None:
        """Set the options.

        Args:
            waves: How many; each is twice as long as the one before.
        """
        self.waves = waves

    def __call__(self, done: float) -> float:
        return 0.5 - 0.5 * math.cos(2 * math.pi * math.log2(1 + (2**self.waves - 1) * done))
