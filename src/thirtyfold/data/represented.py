"""Represented: are the rows that are learned from like those that are not, and which groups are too small to know?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.door import typed
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.table import Table
from thirtyfold.data.measures import chi_tail

__all__ = ["SMALL", "Unlike", "against_shares", "against_validation", "small_groups"]

SMALL = 30
"""Of fewer rows a share is known to no better than 18 points up or down (95 %)."""
CHANCE = 0.001
"""How rarely chance alone may say that two parts differ, over all columns together."""
MATTERS = 0.02
"""A smaller part of the rows that would have to change their group is not worth a word."""


@dataclass(frozen=True)
class Unlike:
    """A column whose groups have other shares: ``distance`` is the part of the rows that would have to change group.

    ``group`` is the one that differs most, with its share here and there; ``p`` is how often chance does as much.
    """

    column: str
    against: str
    distance: float
    p: float
    group: str
    here: float
    there: float

    def numbers(self) -> dict[str, Any]:
        """As JSON."""
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}

    @property
    def says(self) -> str:
        """One sentence."""
        where = "of the validation rows" if self.against == "validation" else "where it should be"
        return (
            f"'{self.group}' of '{self.column}' is {100 * self.here:.1f} % of the training rows and "
            f"{100 * self.there:.1f} % {where}."
        )


def against_validation(
    table: Table, profiles: Mapping[str, ColumnProfile], validation: Table
) -> tuple[list[Unlike], list[str]]:
    """Columns whose shares differ by more than chance, the most different first; and those that were compared."""
    found: list[Unlike] = []
    compared: list[str] = []
    for name, column in table.columns.items():
        ours = profiles[name]
        if column.type in ("id", "moment") or column.role == "weight" or not ours.bins or not len(validation):
            continue  # how much a row counts may be known of training rows alone
        theirs = typed(column).profile(name, validation[name], like=ours)
        names = list(ours.bins)
        here = np.array([*(ours.bins[b] for b in names), ours.missing], dtype=np.float64)
        there = np.array([*(theirs.bins.get(b, 0) for b in names), theirs.missing], dtype=np.float64)
        if (here + there > 0).sum() > 1:
            compared.append(name)
            found.append(_unlike(name, "validation", [*names, "missing"], here, there))
    loud = [u for u in found if u.p < CHANCE / max(1, len(found)) and u.distance >= MATTERS]
    return sorted(loud, key=lambda u: (-u.distance, u.column)), compared


def _unlike(name: str, against: str, names: list[str], here: Array, there: Array) -> Unlike:
    """Two rows of counts by the chi-squared test of homogeneity; groups expected fewer than five times are one."""
    p, q = here / max(1.0, here.sum()), there / max(1.0, there.sum())
    total = here + there
    rare = total * min(here.sum(), there.sum()) / total.sum() < 5
    folded = np.array([np.append(c[~rare], c[rare].sum()) for c in (here, there)])
    folded = folded[:, folded.sum(axis=0) > 0]
    chance = 1.0
    if folded.shape[1] > 1:
        expected = folded.sum(1, keepdims=True) * folded.sum(0) / folded.sum()
        chance = chi_tail(float(((folded - expected) ** 2 / expected).sum()), folded.shape[1] - 1)
    worst = int(np.abs(p - q).argmax())
    return Unlike(name, against, float(np.abs(p - q).sum() / 2), chance, names[worst], float(p[worst]), float(q[worst]))


def against_shares(table: Table, shares: Mapping[str, Mapping[str, float]]) -> list[Unlike]:
    """Every column for which the Spec says the shares that its groups should have (``analyze.shares``).

    Raises DataError for a column that is not there or has no groups, and for a group that no row is of.
    """
    faults = []
    found = []
    for name, said in shares.items():
        where = f"analyze.shares.{name}"
        if name not in table.columns:
            known = ", ".join(table.columns)
            faults.append(Fault(where, "there is no such column.", known, nearest(name, table.columns)))
            continue
        values = table[name]
        if values.dtype != pl.String and table.columns[name].type != "boolean":
            faults.append(Fault(where, f"'{name}' is a {table.columns[name].type} column and has no groups."))
            continue
        counts = _groups(table, name)
        strange = [g for g in said if g not in counts]
        known = ", ".join(list(counts)[:20])
        faults += [
            Fault(f"{where}.{g}", "no training row is of this group.", known, nearest(g, counts)) for g in strange
        ]
        if not strange:
            found.append(_goodness(name, counts, said))
    if faults:
        raise DataError(faults)
    return sorted(found, key=lambda u: (-u.distance, u.column))


def _goodness(name: str, counts: Mapping[str, int], said: Mapping[str, float]) -> Unlike:
    """Counts against shares that are known: Pearson's chi-squared test of fit. Groups not said have the rest."""
    rest = max(0.0, 1 - sum(said.values()))
    names = [*said, "any other"]
    here = np.array([*(counts[g] for g in said), sum(n for g, n in counts.items() if g not in said)], dtype=np.float64)
    there = np.array([*said.values(), rest])
    kept = there > 1e-9
    expected = there[kept] * here.sum()
    p = chi_tail(float(((here[kept] - expected) ** 2 / expected).sum()), int(kept.sum()) - 1) if kept.sum() > 1 else 1.0
    if here[~kept].any():
        p = 0.0  # groups that should not be there at all
    shares = here / max(1.0, here.sum())
    worst = int(np.abs(shares - there).argmax())
    distance = float(np.abs(shares - there).sum() / 2)
    return Unlike(name, "the shares said", distance, p, names[worst], float(shares[worst]), float(there[worst]))


def small_groups(table: Table) -> list[tuple[str, str, int, float]]:
    """Groups of fewer than 30 rows in columns of at most 50 groups: column, group, rows, share; the smallest first."""
    found = []
    for name, column in table.columns.items():
        if column.type not in ("category", "boolean") or column.role not in ("input", "group"):
            continue
        counts = _groups(table, name)
        if 2 <= len(counts) <= 50:
            found += [(name, g, n, n / len(table)) for g, n in counts.items() if n < SMALL]
    return sorted(found, key=lambda s: (s[2], s[0], s[1]))


def _groups(table: Table, name: str) -> dict[str, int]:
    """Rows of each group, by name."""
    values = table[name].drop_nulls()
    if table.columns[name].type == "boolean":
        true = int(values.cast(pl.Float64).sum() or 0)
        return {k: n for k, n in (("false", len(values) - true), ("true", true)) if n}
    seen = values.cast(pl.String).alias("value").value_counts().sort("value")
    return dict(zip(seen["value"].to_list(), seen["count"].to_list(), strict=True))
