"""odd_forms: values that are not written as nearly all others of their column are: "9x%" among percentages."""

import re
from collections import Counter
from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl

from thirtyfold.core.mending import Mending, similar
from thirtyfold.core.table import Column
from thirtyfold.data.draft import Change, Draft, Proposal, Stretch
from thirtyfold.data.looks import Look

__all__ = ["OddForms"]

_SHARE = 0.02
"""Share of rows from which a form is one that the column has."""
_MOST = 20_000
_WORD, _VALUE = "form: a slip of an own word", "form: a slip of the usual value"
_NEAR = "form: the only one near"


class OddForms:
    """Finds odd forms in columns written in few forms, and slips in a word that stands in most values of a column.

    A form is a value with its runs of digits and letters each made one sign: "12 patients" is "9 a". ``safe`` mends
    slips of a column's own word ("12 paxients") and of the value that nearly all rows have; ``all`` also takes the one
    value in the usual form that is nearest ("x00%", "100%"). What has several is told as wrong, and left.
    """

    stretch: ClassVar[Stretch] = "raw"

    def __init__(self, repair: Literal["safe", "all", "propose", "off"] = "safe") -> None:
        self.repair: Literal["safe", "all", "propose", "off"] = repair

    def propose(self, draft: Draft) -> Proposal:
        """Values mended, and odd ones told."""
        columns: list[Column] = []
        changes: list[Change] = []
        if self.repair == "off" or len(draft.table) < 50:
            return Proposal()
        for column in draft.table.columns.values():
            values = draft.table[column.name]
            if column.role != "input" or values.dtype != pl.String or column.name == draft.table.target:
                continue
            head = _head(column, values)
            kind = _kind(head)
            if kind == "other":
                continue
            counts = _counts(column, draft.looks[column.name])
            if kind == "forms" and len(counts) <= _MOST:
                found = [*_own_words(column.name, counts), *_odd(column.name, counts)]
            else:
                found = _usual(column.name, counts)
            done = [self._decided(c) for c in {c.before: c for c in reversed(found)}.values()]
            accepted = {c.before: str(c.after) for c in done if c.accepted}
            if accepted:
                mending = column.mending or Mending()
                columns.append(replace(column, mending=replace(mending, values={**mending.values, **accepted})))
            changes += done
        return Proposal(tuple(columns), tuple(changes))

    def _decided(self, change: Change) -> Change:
        levels = {_WORD: ("safe", "all"), _VALUE: ("safe", "all"), _NEAR: ("all",)}
        return replace(change, accepted=self.repair in levels.get(change.rule, ()))


def _head(column: Column, values: pl.Series) -> pl.Series:
    head = values.drop_nulls().head(500).str.strip_chars()
    return head.filter(~head.is_in(["", *column.markers]))


def _kind(head: pl.Series) -> Literal["forms", "usual", "other"]:
    """How a column can be checked: by forms with figures, by one value that nearly all rows have, or not here."""
    if len(head) < 50:
        return "other"
    digits = int(head.str.contains(r"\d").sum()) / len(head)
    plain = int(head.str.contains(r"^[+-]?[\d.,]*\d[\d.,]*$").sum()) / len(head)
    if digits >= 0.3 and plain <= 0.95 and int(head.str.len_chars().sum()) <= 40 * len(head):
        return "forms"
    counts = head.value_counts(sort=True)
    most = str(counts.row(0)[0])
    return "usual" if counts.row(0)[1] >= 0.7 * len(head) and len(most) >= 8 else "other"


def _counts(column: Column, look: Look) -> dict[str, int]:
    """Rows of each value as written, the most frequent first; what means missing is left out."""
    if look.counts is None and look.distinct > 2 * _MOST:
        return {}
    counts = look.by_value().select(pl.col("value").str.strip_chars(), "count")
    counts = counts.filter(~pl.col("value").is_in(["", *column.markers]))
    if int(str(counts["value"].approx_n_unique())) > 1.2 * _MOST:
        return {}
    seen = counts.group_by("value").sum().sort(["count", "value"], descending=[True, False])
    return dict(zip(seen["value"].to_list(), seen["count"].to_list(), strict=True))


def _usual(name: str, counts: dict[str, int]) -> list[Change]:
    """Rare values as long as one that four of five rows have, with at most a quarter of its letters wrong."""
    from rapidfuzz.distance import OSA

    usual, times = next(iter(counts.items()), ("", 0))
    if times < 0.8 * sum(counts.values()) or len(usual) < 8:
        return []
    rare = [v for v, n in counts.items() if n <= 0.01 * times and len(v) == len(usual)]
    slips = [v for v in rare if OSA.distance(v, usual) <= len(usual) // 4]
    return [Change(name, v, usual, _VALUE, 0.95) for v in slips]


def _form(value: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value.casefold()))


def _usual_forms(counts: dict[str, int]) -> set[str]:
    """The forms that a column has: of five rows at least, and of one row in fifty."""
    forms: Counter[str] = Counter()
    for value, times in counts.items():
        forms[_form(value)] += times
    return {f for f, n in forms.items() if n >= max(5, _SHARE * sum(counts.values()))}


def _own_words(name: str, counts: dict[str, int]) -> list[Change]:
    """Slips of a word that stands at the same place in at least half of the rows."""
    rows = sum(counts.values())
    words: Counter[tuple[int, int, str]] = Counter()
    for value, times in counts.items():
        parts = value.split()
        for at, part in enumerate(parts):
            words[len(parts), at, part] += times
    usual = _usual_forms(counts)
    own = {k: n for k, n in words.items() if 2 * n >= rows and len(k[2]) >= 5 and k[2].isalpha()}
    found: list[Change] = []
    for value in counts if own else ():
        parts = value.split()
        new = list(parts)
        for (size, at, word), times in own.items():
            if (
                len(parts) == size
                and parts[at] != word
                and parts[at].isalpha()
                and words[size, at, parts[at]] <= max(3, 0.01 * times)
            ):
                new[at] = word if similar(parts[at], word) else new[at]
        if new != parts and _form(" ".join(new)) in usual:
            found.append(Change(name, value, " ".join(new), _WORD, 0.97))
    return found


def _odd(name: str, counts: dict[str, int]) -> list[Change]:
    """Values of a form that hardly any other has, in a column of which 95 % are written in few forms."""
    from rapidfuzz.distance import OSA

    usual = _usual_forms(counts)
    if sum(n for v, n in counts.items() if _form(v) in usual) < 0.95 * sum(counts.values()) or len(usual) > 6:
        return []
    known = [v for v in counts if _form(v) in usual]
    found: list[Change] = []
    for value in counts:
        if _form(value) in usual:
            continue
        away = {v: OSA.distance(value, v, score_cutoff=2) for v in known}
        least = min(away.values(), default=3)
        near = [v for v, d in away.items() if d == least <= 2]
        if len(near) == 1 and similar(value, near[0]):
            found.append(Change(name, value, near[0], _NEAR, 0.8))
        elif near:
            why = f"written like none of the others; {len(near)} values are equally near"
            found.append(Change(name, value, None, "form: odd", 0.7, why=why))
        else:
            found.append(Change(name, value, None, "form: odd", 0.5, why="written like none of the others"))
    return found
