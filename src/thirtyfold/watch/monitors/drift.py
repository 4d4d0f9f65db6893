"""Do the rows that come in still look like those that were learned from?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.door import DTYPES, typed
from thirtyfold.core.evidence import counted
from thirtyfold.core.fieldtype import Array, FieldType
from thirtyfold.core.package import Package
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.verdict import Verdict
from thirtyfold.watch.live import Live

__all__ = ["Drift"]

DRAWS = 2000
OTHER = "(other)"
"""The interval in which a profile counts all categories that it does not name."""


class Drift:
    """Compares each window of ``rows`` predictions with the training rows, column by column.

    The statistic is the Jensen-Shannon divergence of the counts over the training profile's intervals. Its limit comes
    from its own null distribution: pairs of samples of both sizes drawn from the training profile, with
    ``false_alarms`` shared out among the columns (Bonferroni), so that noise alone raises an alarm in at most that
    share of windows whatever the number of columns and their dependence.
    """

    def __init__(
        self,
        rows: Annotated[int, Field(ge=50)] = 500,
        false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01,
    ) -> None:
        self.rows, self.false_alarms = rows, false_alarms
        self._made: dict[str, dict[str, _Compared]] = {}

    def calibrate(self, package: Package) -> dict[str, Any]:
        """Each column's limit, from its null distribution."""
        found = _profiles(package)
        level = self.false_alarms / max(1, len(found))
        return {"limits": {n: _limit(c, self.rows, level, seed) for seed, (n, c) in enumerate(found.items())}}

    def _compared(self, package: Package) -> dict[str, _Compared]:
        """What each column is compared with; made once a Package, for making it costs more than using it."""
        if package.hash not in self._made:
            kinds = {c.name: typed(c) for c in package.columns}
            made = {n: _Compared(kinds[n], c, self.rows) for n, c in _profiles(package).items()}
            self._made = {package.hash: made}
        return self._made[package.hash]

    def look(self, package: Package, state: Mapping[str, Any], live: Live) -> list[Verdict]:
        part = live.window(self.rows)
        if part is None:
            why = f"{live.total:,} predictions so far; the first window is complete at {self.rows:,}."
            return [Verdict("drift", True, why, package=package.hash)]
        columns = live.columns(package, part)
        found = {n: look(columns[n]) for n, look in self._compared(package).items() if n in state["limits"]}
        ratio = {n: v / state["limits"][n] for n, v in found.items()}
        worst = max(ratio, key=lambda n: ratio[n], default="")
        moved = sorted((n for n, r in ratio.items() if r > 1), key=lambda n: -ratio[n])
        evidence = {n: {"divergence": round(v, 6), "limit": round(state["limits"][n], 6)} for n, v in found.items()}
        if moved:
            names = ", ".join(moved[:5])
            why = (
                f"{len(moved)} of {counted(len(found), 'column')} of the last {self.rows:,} rows "
                f"{'differs' if len(moved) == 1 else 'differ'} from the training rows "
                f"by more than chance: {names}."
            )
        else:
            where = "the one column" if len(found) == 1 else f"all {len(found)} columns"
            why = f"The last {self.rows:,} rows look like the training rows in {where}."
        value = ratio.get(worst, 0.0)
        return [
            Verdict("drift", not moved, why, round(value, 4), 1.0, package.hash, {"columns": evidence, "moved": moved})
        ]


def _profiles(package: Package) -> dict[str, ColumnProfile]:
    profile = package.profile
    if profile is None:
        return {}
    return {c.name: profile.columns[c.name] for c in package.columns if c.name in profile.columns}


def _counts(kind: FieldType, like: ColumnProfile, column: Array) -> ColumnProfile:
    """The profile of live values over the intervals of training."""
    if kind.dtype == "text":
        series = pl.Series(like.name, column.tolist(), dtype=pl.String)
    else:
        series = pl.Series(like.name, column).fill_nan(None)
        if kind.dtype == "moment":
            series = (series * 1e6).round().cast(pl.Int64).cast(DTYPES["moment"])
    return kind.profile(like.name, series, like)


def _shares(profile: ColumnProfile, names: list[str]) -> Array:
    """Counts of each interval, of missing values, and of values in none of the intervals."""
    inside = np.array([profile.bins.get(n, 0) for n in names], dtype=np.float64)
    other = max(0.0, profile.rows - profile.missing - float(inside.sum()))
    return np.array([*inside, profile.missing, other])


def _expected(profile: ColumnProfile, rows: int) -> tuple[Array, list[Array]]:
    """The shares to expect, and which intervals are counted together because fewer than 5 of the rows would fall there.

    Categories seen fewer than 5 times in training are counted together with those never seen: new rows have other rare
    ones, so that each by itself is expected too often (Good 1953), and all of them together just as often.
    """
    counts = _shares(profile, list(profile.bins))
    seen = counts.copy()
    counts[-1] = max(counts[-1], 0.5)
    counts[-2] = max(counts[-2], 0.5)
    shares = counts / counts.sum()
    rare = shares * rows < 5
    if not profile.edges:
        rare[:-2] |= (seen[:-2] < 5) | np.array([name == OTHER for name in profile.bins], dtype=bool)
        rare[-1] = True
    groups = [np.array([i]) for i in np.flatnonzero(~rare)]
    if rare.any():
        groups.append(np.flatnonzero(rare))
    return shares, groups


def _merged(shares: Array, groups: list[Array]) -> Array:
    return np.stack([shares[..., g].sum(axis=-1) for g in groups], axis=-1)


def _jensen_shannon(p: Array, q: Array) -> Array:
    """In bits, over the last axis."""
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log2(p / m), 0.0)
        right = np.where(q > 0, q * np.log2(q / m), 0.0)
    return np.asarray((left + right).sum(axis=-1) / 2)


class _Compared:
    """A column's training profile, ready to be compared with windows of ``rows`` rows."""

    def __init__(self, kind: FieldType, profile: ColumnProfile, rows: int) -> None:
        self.kind, self.profile, self.names = kind, profile, list(profile.bins)
        shares, self.groups = _expected(profile, rows)
        self.usual = _merged(shares, self.groups)

    def __call__(self, column: Array) -> float:
        """The divergence of live values from it."""
        counts = _shares(_counts(self.kind, self.profile, column), self.names)
        return float(_jensen_shannon(self.usual, _merged(counts / max(1.0, counts.sum()), self.groups)))


def _limit(profile: ColumnProfile, rows: int, level: float, seed: int) -> float:
    """The divergence that two samples of the same source exceed with this probability.

    The far tail is read off a gamma distribution with the drawn mean and variance: the divergence is about a weighted
    sum of chi-squares, and so few draws would not reach that far.
    """
    from scipy.special import gammainccinv  # scipy.stats takes a second to load for the same

    rng = np.random.default_rng(seed)
    shares, groups = _expected(profile, rows)
    merged = _merged(shares, groups)
    if len(merged) < 2:
        return math.inf
    first = rng.multinomial(profile.rows, merged, DRAWS) / profile.rows
    second = rng.multinomial(rows, merged, DRAWS) / rows
    drawn = _jensen_shannon(first, second)
    mean, var = float(drawn.mean()), float(drawn.var())
    if var == 0:
        return math.inf
    far = float(gammainccinv(mean * mean / var, level) * var / mean)
    return max(far, float(np.quantile(drawn, 1 - max(level, 1 / DRAWS))))
