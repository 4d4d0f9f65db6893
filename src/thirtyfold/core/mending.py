"""Mending: what cleaning learned to put right in a value before it is read, from the value and from its row.

A pure function of one row and of what was learned, used alike on the table in cleaning and at the door in service.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from html import unescape
from typing import TYPE_CHECKING, Any

from thirtyfold.core.late import pl
from thirtyfold.core.phone import phone_of

if TYPE_CHECKING:
    from thirtyfold.core.table import Column

__all__ = [
    "TROUBLE",
    "Mending",
    "Rule",
    "amount_of",
    "has_markup",
    "key_of",
    "letters_of",
    "likely",
    "mend_frame",
    "mend_rows",
    "needed",
    "similar",
    "tidy",
    "weigh",
]

SURE = 1.5
"""Log odds from which a similar value is taken: two of two others (5 to 1), or four of five."""
_TAG = re.compile(
    r"<!--.*?-->|</?(?:p|br|b|i|u|a|em|strong|div|span|ul|ol|li|td|tr|th|table|html|head|body|font|img|sub|sup|h[1-6]"
    r"|pre|code|hr|center|blockquote)(?:\s[^<>]{0,500})?/?>",
    re.S | re.I,
)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|apos|#\d{2,5}|#x[0-9a-f]{2,5});", re.I)
_TWICE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u2122]")
TROUBLE = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0300-\u036f\u200b\u2060\ufeff\ufffd]"
    r"|[\xc2-\xf4][\x80-\xbf\u0152-\u0178\u02c6\u02dc\u2013-\u2122]"
)
"""What a text that is not tidy has: control and invisible characters, loose accents, pairs that UTF-8 leaves behind."""
_TROUBLE = re.compile(TROUBLE)
_QUOTES = {n: bytes([n]).decode("cp1252") for n in range(0x80, 0xA0) if n not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
"""What stands at the places of control characters in texts that were Windows-1252."""
_UNSEEN = "\u00ad\u200b\u2060\ufeff"
"""Soft hyphen, zero width space, word joiner, byte order mark; joiners that shape letters and emoji stay."""
_AMOUNT = re.compile(r"\s*([+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+))\s*([^\W\d_]+|[\"'°]\s?[CFK]?)\.?\s*")


@dataclass(frozen=True)
class Rule:
    """A dependency as a lookup: the values of ``given``, joined by ``key_of``, to the value and its log odds."""

    given: tuple[str, ...]
    table: dict[str, tuple[str, float]]


@dataclass(frozen=True)
class Mending:
    """What is put right in one column, in this order.

    ``characters``: one form of each letter, none that cannot be seen (see ``tidy``); ``markup``: tags are taken out and
    entities read. ``units``: factor and offset by which a written unit comes to ``unit`` (``{"lb": (0.4536, 0)}``).
    ``values``: a written value that always means another. ``rules``: what the other values of the row give, for a value
    that is not in ``known``, the words of the column. ``kept``: values that a person said are right as they are.
    """

    values: dict[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    known: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    units: dict[str, tuple[float, float]] = field(default_factory=dict)
    unit: str = ""
    characters: bool = False
    markup: bool = False
    phrases: tuple[str, ...] = ()
    """Sentences that are cut out of a text."""
    phone: str = ""
    """Telephone numbers in one spelling: ``+`` those that say their country, else the country of the others."""

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset((*self.known, *self.kept))

    @cached_property
    def letters(self) -> frozenset[str]:
        return letters_of(self.known)

    def alone(self, text: str) -> str:
        """The value put right from itself."""
        if text in self.kept:
            return text
        text = self.values.get(text, text)
        if self.characters or self.markup:
            text = tidy(text, markup=self.markup)
        for phrase in self.phrases:
            if phrase in text:
                text = " ".join(text.replace(phrase, " ").split())
        if self.units and (amount := amount_of(text)) and amount[1] in self.units:
            factor, offset = self.units[amount[1]]
            text = f"{amount[0] * factor + offset:.10g}"
        if self.phone:
            text = phone_of(text, self.phone)
        return self.values.get(text, text)

    def mend(self, value: str, row: Mapping[str, str | None]) -> str:
        """The value that the row's other values give, where the written one is like it; else the value as it is."""
        if value in self.words:
            return value
        said: list[tuple[str, float]] = []
        for rule in self.rules:
            key = key_of([row.get(n) for n in rule.given])
            if key is not None and key in rule.table:
                said.append(rule.table[key])
        best = weigh(said)
        return best[0] if best and likely(value, best[0], best[1], len(said), self.letters) else value


def tidy(text: str, *, markup: bool = False) -> str:
    """Text in Unicode's composed form, decoded once more where that was forgotten, without what cannot be seen."""
    if markup and has_markup(text):
        plain = _TAG.sub(" ", text)
        text = _ENTITY.sub(lambda m: unescape(m[0]), text if plain == text else " ".join(plain.split()))
    for _ in range(4):  # what was encoded twice is decoded twice
        if not _TROUBLE.search(text):
            break
        before, text = text, _tidied(text)
        if text == before:
            break
    return text


def _tidied(text: str) -> str:
    text = text.translate(_QUOTES)
    if _TWICE.search(text):
        with suppress(UnicodeEncodeError, UnicodeDecodeError):  # it only looked so
            text = text.encode("cp1252").decode("utf-8").translate(_QUOTES)
    text = unicodedata.normalize("NFC", text)
    return "".join(c for c in text if c in "\n\t" or not (unicodedata.category(c) == "Cc" or c in _UNSEEN)).strip()


def has_markup(text: str) -> bool:
    """Whether a text has an HTML tag or entity of the common ones; '<someone@example.org>' is none."""
    return bool(_TAG.search(text) or _ENTITY.search(text))


_FEET = re.compile(
    r"\s*(\d{1,3})\s*(['\u2019\u2032]|ft\.?|feet|foot)\s*(\d{1,2}(?:[.,]\d+)?)\s*"
    r"(?:\"|''|\u201d|\u2033|in\.?|inch(?:es)?)?\s*", re.I
)  # fmt: skip
_PRIMES = {"\u2019": "'", "\u2032": "'"}


def amount_of(text: str) -> tuple[float, str] | None:
    """The number and the unit of an amount such as '154 lb', the unit in small letters; feet and inches as feet."""
    found = _AMOUNT.fullmatch(text)
    if found:
        return float(found[1].replace(",", ".")), found[2].casefold()
    both = _FEET.fullmatch(text)
    if both is None or float(both[3].replace(",", ".")) >= 12:
        return None
    unit = both[2].casefold().rstrip(".")
    return int(both[1]) + float(both[3].replace(",", ".")) / 12, _PRIMES.get(unit, unit)


def key_of(values: Sequence[str | None]) -> str | None:
    """Several values as one key; None where one is missing."""
    known = [v for v in values if v is not None]
    return "\x1f".join(known) if len(known) == len(values) else None


def weigh(said: Sequence[tuple[str, float]]) -> tuple[str, float] | None:
    """The value with the most evidence and its log odds over what speaks for the next one.

    Rules that read the same rows are not independent: the strongest counts fully, each further one at 0.3, 3 at most.
    """
    if not said:
        return None
    each: dict[str, list[float]] = {}
    for value, odds in said:
        each.setdefault(value, []).append(odds)
    total = {v: max(o) + min(3.0, 0.3 * (sum(o) - max(o))) for v, o in each.items()}
    order = sorted(total, key=lambda v: (-total[v], v))
    return order[0], total[order[0]] - (total[order[1]] if len(order) > 1 else 0.0)


def letters_of(words: Iterable[str]) -> frozenset[str]:
    """The characters that the words of a column are written with."""
    return frozenset(c for w in words for c in w.casefold())


def likely(value: str, meant: str, odds: float, rules: int, letters: frozenset[str]) -> bool:
    """Whether the evidence suffices to take ``value`` for a slip of ``meant``.

    Two figures that differ are two amounts, unless only one or two digits do and several rules agree. Short words are
    codes ("GasA", "GasW"): one is a slip of another only when as long, and with a character that no word of the column
    has.
    """
    if odds < SURE or value == meant or not similar(value, meant):
        return False
    if len(meant) < 5 and (len(value) != len(meant) or letters.issuperset(value.casefold())):
        return False
    return not (_number(value) and _number(meant)) or (odds >= 6 and rules >= 2 and len(value) >= 4)


def similar(value: str, meant: str) -> bool:
    """A third of the letters at most are wrong, missing, added or swapped (one at least is allowed)."""
    from rapidfuzz.distance import OSA

    most = max(1, round(0.34 * len(meant)))
    return abs(len(value) - len(meant)) <= most and OSA.distance(value, meant, score_cutoff=most) <= most


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text.rstrip("%").replace(",", "")))
    except ValueError:
        return False


def needed(columns: Mapping[str, Column], names: Iterable[str]) -> list[Column]:
    """The columns of these names and those by which their values are mended, in the table's order."""
    wanted = {n for n in names if n in columns}
    for _ in columns:
        mendings = [m for n in wanted if (m := columns[n].mending)]
        more = wanted | {g for m in mendings for r in m.rules for g in r.given if g in columns}
        if more == wanted:
            break
        wanted = more
    return [c for n, c in columns.items() if n in wanted]


def mend_frame(columns: Iterable[Column], frame: pl.DataFrame) -> pl.DataFrame:
    """A raw frame with every column put right; columns without a mending stay as they are."""
    described = {c.name: c for c in columns if c.name in frame.columns}
    able = [c for c in described.values() if c.mending is not None and frame[c.name].dtype == pl.String]
    if not able:
        return frame
    done: list[pl.Series] = []
    for column in able:
        text = frame[column.name].str.strip_chars()
        seen = text.drop_nulls().unique()
        better = {v: m for v in seen.to_list() if (m := _alone(column, v)) != v}
        done.append(text.replace(better) if better else frame[column.name])
    frame = frame.with_columns(done)
    ruled = [c for c in able if c.mending is not None and c.mending.rules]
    for _ in range(2):  # once more: a mended value may be what gives another
        frame = frame.with_columns([_by_row(c, described, frame) for c in ruled])
    return frame


def _by_row(column: Column, described: Mapping[str, Column], frame: pl.DataFrame) -> pl.Series:
    mending = column.mending
    assert mending is not None
    text = frame[column.name].str.strip_chars()
    known = pl.Series([*mending.known, *mending.kept], dtype=pl.String)
    doubtful = text.is_not_null() & ~text.is_in(known.implode()) & ~text.is_in(["", *column.markers])
    if not doubtful.any():
        return frame[column.name]
    names = sorted({n for r in mending.rules for n in r.given if n in described})
    rows = frame.select(names).filter(doubtful).to_dicts()
    found = text.to_list()
    for at, row in zip(doubtful.arg_true().to_list(), rows, strict=True):
        found[at] = mending.mend(found[at], {n: _plain(described[n], v) for n, v in row.items()})
    return pl.Series(column.name, found, dtype=pl.String)


def mend_rows(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of JSON values with every column put right, just as ``mend_frame`` does."""
    described = {c.name: c for c in columns}
    out = [dict(row) for row in rows]
    for column in columns:
        if column.mending is not None:
            for row in out:
                if isinstance(row.get(column.name), str):
                    text = row[column.name].strip()
                    better = _alone(column, text)
                    row[column.name] = better if better != text else row[column.name]
    ruled = [(c, c.mending) for c in columns if c.mending is not None and c.mending.rules]
    for _ in range(2):
        for row in out:
            plain = {n: _plain(c, row.get(n)) for n, c in described.items()}
            for column, mending in ruled:
                value = plain[column.name]
                if value is not None and isinstance(row[column.name], str):
                    row[column.name] = mending.mend(value, plain)
    return out


def _alone(column: Column, text: str) -> str:
    return text if column.mending is None or text in column.markers else column.mending.alone(text)


def _plain(column: Column, value: Any) -> str | None:
    """A value as rules name it: text without blanks around it; None where it means missing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = value.strip() if isinstance(value, str) else str(value)
    return None if not text or text in column.markers else text
