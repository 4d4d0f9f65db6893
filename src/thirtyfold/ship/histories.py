"""Histories: test windows as a client would ask for them: the rows before each origin, as they were collected."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.table import Table, to_array
from thirtyfold.core.windows import ORIGIN, STEP, Series, Windows

__all__ = ["History", "histories"]

MOST = 200
"""Windows that are asked for again, evenly chosen, of those that can be asked for."""


class History(NamedTuple):
    """The rows of one window as collected (the future with what is known in advance), and the places in the test rows
    of what it foretells: -1 where the truth of a step is not known.
    """

    frame: pl.DataFrame
    places: Array


def histories(package: Package, collected: Table, test: Table) -> list[History]:
    """Test windows, as many as may be, each with the history that its rows were made of."""
    windows = package.windows
    assert windows is not None
    names = [c.name for c in windows.columns]
    table, _ = windows.door.table(collected.frame.select(names))
    series = {s.name: s for s in windows.gathered(windows.typed(table))[0]}
    found = [w for w in _windows_of(windows, test) if _told(windows, series[w[0]], w[1])]
    kept = np.unique(np.linspace(0, len(found) - 1, min(MOST, len(found))).astype(np.int64))
    out = []
    for at in kept.tolist():
        name, origin, places = found[at]
        one = series[name]
        out.append(History(_rows(windows, one, collected.frame.select(names), origin - one.start), places))
    return out


def _windows_of(windows: Windows, test: Table) -> Iterator[tuple[str, int, Array]]:
    """Series, place of the origin, and the places of the window's rows by step."""
    names = test[windows.series].to_list() if windows.series else [""] * len(test)
    origins = windows.frequency.places(to_array(test[ORIGIN]))[0]
    steps = to_array(test[STEP]).astype(np.int64)
    found: dict[tuple[str, int], Array] = {}
    for at, (name, origin, step) in enumerate(zip(names, origins.tolist(), steps.tolist(), strict=True)):
        own = found.setdefault((name, origin), np.full(windows.horizon, -1, dtype=np.int64))
        own[step - 1] = at
    for (name, origin), places in found.items():
        yield name, origin, places


def _told(windows: Windows, one: Series, origin: int) -> bool:
    """Whether there is a row for each time ahead, where something must be known of it."""
    at = origin - one.start
    return not windows.known or bool((one.rows[at + 1 : at + 1 + windows.horizon] >= 0).all())


def _rows(windows: Windows, one: Series, raw: pl.DataFrame, origin: int) -> pl.DataFrame:
    """The rows up to the origin that a window looks back at, and those after it without what is not known then."""
    last = origin + windows.horizon if windows.known else origin
    known = np.flatnonzero(np.isfinite(one.y[: origin + 1]))
    first = max(0, min(origin - windows.reach, int(known[-windows.least])))
    numbers = one.rows[first : last + 1]
    future = (np.arange(first, first + len(numbers)) > origin)[numbers >= 0]
    frame = raw[numbers[numbers >= 0]]
    hidden: list[Any] = [windows.target, *windows.past]
    return frame.with_columns(pl.when(~pl.Series(future)).then(pl.col(n)).alias(n) for n in hidden)
