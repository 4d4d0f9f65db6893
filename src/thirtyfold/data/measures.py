"""Measures: how much one column says about another, by the kinds of the two."""

import math
from typing import Any

import numpy as np
import polars as pl

__all__ = [
    "Coded",
    "association",
    "chi_tail",
    "coded",
    "cramer",
    "explained",
    "gives_away",
    "information",
    "pearson",
    "ratio",
    "spearman",
    "uncertainty",
]

Array = np.ndarray[Any, np.dtype[Any]]


class Coded:
    """A column ready to be measured: ``ranks`` for amounts (missing in the middle), ``codes`` for all (0: missing)."""

    def __init__(self, *, ranks: Array | None, codes: Array, levels: int) -> None:
        self.ranks, self.codes, self.levels = ranks, codes, levels


def coded(x: Array, bins: int = 32, most: int = 200) -> Coded:
    """Floats to ranks in [-1, 1] and codes of ``bins`` intervals; objects to codes, the ``most`` frequent by name."""
    if x.dtype == object:
        return _named(pl.Series("value", x.tolist(), dtype=pl.String), most)
    known = ~np.isnan(x)
    ranks = np.zeros(len(x))
    codes = np.zeros(len(x), dtype=np.int64)
    if known.any():
        values, inverse, counts = np.unique(x[known], return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - (counts - 1) / 2 - 0.5
        ranks[known] = (2 * middle / known.sum() - 1)[inverse]
        if len(values) <= bins:
            codes[known] = inverse + 1
        else:
            codes[known] = np.minimum(bins - 1, ((ranks[known] + 1) / 2 * bins).astype(np.int64)) + 1
    return Coded(ranks=ranks, codes=codes, levels=int(codes.max(initial=0)) + 1)


def _named(values: pl.Series, most: int) -> Coded:
    """Codes by frequency, then by name; everything after the ``most`` frequent shares one."""
    seen = values.drop_nulls().value_counts().sort(["count", "value"], descending=[True, False])
    codes = np.minimum(np.arange(1, seen.height + 1), most + 1)
    levels = int(min(seen.height, most + 1)) + 1
    if not seen.height:
        return Coded(ranks=None, codes=np.zeros(len(values), dtype=np.int64), levels=1)
    found = values.replace_strict(seen["value"], pl.Series(codes), default=0, return_dtype=pl.Int64)
    return Coded(ranks=None, codes=found.fill_null(0).to_numpy().astype(np.int64), levels=levels)


def pearson(a: Array, b: Array) -> float:
    """The linear correlation, -1 to 1 (Pearson 1895), of the rows in which both are known."""
    both = np.isfinite(a) & np.isfinite(b)
    return spearman(a[both], b[both]) if both.sum() > 2 else 0.0


def spearman(a: Array, b: Array) -> float:
    """The rank correlation, -1 to 1 (Spearman 1904), of two columns of ranks."""
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else 0.0


def cramer(a: Array, b: Array, levels: tuple[int, int]) -> float:
    """Cramer's V, 0 to 1, corrected for bias (Bergsma 2013), of two columns of codes."""
    table = np.bincount(a * levels[1] + b, minlength=levels[0] * levels[1]).reshape(levels)
    table = table[table.any(axis=1)][:, table.any(axis=0)].astype(np.float64)
    rows, columns = table.shape
    n = table.sum()
    if min(rows, columns) < 2 or n < 3:
        return 0.0
    expected = table.sum(1, keepdims=True) * table.sum(0) / n
    phi = float(((table - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    least = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(phi / least)) if least > 0 else 0.0


def ratio(codes: Array, values: Array, levels: int) -> float:
    """The correlation ratio, 0 to 1 (Pearson 1905), corrected for chance (Kelley 1935): values explained by codes."""
    counts = np.bincount(codes, minlength=levels).astype(np.float64)
    sums = np.bincount(codes, values, minlength=levels)
    there = counts > 0
    mean, total = values.mean(), float(((values - values.mean()) ** 2).sum())
    groups, n = int(there.sum()), len(values)
    if not total or groups < 2 or n <= groups:
        return 0.0
    between = float((counts[there] * (sums[there] / counts[there] - mean) ** 2).sum())
    explained = 1 - (1 - between / total) * (n - 1) / (n - groups)
    return float(np.sqrt(min(1.0, max(0.0, explained))))


def association(a: Coded, b: Coded) -> tuple[float, str]:
    """How strongly two columns go together, 0 to 1, and the measure that fits their kinds."""
    if a.ranks is not None and b.ranks is not None:
        return abs(spearman(a.ranks, b.ranks)), "Spearman"
    if a.ranks is not None:
        return ratio(b.codes, a.ranks, b.levels), "correlation ratio"
    if b.ranks is not None:
        return ratio(a.codes, b.ranks, a.levels), "correlation ratio"
    return cramer(a.codes, b.codes, (a.levels, b.levels)), "Cramer's V"


def information(codes: Array, levels: int, answer: Array, answers: int) -> float:
    """Mutual information in bits between two columns of codes, less what chance gives (Miller 1955), not below 0."""
    table = np.bincount(codes * answers + answer, minlength=levels * answers).reshape(levels, answers)
    table = table[table.any(axis=1)][:, table.any(axis=0)].astype(np.float64)
    n = table.sum()
    p = table / n
    expected = p.sum(1, keepdims=True) * p.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = float(np.nansum(p * np.log2(p / expected)))
    chance = (table.shape[0] - 1) * (table.shape[1] - 1) / (2 * n * np.log(2))
    return max(0.0, bits - float(chance))


def explained(codes: Array, levels: int, answer: Array, answers: int) -> float:
    """The share of what there is to know of the answer that the codes tell, 0 to 1 (Theil's U, 1970)."""
    share = np.bincount(answer, minlength=answers) / max(1, len(answer))
    share = share[share > 0]
    entropy = -float((share * np.log2(share)).sum())
    return min(1.0, information(codes, levels, answer, answers) / entropy) if entropy > 0 else 0.0


def chi_tail(x: float, df: int) -> float:
    """The chance that a chi-squared of ``df`` degrees of freedom is at least ``x``.

    The regularized upper incomplete gamma function Q(df/2, x/2), by its series or its continued fraction (Abramowitz
    and Stegun 6.5.29 and 6.5.31); scipy would take a third of a second to import.
    """
    a, z = df / 2, x / 2
    if z <= 0 or df <= 0:
        return 1.0
    front = math.exp(a * math.log(z) - z - math.lgamma(a))
    if z < a + 1:
        term = total = 1 / a
        for n in range(1, 10_000):
            term *= z / (a + n)
            total += term
            if term < total * 1e-15:
                break
        return max(0.0, 1 - front * total)
    tiny = 1e-300
    b = z + 1 - a
    c, d = 1 / tiny, 1 / b
    value = d
    for n in range(1, 10_000):  # Lentz's method
        part = -n * (n - a)
        b += 2
        d = 1 / (part * d + b or tiny)
        c = b + part / c or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return min(1.0, front * value)


def uncertainty(score: float, answer: Array, classes: int) -> float:
    """One standard error of what ``gives_away`` found on the half of the rows that it is asked of.

    Classes: that of the mean of the recalls, each taken as the score says, with one right and one wrong answer added
    (Agresti and Coull 1998). Amounts: that of R2 (Olkin and Finn 1995).
    """
    if not classes:
        r2 = min(1.0, max(0.0, score))
        return 2 * math.sqrt(r2) * (1 - r2) / math.sqrt(max(1.0, len(answer) / 2))
    there = np.bincount(answer, minlength=classes) / 2
    there = there[there > 0]
    recall = min(1.0, max(0.0, score * (1 - 1 / classes) + 1 / classes))
    p = (recall * there + 1) / (there + 2)
    return float(np.sqrt((p * (1 - p) / (there + 2)).sum()) / len(there) / (1 - 1 / classes))


def gives_away(column: Coded, answer: Array, classes: int, half: Array) -> float:
    """How well one column alone gives the answer, on rows not learned from: 0 is a guess, 1 is the answer itself.

    Classes: (balanced accuracy - 1/classes) / (1 - 1/classes) of the likeliest class in each code, weighed by class.
    Amounts: R2 of the mean in each code. ``half`` says which rows are learned from; both ways, the worse counts.
    """
    return min(_one_way(column, answer, classes, half), _one_way(column, answer, classes, ~half))


def _one_way(column: Coded, answer: Array, classes: int, half: Array) -> float:
    levels = column.levels
    seen, rest = column.codes[half], column.codes[~half]
    if column.ranks is not None:  # an interval not seen is answered like the nearest that was
        known = np.unique(seen)
        after = np.minimum(np.searchsorted(known, rest), len(known) - 1)
        before = np.maximum(after - 1, 0)
        rest = np.where(np.abs(known[after] - rest) <= np.abs(known[before] - rest), known[after], known[before])
    if not classes:
        counts = np.bincount(seen, minlength=levels)
        mean = float(answer[half].mean())
        guess = np.where(counts > 0, np.bincount(seen, answer[half], levels) / np.maximum(counts, 1), mean)
        error = float(((answer[~half] - guess[rest]) ** 2).sum())
        total = float(((answer[~half] - mean) ** 2).sum())
        return 1 - error / total if total else 0.0
    share = np.bincount(answer[half], minlength=classes).astype(np.float64)
    table = np.bincount(seen * classes + answer[half], minlength=levels * classes).reshape(levels, classes)
    likeliest = (table / np.maximum(share, 1)).argmax(axis=1)
    right = likeliest[rest] == answer[~half]
    there = np.bincount(answer[~half], minlength=classes)
    recall = np.bincount(answer[~half], right, classes)[there > 0] / there[there > 0]
    return float((recall.mean() - 1 / classes) / (1 - 1 / classes))
