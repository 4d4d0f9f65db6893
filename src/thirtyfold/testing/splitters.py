"""Checks that every way of splitting passes, ours and a stranger's: ``check_splitter(splitter)``."""

from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.table import Column, Table

__all__ = ["check_splitter", "copied_table"]


def copied_table(rows: int = 600, seed: int = 3) -> tuple[Table, Array]:
    """A table with copies, groups, times and a part column, and its copies' numbers."""
    rng = np.random.default_rng(seed)
    copies = np.arange(rows)
    copies[rows // 2 : rows // 2 + rows // 6] = rng.integers(0, rows // 2, rows // 6)
    amount = rng.normal(size=rows)[copies]
    group = rng.integers(0, rows // 8, rows)[copies]
    time = rng.integers(0, rows, rows)[copies]
    word = np.array(["train", "val", "test"])[rng.choice(3, rows, p=[0.6, 0.2, 0.2])][copies]
    label = np.where(amount + rng.normal(size=rows)[copies] > 1.2, "rare", "often")
    north, east = rng.normal(48, 1, rows)[copies], rng.normal(11, 1, rows)[copies]
    frame = pl.DataFrame(
        {
            "x": amount,
            "latitude": north,
            "longitude": east,
            "who": group.astype(str),
            "when": time * 86400.0,
            "part": word,
            "y": label,
        }
    )
    columns = {
        "x": Column("x", "number"),
        "latitude": Column("latitude", "number"),
        "longitude": Column("longitude", "number"),
        "who": Column("who", "category", "group"),
        "when": Column("when", "number", "time"),
        "part": Column("part", "category", "part"),
        "y": Column("y", "category", "target"),
    }
    return Table.of(frame, columns), copies


def check_splitter(splitter: Any) -> None:
    """Parts are complete, none is empty, copies are on one side, the shares about as asked, and a seed decides."""
    table, copies = copied_table()
    shares = (0.7, 0.15, 0.15)
    parts = np.asarray(splitter.parts(table, copies, shares, 0))
    assert parts.shape == (len(table),), (
        f"parts has the shape {parts.shape}, expected one for each of {len(table)} rows"
    )
    assert set(np.unique(parts).tolist()) == {0, 1, 2}, f"parts must be 0, 1 and 2, each used; got {np.unique(parts)}"
    sides = {c: set(parts[copies == c].tolist()) for c in np.unique(copies)}
    apart = [c for c, s in sides.items() if len(s) > 1]
    assert not apart, f"{len(apart)} groups of copies are on two sides: training would know test rows"
    assert np.array_equal(parts, splitter.parts(table, copies, shares, 0)), "one seed gives two splits"
    mixed = np.random.default_rng(1).permutation(len(table))
    other = splitter.parts(table.take(mixed), copies[mixed], shares, 0)
    assert set(np.unique(other).tolist()) == {0, 1, 2}, "rows in another order leave a part empty"
    train = float((parts == 0).mean())
    assert 0.5 <= train <= 0.9, f"training has {100 * train:.0f} % of the rows, 70 % were asked for"
