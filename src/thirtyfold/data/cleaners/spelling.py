"""spelling: one spelling per thing: case, spaces, punctuation, accents, slips of the finger, abbreviations."""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import ClassVar, Literal, NamedTuple

import polars as pl

from thirtyfold.core.door import fingerprint
from thirtyfold.core.table import Column
from thirtyfold.data.aliases import KINDS
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch
from thirtyfold.data.looks import Look

__all__ = ["Spelling"]

_MOST = 3000
"""More different values than this are names, not categories, and are left alone."""
_DIGITS = re.compile(r"\d+")
_FORMS = {
    "inc", "incorporated", "ltd", "limited", "llc", "plc", "corp", "corporation", "co", "company", "gmbh", "ag", "sa",
    "nv", "bv", "pty", "cc",
}  # fmt: skip
"""Legal forms at the end of a company's name; as the whole value they are left alone."""
_SIGNS = re.compile(r"[^\w ]")


class Spelling:
    """Finds values of categories that are the same thing written differently, and keeps the spelling used most.

    ``safe`` differences (case, spaces, punctuation, accents) are accepted; slips and abbreviations are only proposed
    unless ``spelling`` is ``all``. ``same`` and ``different`` are what the user taught; they always hold.
    """

    stretch: ClassVar[Stretch] = "typed"

    def __init__(
        self,
        spelling: Literal["safe", "all", "propose", "off"] = "safe",
        same: dict[str, dict[str, list[str]]] | None = None,
        different: dict[str, list[list[str]]] | None = None,
    ) -> None:
        self.spelling: Literal["safe", "all", "propose", "off"] = spelling
        self.same, self.different = same or {}, different or {}

    def propose(self, draft: Draft) -> Proposal:
        """Spellings for each category column and a change for each spelling that has another."""
        columns: list[Column] = []
        changes: list[Change] = []
        for column in draft.table.columns.values():
            if column.type != "category" or column.role in ("id", "ignore"):
                continue
            found = self._of(column, draft.looks[column.name])
            if column.role == "target":
                found = [replace(c, accepted=c.accepted and c.rule != "spelling: alias") for c in found]
                found = _two_left(found, draft.looks[column.name].seen)
            accepted = {c.before: str(c.after) for c in found if c.accepted}
            if accepted:
                columns.append(replace(column, spellings={**column.spellings, **accepted}))
            changes += found
        return Proposal(tuple(columns), tuple(changes))

    def _of(self, column: Column, look: Look) -> list[Change]:
        counts = dict(look.by_value().iter_rows()) if look.counts is not None or look.distinct <= _MOST else {}
        taught = {o: kept for kept, others in self.same.get(column.name, {}).items() for o in others if o != kept}
        changes = [Change(column.name, o, k, "spelling: taught", why="clean.same") for o, k in taught.items()]
        if self.spelling == "off" or not 2 <= len(counts) <= _MOST:
            return changes
        apart = {frozenset(pair) for group in self.different.get(column.name, []) for pair in _pairs(group)}
        rest = {v: n for v, n in counts.items() if v not in taught}
        groups = _by_fingerprint(rest)
        moved: dict[str, str] = {}
        for group in groups.values():
            keep = _kept(group, rest)
            for other in group:
                if other != keep and frozenset((other, keep)) not in apart:
                    moved[other] = keep
                    why = f"'{other}' ({rest[other]:,} rows) is '{keep}' ({rest[keep]:,} rows) but for its writing"
                    accepted = self.spelling in ("safe", "all")
                    changes.append(Change(column.name, other, keep, "spelling: writing", 0.97, accepted, why))
        for guess in _aliases(rest, moved):
            if frozenset((guess.before, guess.after)) not in apart:
                moved[guess.before] = guess.after
                why = f"'{guess.before}' ({rest[guess.before]:,} rows) {guess.why} '{guess.after}'"
                accepted = self.spelling in ("safe", "all")
                changes.append(
                    Change(column.name, guess.before, guess.after, guess.rule, guess.confidence, accepted, why)
                )
        totals: dict[str, int] = {}
        for value, times in rest.items():
            totals[moved.get(value, value)] = totals.get(moved.get(value, value), 0) + times
        taken: dict[str, str] = {}
        slips = _slips(totals)
        slipped = {g.before for g in slips}
        for guess in [
            *slips,
            *_legal_forms(totals, slipped),
            *_abbreviations({v: n for v, n in totals.items() if v not in slipped}),
        ]:
            if guess.before in taken or frozenset((guess.before, guess.after)) in apart:
                continue
            keep = taken.get(guess.after, guess.after)
            if keep == guess.before:
                continue
            taken[guess.before] = keep
            why = f"'{guess.before}' ({totals[guess.before]:,} rows) {guess.why} '{keep}' ({totals[keep]:,} rows)"
            accepted = self.spelling == "all"
            written = [guess.before, *(o for o, k in moved.items() if k == guess.before)]
            for one in written:
                changes = [c for c in changes if not (c.before == one and c.rule == "spelling: writing" and accepted)]
                changes.append(Change(column.name, one, keep, guess.rule, guess.confidence, accepted, why))
        return _settled(changes)


class _Guess(NamedTuple):
    before: str
    after: str
    rule: str
    confidence: float
    why: str


def _settled(changes: list[Change]) -> list[Change]:
    """Accepted changes that lead to a value which changes itself go to where that one goes."""
    to = {c.before: c.after for c in changes if c.accepted}
    done = []
    for change in changes:
        after, hops = change.after, 0
        while change.accepted and after in to and to[after] != after and hops < 10:
            after, hops = to[after], hops + 1
        done.append(replace(change, after=after))
    return [c for c in done if c.after != c.before]


def _two_left(changes: list[Change], values: pl.Series) -> list[Change]:
    """No change of answers is accepted by itself that leaves only one answer."""
    to = {c.before: c.after for c in changes if c.accepted}
    left = {to.get(v, v) for v in values.drop_nulls().unique().to_list()}
    return changes if len(left) > 1 else [replace(c, accepted=c.rule == "spelling: taught") for c in changes]


def _pairs(group: list[str]) -> Iterable[tuple[str, str]]:
    return ((a, b) for i, a in enumerate(group) for b in group[i + 1 :])


def _by_fingerprint(counts: dict[str, int]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for value in counts:
        key = fingerprint(value)
        if len(key) <= 2:  # "-B" and "B--" may be slips of "B-", which is not "B"
            key += "".join(sorted(c for c in value if c in "+-"))
        groups.setdefault(key or value, []).append(value)
    return {k: g for k, g in groups.items() if len(g) > 1}


@cache
def _places() -> dict[str, dict[str, int]]:
    """For each kind of thing, the number of the thing by the fingerprint of each of its names."""
    return {
        kind: {fingerprint(name): at for at, names in enumerate(things) for name in names}
        for kind, things in KINDS.items()
    }


def _aliases(counts: dict[str, int], moved: dict[str, str]) -> list[_Guess]:
    """Two names of one thing, where nearly all rows of the column name things of that kind; the one used most stays."""
    totals: dict[str, int] = {}
    for value, times in counts.items():
        totals[moved.get(value, value)] = totals.get(moved.get(value, value), 0) + times
    rows = sum(counts.values())
    prints = {v: fingerprint(v) for v in counts}
    for kind, place in _places().items():
        known = {v: place[key] for v, key in prints.items() if key in place}
        if sum(counts[v] for v in known) < 0.8 * rows or len({*known.values()}) < 2:
            continue
        found: list[_Guess] = []
        for at in dict.fromkeys(known.values()):
            names = [v for v, thing in known.items() if thing == at and v not in moved]
            keep = min(names, key=lambda v: (-totals[v], -len(v), v))
            what = f"is, among names of a {kind}, another of"
            found += [_Guess(v, keep, "spelling: alias", 0.95, what) for v in names if v != keep]
        return found
    return []


def _kept(group: list[str], counts: dict[str, int]) -> str:
    """The spelling used most; among equals the one with fewest odd characters, then the first by name."""
    return min(group, key=lambda v: (-counts[v], sum(not c.isalnum() for c in v), v))


def _slips(totals: dict[str, int]) -> list[_Guess]:
    """Rare values a letter or two away from frequent ones; figures and signs must be the same in both.

    A short word must be far rarer than one of the main values that it resembles ("yxs" and "yes").
    """
    from rapidfuzz.distance import OSA

    prints = {v: fingerprint(v) for v in totals}
    order = sorted(totals, key=lambda v: (-totals[v], v))
    by_signs: dict[tuple[str, ...], list[str]] = {}
    rows = sum(totals.values())
    found: list[_Guess] = []
    for value in order:
        key = (*_DIGITS.findall(prints[value]), *_SIGNS.findall(prints[value]), *_inner_capitals(value))
        near = by_signs.setdefault(key, [])
        letters = sum(c.isalpha() for c in prints[value])
        short = letters < 5
        most = (1 if letters >= 3 else 0) if short else 1 if letters < 9 else 2 if letters < 20 else 2 + letters // 12
        best: tuple[int, str] | None = None
        for common in near if most else []:
            fewest = max(20 * totals[value], 0.1 * rows) if short else max(2, 3 * totals[value])
            if totals[common] < fewest or abs(len(prints[common]) - len(prints[value])) > (0 if short else most):
                continue
            away = OSA.distance(prints[value], prints[common], score_cutoff=most)
            if away <= most and (best is None or away < best[0]) and _in_long_words(prints[value], prints[common]):
                best = (away, common)
        if best is not None:
            confidence = round(min(0.9, 0.55 + 0.02 * letters - 0.08 * (best[0] - 1)), 2)
            what = f"is {best[0]} letter{'s' * (best[0] > 1)} from"
            found.append(_Guess(value, best[1], "spelling: slip", confidence, what))
        else:
            near.append(value)
    return found


def _inner_capitals(value: str) -> list[str]:
    """Capitals after a letter in a word of both cases: they are codes ("GasA", "GasW"), not slips."""
    return [] if value.isupper() else re.findall(r"(?<=[^\W\d_])[A-Z]", value)


def _in_long_words(a: str, b: str) -> bool:
    """Word by word, only words of three letters or more and without figures differ ("ak x-1" is not "al x-1")."""
    one, two = a.split(), b.split()
    if len(one) != len(two):
        return True
    odd = [w for pair in zip(one, two, strict=True) if pair[0] != pair[1] for w in pair]
    return all(len(w) >= 3 and w.isalpha() for w in odd)


def _abbreviations(totals: dict[str, int]) -> list[_Guess]:
    """Short forms with one long form that they can stand for: initials, or letters in order (JHB, Johannesburg)."""
    found: list[_Guess] = []
    words = {v: fingerprint(v).split() for v in totals}
    for value in sorted(totals):
        short = "".join(words[value])
        single = len(words[value]) == 1 or all(len(w) == 1 for w in words[value])
        if not (2 <= len(short) <= 5 and short.isalpha() and single):
            continue
        initials = [v for v, w in words.items() if len(w) == len(short) and "".join(x[0] for x in w) == short]
        initials = [v for v in initials if v != value and len("".join(words[v])) > len(short) + 2]
        if len(initials) == 1:
            found.append(_Guess(value, initials[0], "spelling: initials", 0.7, "are the initials of"))
            continue
        if len(short) < 3 or not value.replace(".", "").isupper():
            continue
        long = [v for v, w in words.items() if len(w) == 1 and len(w[0]) >= 2 * len(short) and _inside(short, w[0])]
        if len(long) == 1:
            found.append(_Guess(value, long[0], "spelling: abbreviation", 0.55, "has letters in the order of"))
    return found


def _legal_forms(totals: dict[str, int], slipped: set[str]) -> list[_Guess]:
    """Companies with and without their legal form, where one firm of the name is there ("Sasol Ltd", "Sasol")."""
    cores: dict[str, list[str]] = {}
    for value in totals:
        words = fingerprint(value).split()
        while len(words) > 1 and words[-1] in _FORMS:
            words.pop()
        cores.setdefault(" ".join(words), []).append(value)
    found: list[_Guess] = []
    for group in cores.values():
        known = [v for v in group if v not in slipped]
        if len(known) > 1:
            keep = _kept(known, totals)
            what = "is, but for its legal form,"
            found += [_Guess(v, keep, "spelling: legal form", 0.75, what) for v in known if v != keep]
    return found


def _inside(short: str, long: str) -> bool:
    """Same first letter, and the letters of the short form come in this order in the long one."""
    rest = iter(long)
    return short[0] == long[0] and all(c in rest for c in short)
