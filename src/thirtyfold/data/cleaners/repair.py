"""repair: values that break what the rest of the table says: the zip code gives the city, a slip of a known word."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from thirtyfold.core.mending import Mending, Rule, key_of, letters_of, likely, mend_frame, similar, weigh
from thirtyfold.core.table import Column, Table
from thirtyfold.data.dependencies import Coded, Dependency, Votes, coded, discover, joined, measure, votes
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch
from thirtyfold.data.looks import LARGE, Look

__all__ = ["Repair"]

_ROUNDS = 4
_OPEN = 2.5
"""Log odds (12 to 1) from which a break of a rule is told."""
_SOME = 300_000
"""Rows of a large table that rules must show in, before all of it is asked."""
_MOST = 1000
"""Breaks of rules told for one column."""


class Repair:
    """Mends slips by dependencies that the data itself shows, and proposes what only breaks one.

    Only inputs are looked at: the target neither mends an input nor is mended by one, and a column that gives the
    answer away mends nothing, because it will not be there at serving. A value is mended that is no word of its column
    and is like the one that its row asks for ("birminghxm"; "3563x" where the city's zip code is "35631"), the same at
    serving. A known word that breaks a rule is only told.
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, repair: Literal["safe", "all", "propose", "off"] = "safe") -> None:
        self.repair: Literal["safe", "all", "propose", "off"] = repair

    def propose(self, draft: Draft) -> Proposal:
        """Spellings and rules for the columns, and a change for each value or cell."""
        table = draft.table
        if self.repair == "off" or len(table) < 30:
            return Proposal()
        columns = [c for c in table.columns.values() if _has_words(c, draft.looks[c.name])]
        if len(table) > LARGE:
            some = table.frame[:: len(table) // _SOME]
            if not _rules(some, columns, table.target)[1]:
                return Proposal(notes=(f"Among {some.height:,} of {len(table):,} rows no column gives another.",))
        start, rules = _rules(table.frame, columns, table.target)
        if not rules:
            return Proposal()
        work = _Work(start, dict(start), rules)
        work.settle()
        names = sorted({d.column for d in rules})
        mendings = {n: m for n in names if (m := work.learned(n))}
        applied = self.repair in ("safe", "all")
        described = tuple(_mended(table.columns[n], m) for n, m in mendings.items()) if applied else ()
        before = mend_frame(table.columns.values(), table.frame)
        after = mend_frame(table.describe(*described).columns.values(), table.frame) if applied else before
        changes = [c for n in names for c in _changes(work, n, table, (before[n], after[n]))]
        return Proposal(described, tuple(changes), notes=(_said(rules),))


def _rules(frame: pl.DataFrame, columns: list[Column], target: str | None) -> tuple[dict[str, Coded], list[Dependency]]:
    """The columns as codes, and the dependencies among them that do not tell the answer."""
    start = {c.name: coded(c.name, frame[c.name], c.markers) for c in columns}
    start = {n: c for n, c in start.items() if len(c.values) > 1}
    answer = coded(target, frame[target].cast(pl.String)) if target else None
    return start, [d for d in discover(start) if answer is None or not _gives(start, d, answer)]


def _has_words(column: Column, look: Look) -> bool:
    """Whether an input holds words or codes, not amounts.

    Whole numbers are amounts unless they are few or, like codes of a place or a thing, all equally long.
    """
    values = look.values
    if column.role != "input" or values.dtype != pl.String:
        return False
    head = values.drop_nulls().head(1000).str.strip_chars()
    head = head.filter(~head.is_in(["", *column.markers]))
    figures = head.str.contains(r"^[+-]?[\d.,]*\d$")
    if not len(head) or int(head.str.contains(r"^[+-]?\d+\.\d+$").sum()) > 0.3 * len(head):
        return False
    if figures.sum() > 0.9 * len(head) and head.n_unique() > 30:
        long = head.filter(figures).str.len_chars()
        usual = int(str(long.mode().sort()[0]))
        if usual < 4 or int((long == usual).sum()) < 0.95 * len(long):
            return False
    # groups of fewer than three rows show no rule
    return len(values) <= 5000 or look.distinct <= 0.3 * len(values)


@dataclass
class _Work:
    """The columns as they came and as they are mended so far, round by round until nothing changes."""

    start: dict[str, Coded]
    now: dict[str, Coded]
    rules: list[Dependency]
    odds: dict[str, dict[int, float]] = field(default_factory=dict)
    own: dict[str, set[int]] = field(default_factory=dict)
    """Codes of values that break a rule by a rule of their own."""

    def settle(self) -> None:
        """Mend until a fixed point: a mended value makes the groups clearer that mend others."""
        for _ in range(_ROUNDS):
            done = {name: self._mended(name) for name in sorted({d.column for d in self.rules})}
            changed = {n: c for n, c in done.items() if not np.array_equal(c.codes, self.now[n].codes)}
            if not changed:
                return
            self.now = {**self.now, **changed}

    def _mended(self, name: str) -> Coded:
        column = self.now[name]
        ballots = self.ballots(name)
        known = _known(column, ballots)
        codes = column.codes.copy()
        doubtful = np.flatnonzero((codes >= 0) & ~known[codes])
        if len(doubtful) > 0.2 * len(codes):
            return column
        letters = letters_of(column.values[i] for i in np.flatnonzero(known))
        place = {v: i for i, v in enumerate(column.values)}
        found: dict[int, tuple[str, float]] = {}
        for at in doubtful.tolist():
            said = _said_of(column, ballots, at)
            best = weigh(said)
            if best and likely(column.values[codes[at]], best[0], best[1], len(said), letters):
                found[at] = best
        scattered = self._scattered(name, found, ballots)
        self.own.setdefault(name, set()).update(int(codes[at]) for at in set(found).difference(scattered))
        for at in scattered:
            codes[at] = place[found[at][0]]
            self.odds.setdefault(name, {})[at] = found[at][1]
        return replace(column, codes=codes, counts=np.bincount(codes[codes >= 0], minlength=len(column.values)))

    def _scattered(self, name: str, found: dict[int, tuple[str, float]], ballots: list[Votes]) -> list[int]:
        """Breaks of a rule that are errors: those that are not most of what some value of another column says.

        Errors fall anywhere; where three or more, and half of all rows, of one state break what the measure gives, the
        state has a rule of its own.
        """
        if len(found) < 3:
            return list(found)
        places = np.fromiter(found, dtype=np.int64)
        kept = np.ones(len(places), bool)
        ruled = np.any([b.said >= 0 for b in ballots], axis=0)
        for other in self.now.values():
            if other.name != name:
                width = len(other.values) + 1
                broken = np.bincount(other.codes[places] + 1, minlength=width)
                rows = np.bincount(other.codes[ruled] + 1, minlength=width)
                own = (broken >= 3) & (2 * broken >= rows)
                own[0] = False
                kept &= ~own[other.codes[places] + 1]
        return [int(p) for p in places[kept]]

    def ballots(self, name: str, *, strict: bool = False) -> list[Votes]:
        """What each rule says of each row; by choice only those that hardly anything breaks."""
        mine = [d for d in self.rules if d.column == name]
        mine = [d for d in mine if d.agreement >= 0.98 and d.strength >= 0.8] if strict else mine
        return [votes(self.given(d), self.now[name], d.agreement) for d in mine]

    def given(self, rule: Dependency) -> Any:
        return joined(tuple(self.now[n] for n in rule.given))

    def lookup(self, rule: Dependency) -> Rule:
        """The dependency as mended: for each left side the value of its strict majority, of two rows at least."""
        column, given, codes = self.now[rule.column], [self.now[n] for n in rule.given], self.given(rule)
        seen = np.flatnonzero((column.codes >= 0) & (codes >= 0))
        pairs = codes[seen] * len(column.values) + column.codes[seen]
        _, firsts, often = np.unique(pairs, return_index=True, return_counts=True)
        each: dict[str, dict[str, int]] = {}
        for at, times in zip(seen[firsts].tolist(), often.tolist(), strict=True):
            key = key_of([g.values[g.codes[at]] for g in given]) or ""
            each.setdefault(key, {})[column.values[column.codes[at]]] = times
        ceiling = min(max(rule.agreement, 0.6), 0.997)
        best = np.log(ceiling / (1 - ceiling))
        table: dict[str, tuple[str, float]] = {}
        for key, counts in each.items():
            value, most = max(counts.items(), key=lambda p: (p[1], p[0]))
            rest = sum(counts.values()) - most
            if most >= 2 and most > rest:
                table[key] = (value, round(float(min(best, np.log((most + 0.5) / (rest + 0.5)))), 3))
        return Rule(rule.given, table)

    def learned(self, name: str) -> Mending | None:
        """What holds of a value wherever it stands, and the rules for single rows where some need them."""
        before, after = self.start[name], self.now[name]
        known = _known(after, self.ballots(name))
        known[sorted(self.own.get(name, ()))] = True
        words = [before.values[i] for i in np.flatnonzero(known)]
        moved = np.flatnonzero(before.codes != after.codes)
        values: dict[str, str] = {}
        for code in np.unique(before.codes[moved]).tolist():
            to = after.codes[before.codes == code]
            value, meant = before.values[code], before.values[to[0]]
            if (to == to[0]).all() and _only(value, meant, words):
                values[value] = meant
        rest = any(before.values[before.codes[at]] not in values for at in moved.tolist())
        rules: tuple[Rule, ...] = ()
        if rest:
            rules = tuple(r for d in self.rules if d.column == name and (r := self.lookup(d)).table)
        return Mending(values, rules, tuple(sorted(words)) if rules else ()) if values or rules else None

    def open_cells(self, name: str) -> Iterable[tuple[int, str | None, str, float]]:
        """Known words that break rules, and gaps that rules could fill: (place, before, after, log odds)."""
        column, ballots = self.now[name], self.ballots(name, strict=True)
        if not ballots:
            return
        said = np.stack([b.said for b in ballots])
        against = (said >= 0) & (said != column.codes)
        for at in np.flatnonzero(against.any(axis=0) & ~((said == column.codes) & (said >= 0)).any(axis=0)).tolist():
            code = int(column.codes[at])
            if code in self.own.get(name, ()):
                continue
            best = weigh(_said_of(column, ballots, at))
            if best is not None and best[1] >= _OPEN and best[0] != (column.values[code] if code >= 0 else None):
                yield at, column.values[code] if code >= 0 else None, best[0], best[1]


def _gives(start: dict[str, Coded], rule: Dependency, answer: Coded) -> bool:
    """Whether a column that the rule reads all but tells the answer."""
    told = [measure(start[n].codes, answer) for n in rule.given]
    return any(agreement > 0.95 and strength > 0.9 for agreement, strength, _ in told)


def _known(column: Coded, ballots: list[Votes]) -> Any:
    """Which values are words of the column: confirmed in a group by another row, where no rule gives another."""
    known = np.zeros(len(column.values) + 1, bool)
    for ballot in ballots:
        known[column.codes[ballot.top]] = True
    return known[:-1]


def _said_of(column: Coded, ballots: list[Votes], at: int) -> list[tuple[str, float]]:
    return [(column.values[b.said[at]], float(b.odds[at])) for b in ballots if b.said[at] >= 0]


def _only(value: str, meant: str, words: list[str]) -> bool:
    """Whether no other word of the column is as near to the value as the one that it is taken for."""
    from rapidfuzz.distance import OSA

    if not similar(value, meant):
        return False
    away = OSA.distance(value, meant)
    return not any(w != meant and OSA.distance(value, w, score_cutoff=away) <= away for w in words)


def _sure(odds: float) -> float:
    """Log odds as a probability, two figures."""
    return round(float(1 / (1 + np.exp(-odds))), 2)


def _mended(column: Column, mending: Mending) -> Column:
    """The column with what was learned here beside what other cleaners learned."""
    known = column.mending or Mending()
    values = {**known.values, **mending.values}
    return replace(column, mending=replace(known, values=values, rules=mending.rules, known=mending.known))


def _changes(work: _Work, name: str, table: Table, sides: tuple[pl.Series, pl.Series]) -> list[Change]:
    """Cells that are mended, cells that could be, and breaks of rules that are only told."""
    rows = table.rows
    text, old, new = (s.str.strip_chars() for s in (table[name], *sides))
    mended = (old != new).fill_null(value=False)
    odds = work.odds.get(name, {})
    each: dict[tuple[str, str | None, str, float, bool], list[int]] = {}
    for at in mended.arg_true().to_list():
        each.setdefault((text[at], new[at], "repair: dependency", _sure(odds.get(at, 2.0)), True), []).append(at)
    start, now = work.start[name], work.now[name]
    for at in np.flatnonzero(start.codes != now.codes).tolist():
        if not mended[at]:
            key = (
                start.values[start.codes[at]],
                now.values[now.codes[at]],
                "repair: dependency",
                _sure(odds[at]),
                False,
            )
            each.setdefault(key, []).append(at)
    for count, (at, before, meant, sure) in enumerate(work.open_cells(name)):
        if count >= _MOST:
            break
        if before is not None and not mended[at]:
            each.setdefault((before, meant, "repair: breaks a rule", _sure(sure - 2), False), []).append(at)
    return [
        Change(name, before, meant, rule, sure, accepted, rows=tuple(int(rows[at]) for at in places))
        for (before, meant, rule, sure, accepted), places in each.items()
    ]


def _said(rules: list[Dependency]) -> str:
    """The strongest dependencies in words."""
    order = sorted(rules, key=lambda d: (-d.strength, len(d.given), d.column, d.given))[:4]
    shown = "; ".join(
        f"{' and '.join(d.given)} give{'s' * (len(d.given) == 1)} {d.column} ({100 * d.agreement:.1f} %)" for d in order
    )
    many = f"{len(rules)} dependencies hold" if len(rules) > 1 else "1 dependency holds"
    return f"{many} among columns: {shown}."
