"""Grid: every combination."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from thirtyfold.core.model import Dial
from thirtyfold.learn.search import Past, grid

__all__ = ["Grid"]


class Grid:
    """Every combination of a few values of each option, in order: for two or three options at most."""

    def __init__(self, steps: Annotated[int, Field(ge=1, le=20)] = 3) -> None:
        """Set the options.

        Args:
            steps: Values of each number; lists of choices are taken whole.
        """
        self.steps = steps

    def propose(self, space: Mapping[str, Dial], past: Sequence[Past], seed: int) -> dict[str, Any] | None:
        del seed
        found = next(itertools.islice(grid(space, self.steps), sum(p.asked for p in past), None), None)
        return None if found is None else dict(zip(space, found, strict=True))
