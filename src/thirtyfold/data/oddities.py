"""Oddities: rows far from all others, and cells that are missing together or not by chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table
from thirtyfold.data.measures import Coded, association

__all__ = ["Gaps", "far_rows", "gaps"]

FENCE = 3.0
"""Interquartile ranges beyond the quartiles: Tukey's "far out" (1977)."""


@dataclass(frozen=True)
class Gaps:
    """``together``: columns missing in the same rows, with how many; ``alike``: correlation of what is missing among
    ``names``, shape (names, names); ``telling``: how strongly being missing goes with the target.
    """

    names: list[str]
    rows: dict[str, int]
    together: list[tuple[list[str], int]]
    alike: Array
    telling: dict[str, float]


def gaps(table: Table, answer: Coded, counts: dict[str, int]) -> Gaps:
    """What is missing together in a Table to whose rows ``answer`` belongs; ``counts`` are those to be told."""
    holes = {n: table[n].is_null().to_numpy() for n in table.inputs if 0 < table[n].null_count() < len(table)}
    names = sorted(holes, key=lambda n: (-counts[n], n))[:30]
    together: list[tuple[list[str], int]] = []
    taken: set[str] = set()
    for i, a in enumerate(names):
        if a in taken:
            continue
        like = [b for b in names[i + 1 :] if b not in taken and _same(holes[a], holes[b])]
        if like:
            taken |= {a, *like}
            together.append(([a, *like], int(np.logical_and.reduce([holes[n] for n in (a, *like)]).sum())))
    masks = np.array([holes[n] for n in names], dtype=np.float64).reshape(len(names), len(table))
    alike = np.clip(np.nan_to_num(np.corrcoef(masks)), -1, 1) if len(names) > 1 else np.ones((len(names),) * 2)
    telling = {}
    for name in names:
        mask = holes[name]
        if 20 <= mask.sum() <= len(mask) - 20:
            telling[name] = association(Coded(ranks=None, codes=mask.astype(np.int64), levels=2), answer)[0]
    return Gaps(names, {n: counts[n] for n in names}, together, alike, telling)


def _same(a: Array, b: Array) -> bool:
    """Missing in the same rows by more than there being many: the correlation of being missing is 0.9 or more."""
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return bool((a & b).sum() > 1 and scale > 0 and x @ y >= 0.9 * scale)


def far_rows(table: Table, most: int = 10) -> tuple[list[dict[str, Any]], int]:
    """The rows farthest from all others, each with the values that are, and how many rows have such a value.

    A value is far when it lies three interquartile ranges beyond the quartiles, as it is and, where all are above zero,
    on a logarithmic scale; a column in which more than one in a hundred does has a long tail, and no far values.
    """
    far = np.zeros(len(table))
    columns: dict[str, Array] = {}
    for name in table.inputs:
        if table[name].dtype != pl.Float64:
            continue
        x = table[name].to_numpy()
        away = _away(x)
        if away is not None:
            far += away
            columns[name] = away
    order = np.lexsort((np.arange(len(far)), -far))[:most]
    rows = [
        {
            "row": int(table.rows[at]),
            "far": round(float(far[at]), 2),
            "values": {n: float(table[n][int(at)]) for n, away in columns.items() if away[at] > 0},
        }
        for at in order.tolist()
        if far[at] > 0
    ]
    return rows, int((far > 0).sum())


def _away(x: Array) -> Array | None:
    """How many interquartile ranges beyond the fence each value is, 0 inside; None where none or too many are."""
    known = x[np.isfinite(x)]
    if len(known) < 50:
        return None
    least = np.full(len(x), np.inf)
    scales = [(x, known)] + ([(np.log(np.where(x > 0, x, np.nan)), np.log(known))] if known.min() > 0 else [])
    for scaled, of in scales:
        low, high = np.quantile(of, [0.25, 0.75])
        if high <= low:
            return None
        beyond = np.maximum(low - scaled, scaled - high) / (high - low) - FENCE
        least = np.minimum(least, np.nan_to_num(np.maximum(beyond, 0.0)))
    least = np.where(np.isfinite(least), least, 0.0)
    return least if 0 < (least > 0).sum() <= max(1, 0.01 * len(known)) else None
