"""How much is it? One number a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import Array, np, pl
from thirtyfold.core.table import to_array

__all__ = ["Regression"]


@dataclass(frozen=True)
class Regression:
    """A number. ``low`` and ``high`` are the smallest and largest value seen in training, for the card."""

    low: float = 0.0
    high: float = 0.0

    metrics: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2", "mape")
    loss: ClassVar[str] = "mean_squared"

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    @property
    def outputs(self) -> int:
        return 1

    @classmethod
    def recognize(cls, type_word: str, target: pl.Series) -> float:
        return 0.5 if type_word == "number" else 0.0

    def fit(self, target: pl.Series) -> Self:
        if target.dtype.is_temporal():
            raise DataError(Fault(target.name, "is a time, and regression needs numbers."))
        known = self.encode(target)
        known = known[np.isfinite(known)]
        if target.dtype == pl.String and len(known) < 0.5 * (len(target) - target.null_count()):
            hint = "Set 'task: classification', or choose another target."
            raise DataError(Fault(target.name, "is text, and regression needs numbers.", hint=hint))
        if len(known) == 0 or float(known.min()) == float(known.max()):
            raise DataError(Fault(target.name, "has one value only; there is nothing to learn."))
        return replace(self, low=float(known.min()), high=float(known.max()))

    def encode(self, target: pl.Series) -> Array:
        if target.dtype == pl.String:
            target = target.cast(pl.Float64, strict=False)
        return to_array(target)

    def baseline(self, target: Array) -> Array:
        """The mean of the training rows."""
        return np.array([float(np.nanmean(target))])

    def decide(self, raw: Array, columns: Mapping[str, Array]) -> Array:
        return raw[:, 0]

    def decode(self, raw: Array, columns: Mapping[str, Array]) -> pl.DataFrame:
        return pl.DataFrame({"prediction": self.decide(raw, columns)})

    def answers(self, raw: Array, columns: Mapping[str, Array]) -> list[dict[str, Any]]:
        return [{"prediction": value} for value in self.decide(raw, columns).tolist()]

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"prediction": {"type": "number"}}, "required": ["prediction"]}

    def state(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls(float(state["low"]), float(state["high"]))
