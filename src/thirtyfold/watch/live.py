"""Live: what came in and went out lately, as monitors and triggers see it: values, no clock and no database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.traffic import Traffic
from thirtyfold.core.verdict import Verdict

__all__ = ["Live", "News", "wilson"]

MOST = 20_000
"""Predictions, failures and labels that are looked back at."""


@dataclass(frozen=True)
class Live:
    """The traffic of one model. ``total`` counts all its predictions, of which ``predictions`` are the newest.

    ``typed`` are the typed columns of all predictions where they are at hand; otherwise they are read when asked for.
    """

    predictions: pl.DataFrame
    failures: pl.DataFrame
    feedback: pl.DataFrame
    total: int
    now: float = 0.0
    typed: Mapping[str, Array] | None = None

    @classmethod
    def of(cls, traffic: Traffic, model: str, now: float, most: int = MOST) -> "Live":
        """The newest traffic of the model with this hash, up to ``now``."""
        return cls(
            traffic.predictions(until=now, model=model, last=most),
            traffic.failures(until=now, model=model, last=most),
            traffic.feedback(until=now, model=model, last=most),
            traffic.count(model, until=now),
            now,
        )

    def window(self, rows: int) -> slice | None:
        """The newest complete window of so many predictions, or None before there is one.

        Windows do not overlap and do not move: asked twice about the same one, a monitor says the same.
        """
        if self.total < rows or self.predictions.height < rows:
            return None
        end = self.predictions.height - self.total % rows
        return slice(end - rows, end) if end >= rows else None

    def columns(self, package: Package, part: slice) -> dict[str, Array]:
        """Typed input columns of some predictions: rows that were read when they were answered can be read again."""
        if self.typed is not None:
            return {n: x[part] for n, x in self.typed.items()}
        return package.door.rows([json.loads(r) for r in self.predictions["row"][part].to_list()])

    @cached_property
    def labels(self) -> pl.DataFrame:
        """The last true answer that was told of each prediction: id, truth (as JSON), row, answer."""
        told = self.feedback.drop_nulls("truth")
        return told.unique("id", keep="last", maintain_order=True).select("id", "asked", "truth", "row", "answer")

    def truths(self, package: Package, since: float = 0.0) -> tuple[Array, Array, dict[str, Array]]:
        """Truth as codes or values, raw answers and typed columns of the rows asked after ``since`` that have a label.

        A label that the Package does not know is -1, or NaN.
        """
        labels = self.labels.filter(self.labels["asked"] >= since)
        if labels.is_empty():
            return np.zeros(0, dtype=np.int64), np.zeros((0, package.task.outputs)), {}
        columns = package.door.rows([json.loads(r) for r in labels["row"].to_list()])
        truth = _encode(package, [json.loads(t) for t in labels["truth"].to_list()])
        return truth, package.raw(columns), columns


def _encode(package: Package, values: Sequence[Any]) -> Array:
    if not package.task.classes:
        return np.array([_number(v) for v in values], dtype=np.float64)
    texts = [str(v).lower() if isinstance(v, bool) and str(v) not in package.task.classes else str(v) for v in values]
    return package.task.encode(pl.Series([_whole(t) for t in texts], dtype=pl.String))


def _whole(text: str) -> str:
    return text.removesuffix(".0")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


@dataclass(frozen=True)
class News:
    """What a trigger looks at: what the monitors said, how many new true answers there are, and the time."""

    verdicts: Sequence[Verdict]
    labels: int
    now: float = 0.0
    since: float = 0.0
    """When the champion was promoted."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    arrived: int = 0
    """Rows that the source has more than when a model was last learned from it."""

    def alarms(self, name: str) -> list[Verdict]:
        """The verdicts of one monitor that did not pass."""
        return [v for v in self.verdicts if not v.passed and v.name.split(".")[0] == name]


def wilson(hits: int, rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share (Wilson 1927)."""
    from statistics import NormalDist

    if rows == 0:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf(0.5 + confidence / 2), hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
