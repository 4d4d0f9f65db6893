"""Random: combinations drawn at random."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thirtyfold.core.model import Dial
from thirtyfold.learn.search import Past, drawn

__all__ = ["Random"]


class Random:
    """Combinations drawn at random (Bergstra and Bengio 2012): better than a grid when few options matter."""

    def propose(self, space: Mapping[str, Dial], past: Sequence[Past], seed: int) -> dict[str, Any] | None:
        rng = np.random.default_rng([seed, len(past)])
        return {name: drawn(dial, rng) for name, dial in space.items()}
