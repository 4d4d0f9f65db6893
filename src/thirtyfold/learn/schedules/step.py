"""Step: the rate falls in steps."""

from typing import Annotated

from pydantic import Field

__all__ = ["Step"]


class Step:
    """The rate is multiplied by ``factor`` each time another ``every`` of all steps is done."""

    def __init__(
        self,
        every: Annotated[float, Field(gt=0, le=1)] = 0.33,
        factor: Annotated[float, Field(gt=0, le=1)] = 0.1,
    ) -> None:
        self.every, self.factor = every, factor

    def __call__(self, done: float) -> float:
        return float(self.factor ** int(done / self.every))
