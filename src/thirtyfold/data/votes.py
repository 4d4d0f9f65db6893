"""Votes: several answers to one question made one, with who can be trusted and how far they agree."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from thirtyfold.core.fieldtype import Array

__all__ = ["Agreement", "Believed", "Votes", "alpha", "believe", "dawid_skene", "kappa", "kappas", "majority"]

SMOOTH = 0.01
"""Added to every cell of a voter's table of errors, so that what was not seen is unlikely, not impossible."""


@dataclass(frozen=True)
class Votes:
    """One entry a vote: which row, whose, which class, how many times; and how many rows, voters, classes there are.

    Voters without names (only the sums are known) are one voter.
    """

    row: Array
    voter: Array
    said: Array
    times: Array
    rows: int
    voters: int
    classes: int

    @classmethod
    def of(cls, codes: Array, classes: int) -> "Votes":
        """From codes (rows, voters), -1 where there is no answer."""
        row, voter = np.nonzero(codes >= 0)
        return cls(row, voter, codes[row, voter], np.ones(len(row)), codes.shape[0], codes.shape[1], classes)

    @classmethod
    def counted(cls, counts: Array) -> "Votes":
        """From how often each class was said, (rows, classes), by voters without names."""
        row, said = np.nonzero(counts)
        times = counts[row, said].astype(np.float64)
        return cls(row, np.zeros_like(row), said, times, len(counts), 1, counts.shape[1])

    @property
    def total(self) -> Array:
        """How often each class was said of each row, (rows, classes)."""
        at = self.row * self.classes + self.said
        return np.bincount(at, self.times, minlength=self.rows * self.classes).reshape(self.rows, self.classes)

    def where(self, kept: Array) -> "Votes":
        """The votes on some rows (a mask), which are numbered anew."""
        place = np.cumsum(kept) - 1
        on = kept[self.row]
        row, rest = place[self.row[on]], (self.voter[on], self.said[on], self.times[on])
        return Votes(row, *rest, int(kept.sum()), self.voters, self.classes)


class Believed(NamedTuple):
    """The likeliest classes (rows, classes), the shares of the classes, and each voter's errors.

    ``errors[v, k, l]`` is how often voter v says l where k is true.
    """

    chances: Array
    shares: Array
    errors: Array
    rounds: int


class Agreement(NamedTuple):
    """A coefficient with its 95 % bootstrap interval over rows, and how many rows it rests on."""

    value: float
    low: float
    high: float
    rows: int


def majority(votes: Votes) -> Believed:
    """The share of the votes that each class got; a row without votes gets the overall shares."""
    total = votes.total
    shares = total.sum(axis=0) / max(1.0, total.sum())
    many = total.sum(axis=1, keepdims=True)
    chances = np.where(many > 0, total / np.maximum(many, 1), shares)
    return Believed(chances, shares, _errors(votes, chances), 0)


def dawid_skene(votes: Votes, rounds: int = 100, close: float = 1e-5) -> Believed:
    """The classes and every voter's errors together, by expectation maximization.

    A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm",
    Applied Statistics 28(1), 1979: begun at the shares of votes (3.1), errors and class shares (2.3, 2.4) and classes
    (2.5) by turns until neither shares nor errors move by more than ``close`` in sum.
    """
    voted = np.bincount(votes.row, minlength=votes.rows) > 0
    chances = majority(votes).chances
    shares, errors = chances[voted].mean(axis=0), _errors(votes, chances)
    done = 0
    for done in range(1, rounds + 1):  # noqa: B007 - how many rounds it took is told
        chances = _expected(votes, shares, errors)
        before = shares, errors
        shares, errors = chances[voted].mean(axis=0), _errors(votes, chances)
        if np.abs(shares - before[0]).sum() < close and np.abs(errors - before[1]).sum() < close:
            break
    return Believed(chances, shares, errors, done)


def _errors(votes: Votes, chances: Array) -> Array:
    """What each voter says where a class is true: (voters, classes, classes), rows sum to 1."""
    many = votes.classes
    said = np.empty((votes.voters, many, many))
    for k in range(many):
        weight = chances[votes.row, k] * votes.times
        said[:, k] = np.bincount(votes.voter * many + votes.said, weight, votes.voters * many).reshape(-1, many)
    said += SMOOTH
    return np.asarray(said / said.sum(axis=2, keepdims=True))


def _expected(votes: Votes, shares: Array, errors: Array) -> Array:
    logs = np.log(errors)
    log = np.empty((votes.rows, votes.classes))
    for k in range(votes.classes):
        log[:, k] = np.bincount(votes.row, logs[votes.voter, k, votes.said] * votes.times, votes.rows)
    log += np.log(np.maximum(shares, 1e-12))
    log -= log.max(axis=1, keepdims=True)
    chances = np.exp(log)
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def believe(votes: Votes, how: str) -> Believed:
    """By ``majority`` or ``dawid_skene``."""
    return majority(votes) if how == "majority" else dawid_skene(votes)


def alpha(votes: Votes, seed: int = 0, draws: int = 500) -> Agreement:
    """Krippendorff's alpha for names: 1 is full agreement, 0 what chance alone would give.

    K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011: coincidences within rows that have at least two
    answers, against those of all answers mixed. The interval is drawn over rows.
    """
    total = votes.total
    total = total[total.sum(axis=1) >= 2]
    if not len(total):
        return Agreement(float("nan"), float("nan"), float("nan"), 0)
    classes = total.shape[1]
    many = total.sum(axis=1)
    pairs = (total[:, :, None] * total[:, None, :] - np.eye(classes) * total[:, :, None]) / (many - 1)[:, None, None]
    flat = pairs.reshape(len(total), -1)
    drawn = np.vstack([np.ones(len(total)), _drawn(len(total), draws, seed)]) @ flat
    found = _alphas(drawn.reshape(-1, classes, classes))
    return _interval(found, len(total))


def _alphas(pairs: Array) -> Array:
    marginal = pairs.sum(axis=2)
    whole = marginal.sum(axis=1)
    seen = whole - np.trace(pairs, axis1=1, axis2=2)
    chance = (whole**2 - (marginal**2).sum(axis=1)) / np.maximum(whole - 1, 1e-12)
    return np.where(chance > 0, 1 - seen / np.maximum(chance, 1e-12), np.nan)


def kappa(first: Array, second: Array, classes: int, seed: int = 0, draws: int = 500) -> Agreement:
    """Cohen's kappa of two voters over the rows that both answered (J. Cohen, 1960), with its interval over rows."""
    both = (first >= 0) & (second >= 0)
    cell = first[both] * classes + second[both]
    if not len(cell):
        return Agreement(float("nan"), float("nan"), float("nan"), 0)
    table = np.bincount(cell, minlength=classes**2).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = np.vstack([table, rng.multinomial(len(cell), table / table.sum(), size=draws)])
    return _interval(_kappas(drawn.reshape(-1, classes, classes)), len(cell))


def _kappas(tables: Array) -> Array:
    whole = tables.sum(axis=(1, 2))
    seen = np.trace(tables, axis1=1, axis2=2) / whole
    chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / whole**2
    return np.where(chance < 1, (seen - chance) / np.maximum(1 - chance, 1e-12), np.nan)


def kappas(codes: Array, classes: int, seed: int = 0) -> dict[tuple[int, int], Agreement]:
    """Kappa of every pair of voters that share at least two rows; codes (rows, voters), -1 for no answer."""
    voters = codes.shape[1]
    pairs = [(a, b) for a in range(voters) for b in range(a + 1, voters)]
    found = {(a, b): kappa(codes[:, a], codes[:, b], classes, seed) for a, b in pairs}
    return {pair: k for pair, k in found.items() if k.rows >= 2}


def _drawn(rows: int, draws: int, seed: int) -> Array:
    """How often each row is in each draw with replacement; at most some fifty million numbers."""
    draws = max(50, min(draws, 50_000_000 // rows))
    return np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=draws).astype(np.float64)


def _interval(found: Array, rows: int) -> Agreement:
    known = found[1:][np.isfinite(found[1:])]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return Agreement(float(found[0]), float(low), float(high), rows)
