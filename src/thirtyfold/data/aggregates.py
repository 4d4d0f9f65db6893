"""Aggregates: many rows that belong to one, counted and added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from thirtyfold.core.late import pl

__all__ = ["ALL", "Kind", "aggregates", "same_types"]

Kind = Literal["count", "sum", "mean", "min", "max", "most_frequent", "distinct"]
ALL: tuple[Kind, ...] = ("count", "sum", "mean", "min", "max", "most_frequent", "distinct")


def aggregates(many: pl.DataFrame, leave: set[str], name: str, kinds: Sequence[Kind]) -> list[pl.Expr]:
    """Columns ``name.count``, ``name.COLUMN.sum`` ...: numbers are added up, moments have a first and a last, of the
    rest there is the most frequent (of equals the first in the alphabet) and how many different.
    """
    found = [pl.len().cast(pl.Int64).alias(f"{name}.count")] if "count" in kinds else []
    for column, kind in many.schema.items():
        if column in leave:
            continue
        value, title = pl.col(column), f"{name}.{column}"
        if kind.is_numeric():
            value = value.cast(pl.Float64) if isinstance(kind, pl.Decimal) else value
            made: dict[str, pl.Expr] = {
                "sum": value.sum(),
                "mean": value.mean(),
                "min": value.min(),
                "max": value.max(),
            }
        elif kind.is_temporal():
            made = {"min": value.min(), "max": value.max()}
        else:
            made = {
                "most_frequent": value.drop_nulls().mode().sort().first(),
                "distinct": value.drop_nulls().n_unique().cast(pl.Int64),
            }
        found += [made[a].alias(f"{title}.{a}") for a in kinds if a in made]
    return found


def same_types(
    left: pl.DataFrame, on: list[str], right: pl.DataFrame, right_on: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keys of different types made text, so that they can be compared."""
    odd = [(a, b) for a, b in zip(on, right_on, strict=True) if left.schema[a] != right.schema[b]]
    return (
        left.with_columns(pl.col(a).cast(pl.String) for a, _ in odd),
        right.with_columns(pl.col(b).cast(pl.String) for _, b in odd),
    )
