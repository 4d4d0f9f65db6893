"""Forecasts: what came against what was foretold, step by step, beside the seasonal-naive forecast."""

from typing import Any, NamedTuple

import numpy as np

from thirtyfold.core.charts import lines, number
from thirtyfold.core.evidence import Picture, TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Table, to_array
from thirtyfold.core.windows import BASE, ORIGIN, STEP

__all__ = ["Shown", "blocks_of", "shown"]

MOST = 3
"""Series that are drawn."""


class Shown(NamedTuple):
    """What a report says of forecasts beside their score."""

    why: str
    numbers: dict[str, Any]
    tables: tuple[TableView, ...]
    pictures: tuple[Picture, ...]


def blocks_of(rows: Table) -> tuple[Array, int]:
    """For each row the place of its origin in time, and how many origins on end to draw together.

    Errors of one origin go together, and so do those of origins whose windows overlap: whole runs of origins are drawn
    (the moving-block bootstrap, Kuensch 1989), as long as a window is, but never fewer than ten runs.
    """
    origins, place = np.unique(to_array(rows[ORIGIN]), return_inverse=True)
    time = to_array(rows[rows.named("time")[0]])
    first = float(time[place == 0].max())
    overlap = int(np.searchsorted(origins, first))
    return place, max(1, min(overlap, len(origins) // 10))


def shown(task: Any, rows: Table, truth: Array, raw: Array, columns: dict[str, Array]) -> Shown:
    """Errors by step, how many truths the intervals hold, and some windows as pictures."""
    decided, (low, high) = task.decide(raw, columns), task.ends(raw, columns)
    steps = columns[STEP].astype(np.int64)
    last = int(steps.max())
    at = np.arange(1, last + 1)
    errors = {"model": np.abs(truth - decided), "seasonal naive": np.abs(truth - columns[BASE])}
    by = {
        name: [float(e[steps == h].mean()) if (steps == h).any() else np.nan for h in at] for name, e in errors.items()
    }
    inside = (truth >= low) & (truth <= high)
    known = np.isfinite(low)
    why = ""
    numbers: dict[str, Any] = {"mae_by_step": by}
    if known.any():
        share, width = float(inside[known].mean()), float((high - low)[known].mean())
        held = [float(inside[steps == h].mean()) for h in at]
        numbers |= {"coverage": share, "interval": task.interval, "mean_width": width, "coverage_by_step": held}
        why = (
            f"Its {task.interval:.0%} intervals held {share:.1%} of the truths ({min(held):.0%} to {max(held):.0%} by "
            f"step) and are {number(width)} wide on average."
        )
    picked = np.unique(np.linspace(1, last, min(last, 24)).astype(int))
    columns_of = ("step", "model", "seasonal naive", "truths in the interval")
    table = TableView(
        "Mean absolute error by step ahead",
        columns_of,
        tuple(
            (int(h), *(round(v[h - 1], 4) for v in by.values()), numbers.get("coverage_by_step", [None] * last)[h - 1])
            for h in picked
        ),
    )
    picture = lines("Mean absolute error by step ahead", at.tolist(), by, "steps ahead", "error")
    windows = _windows(rows, truth, {"forecast": decided, "seasonal naive": columns[BASE], "low": low, "high": high})
    return Shown(why, numbers, (table,), (picture, *windows))


def _windows(rows: Table, truth: Array, told: dict[str, Array]) -> list[Picture]:
    """For up to three series the window whose error is the median one, neither the best nor the worst."""
    target, time = str(rows.target), to_array(rows[rows.named("time")[0]])
    origins = to_array(rows[ORIGIN])
    inputs = [n for n in rows.inputs if rows.columns[n].why == "said: group"]
    names = rows[inputs[0]].to_numpy() if inputs else np.full(len(rows), "")
    out = []
    for name in list(dict.fromkeys(names.tolist()))[:MOST]:
        own = np.flatnonzero(names == name)
        starts = np.unique(origins[own])
        miss = [float(np.abs(truth - told["forecast"])[own[origins[own] == o]].mean()) for o in starts]
        origin = starts[int(np.argsort(miss, kind="stable")[len(miss) // 2])]
        at = own[origins[own] == origin]
        at = at[np.argsort(time[at])]
        moment = str(np.datetime64(int(origin), "s")).replace("T", " ").removesuffix(" 00:00:00")
        x, truths = _before(own, time, truth, (origin, len(at)))
        pad = [float("nan")] * len(x)
        ahead = list(range(1, len(at) + 1))
        series = {"what came": [*truths, *truth[at].tolist()]} | {
            n: [*pad, *v[at].tolist()] for n, v in told.items() if np.isfinite(v[at]).any()
        }
        title = f"'{target}'" + (f" of {name}" if name else "") + f" as foretold at {moment}"
        note = "Of all test windows the one whose error is the median."
        picture = lines(title, [*x, *ahead], series, "steps from the origin", target)
        out.append(Picture(picture.title, picture.svg, note))
    return out


def _before(own: Array, time: Array, truth: Array, window: tuple[float, int]) -> tuple[list[float], list[float]]:
    """What the test rows know of the values before an origin, at most two windows long."""
    origin, many = window
    known = own[time[own] <= origin]
    _, first = np.unique(time[known], return_index=True)
    values = truth[known][first][-2 * many :]
    return list(range(1 - len(values), 1)), values.tolist()
