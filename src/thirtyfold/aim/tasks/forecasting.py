"""What comes next? The next values of one or many series, with the interval in which each is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import Array, np, pl
from thirtyfold.core.table import to_array
from thirtyfold.core.windows import BASE, READS, SCALE, STEP, UNIT

__all__ = ["Forecasting"]


class Forecasting:
    """The next ``horizon`` values of a target in time (``roles: {time: date}``, and ``group`` for many series).

    ``season`` is after how many steps it comes round (found where left out; 1: never), ``frequency`` how far the times
    stand apart (found: "15 minutes", "1 hour", "1 day", "1 month"). ``known`` names the columns that are known in
    advance (a price list, a holiday); all others are used up to the origin alone. ``interval`` is the share of truths
    that shall lie in the interval. ``every``: windows start so many steps apart; found by how many rows there would be.
    ``hour`` names the column with the hour of the day, where the time is a date alone. At most ``rows`` are learned
    from, drawn from all steps of all windows.

    What is learned is the difference from the seasonal-naive forecast, in units of the spread of the window, so that a
    raw answer of 0 is the naive forecast itself and a trend needs no value that was never seen.
    """

    metrics: ClassVar[tuple[str, ...]] = ("mase", "mae", "rmse", "wape", "smape")
    loss: ClassVar[str] = "mean_squared"
    like: ClassVar[str] = "regression"
    windows: ClassVar[bool] = True
    """Rows are made of the history (see ``core.windows``)."""
    reads: ClassVar[tuple[str, ...]] = READS
    classes: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[int] = 1

    def __init__(
        self,
        horizon: Annotated[int, Field(ge=1, le=10_000)] | Literal["auto"] = "auto",
        season: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = "auto",
        frequency: str = "auto",
        known: list[str] | None = None,
        interval: Annotated[float, Field(ge=0.5, lt=1)] = 0.9,
        every: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto",
        hour: str | None = None,
        rows: Annotated[int, Field(ge=1000)] = 30_000,
    ) -> None:
        self.horizon, self.season, self.frequency, self.every = horizon, season, frequency, every
        self.known, self.interval, self.hour = list(known or []), interval, hour
        self.rows = rows
        self.widths: tuple[float, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Forecasting) and self.state() == other.state()

    def __hash__(self) -> int:
        return hash((self.horizon, self.interval, self.widths))

    @classmethod
    def recognize(cls, type_word: str, target: pl.Series) -> float:
        """Never by itself: whether rows are to be foretold from those before them is not seen from a column."""
        return 0.0

    def fit(self, target: pl.Series) -> Self:
        if target.dtype.is_temporal():
            raise DataError(Fault(target.name, "is a time, and forecasting needs numbers."))
        known = self.encode(target)
        known = known[np.isfinite(known)]
        if target.dtype == pl.String and len(known) < 0.5 * (len(target) - target.null_count()):
            raise DataError(Fault(target.name, "is text, and forecasting needs numbers."))
        if len(known) == 0 or float(known.min()) == float(known.max()):
            raise DataError(Fault(target.name, "has one value only; there is nothing to forecast."))
        return self.restore(self.state())

    def encode(self, target: pl.Series) -> Array:
        if target.dtype == pl.String:
            target = target.cast(pl.Float64, strict=False)
        return to_array(target)

    def learned(self, truth: Array, columns: Mapping[str, Array]) -> Array:
        """What a model learns: the difference from the seasonal-naive forecast, in spreads of the window."""
        rest: Array = truth - columns[BASE]
        return rest / columns[SCALE]

    def baseline(self, target: Array) -> Array:
        """The seasonal-naive forecast of each row."""
        return np.zeros(1)

    def decide(self, raw: Array, columns: Mapping[str, Array]) -> Array:
        if BASE not in columns:
            return raw[:, 0]
        added: Array = columns[SCALE] * raw[:, 0]
        return columns[BASE] + added

    def unit(self, columns: Mapping[str, Array]) -> Array:
        """The mean absolute error of the seasonal-naive forecast in the training part of each row's series."""
        return columns[UNIT]

    def calibrated(self, truth: Array, raw: Array, columns: Mapping[str, Array]) -> Self:
        """The same task with intervals, from rows that no model learned from.

        Split conformal prediction (Vovk et al. 2005; Lei et al. 2018), step by step: the half width is the
        ceil((n + 1) * interval)-th smallest absolute miss of the n rows of that step, in spreads of the window. Where n
        rows are too few for that rank, those of the neighboring steps help.
        """
        miss = np.abs(self.learned(truth, columns) - raw[:, 0])
        steps = columns[STEP].astype(np.int64)
        last = int(steps.max(initial=0))
        by = [np.sort(miss[(steps == h) & np.isfinite(miss)]) for h in range(1, last + 1)]
        made = self.restore(self.state())
        made.widths = tuple(self._width(by, at) for at in range(last))
        return made

    def _width(self, by: list[Array], at: int) -> float:
        for reach in range(len(by)):
            own = np.sort(np.concatenate(by[max(0, at - reach) : at + reach + 1]))
            rank = int(np.ceil((len(own) + 1) * self.interval))
            if rank <= len(own):
                return float(own[rank - 1])
        return float(max((b[-1] for b in by if len(b)), default=0.0))

    def ends(self, raw: Array, columns: Mapping[str, Array]) -> tuple[Array, Array]:
        """Both ends of the interval of each row; NaN before there are any."""
        middle = self.decide(raw, columns)
        if not self.widths or STEP not in columns:
            none = np.full(len(middle), np.nan)
            return none, none
        place = np.clip(columns[STEP].astype(np.int64) - 1, 0, len(self.widths) - 1)
        half = np.array(self.widths)[place] * columns[SCALE]
        return middle - half, middle + half

    def decode(self, raw: Array, columns: Mapping[str, Array]) -> pl.DataFrame:
        found: dict[str, Array] = {"prediction": self.decide(raw, columns)}
        if self.widths:
            found["low"], found["high"] = self.ends(raw, columns)
        return pl.DataFrame(found)

    def answers(self, raw: Array, columns: Mapping[str, Array]) -> list[dict[str, Any]]:
        return self.decode(raw, columns).to_dicts()

    def schema(self) -> dict[str, Any]:
        names = ("prediction", "low", "high") if self.widths else ("prediction",)
        return {"type": "object", "properties": {n: {"type": "number"} for n in names}, "required": list(names)}

    def state(self) -> dict[str, Any]:
        options = ("horizon", "season", "frequency", "known", "interval", "every", "hour", "rows")
        return {**{n: getattr(self, n) for n in options}, "widths": list(self.widths)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        made = cls(**{n: v for n, v in state.items() if n != "widths"})
        made.widths = tuple(float(w) for w in state["widths"])
        return made
