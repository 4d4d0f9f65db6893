"""Lines: how the lines of a log begin, and when they were written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.late import pl

__all__ = ["HEADERS", "Header", "Trace", "header_of", "moments", "readings"]

_LEVEL = r"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|SEVERE|FATAL|CRIT(?:ICAL)?|ALERT|EMERG|FINE"
_ISO = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?"


class Header(NamedTuple):
    """A way in which lines begin; ``times`` are the notations of its column ``time``."""

    name: str
    pattern: re.Pattern[str]
    times: tuple[str, ...] = ()
    yearless: bool = False

    @property
    def columns(self) -> list[str]:
        return list(self.pattern.groupindex)


HEADERS = (
    Header(
        "hdfs",
        re.compile(
            r"(?P<time>\d{6} \d{6}) (?P<pid>\d+) (?P<level>[A-Z]+) (?P<component>[^\s:]+): (?P<message>.*)", re.DOTALL
        ),
        ("%y%m%d %H%M%S",),
    ),
    Header(
        "access",
        re.compile(
            r"(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "
            r'"(?P<message>(?P<method>[A-Z]+) (?P<path>\S+)[^"]*)" '
            r'(?P<status>\d{3}) (?P<size>\d+|-)(?: "(?P<referrer>[^"]*)" "(?P<agent>[^"]*)")?'
        ),
        ("%d/%b/%Y:%H:%M:%S %z",),
    ),
    Header(
        "apache",
        re.compile(r"\[(?P<time>\w{3} \w{3} +\d+ [\d:.]+ \d{4})\] \[(?P<level>[\w:]+)\] (?P<message>.*)", re.DOTALL),
        ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S%.f %Y"),
    ),
    Header(
        "syslog",
        re.compile(
            r"(?:<\d+>)?(?P<time>[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d) (?P<host>\S+) +"
            r"(?P<component>[^\s:\[]+(?:\([^)]*\))?(?: [^\s:\[]+){0,2}?)(?:\[(?P<pid>\d+)\])?: (?P<message>.*)",
            re.DOTALL,
        ),
        ("%Y %b %d %H:%M:%S",),
        yearless=True,
    ),
    Header(
        "levels",
        re.compile(
            rf"\[?(?P<time>{_ISO})\]?\s+(?:\[(?P<thread>[^\]]+)\]\s+)?\[?(?P<level>{_LEVEL})\]?:?\s+"
            r"(?:\[?(?P<component>[\w$.\-/]+)\]?\s*(?:-|:)\s+)?(?P<message>.*)",
            re.DOTALL | re.IGNORECASE,
        ),
        ("iso",),
    ),
    Header("times", re.compile(rf"\[?(?P<time>{_ISO})\]?\s+(?P<message>.*)", re.DOTALL), ("iso",)),
)
"""Tried in this order; that which fits the most of the first lines is taken."""


_CHAINED = (
    "Traceback (most recent call last):",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
    "Caused by: ",
)
_ERROR = re.compile(r"[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)*(?::.*)?", re.DOTALL)


class Trace:
    """Follows the lines of an error's trace that are not indented: its head, and the error that ends it."""

    def __init__(self) -> None:
        self.open = False

    def has(self, line: str, *, begins: bool) -> bool:
        """Whether this line is one of them; ``begins`` says that it begins as a line of the log does."""
        if begins:
            self.open = False
            return False
        if line.startswith(_CHAINED):
            self.open = line.startswith(_CHAINED[0])
            return True
        if not self.open or line[0] in " \t":
            return self.open
        self.open = False
        return _ERROR.fullmatch(line.strip()) is not None


def header_of(asked: str, lines: Sequence[str]) -> Header:
    """The way that ``format`` says, or that fits the most of these lines."""
    if asked == "auto":
        some = [line for line in lines if line.strip() and line[0] not in " \t"]
        fits = [sum(h.pattern.match(line) is not None for line in some) for h in HEADERS]
        return HEADERS[max(range(len(HEADERS)), key=lambda i: (fits[i], -i))]
    known = {h.name: h for h in HEADERS}
    if asked in known:
        return known[asked]
    names = re.findall(r"<(\w+)>", asked)
    if "content" not in [n.lower() for n in names] and "message" not in [n.lower() for n in names]:
        hint = "<Date> <Time> <Level> <Component>: <Content>"
        raise DataError(Fault("collect.logs.format", f"{asked!r} names no <Content>.", ", ".join(known), hint))
    return Header("said", _pattern(asked), ("iso",))


def _pattern(asked: str) -> re.Pattern[str]:
    """The notation of the log parsing benchmarks as a regular expression."""
    made = ""
    parts = re.split(r"(<\w+>)", asked)
    seen: set[str] = set()
    for at, part in enumerate(parts):
        if not part.startswith("<"):
            made += re.sub(r" +", r"\\s+", part)
            continue
        name = part[1:-1].lower()
        name = "message" if name == "content" else name
        if name in seen:
            raise DataError(Fault("collect.logs.format", f"<{part[1:-1]}> stands in it twice."))
        seen.add(name)
        last = at == len(parts) - 2 and not parts[-1]
        made += f"(?P<{name}>.*)" if last else f"(?P<{name}>.*?)"
    try:
        return re.compile(made, re.DOTALL)
    except re.error as error:
        raise DataError(Fault("collect.logs.format", f"{asked!r} cannot be read: {error}.")) from None


def readings(time: pl.Series, header: Header, year: int) -> list[pl.Series]:
    """A piece of the column ``time`` as moments, once by each notation of the header; null for what is none."""
    text = time.str.strip_chars().str.replace_all(r" +", " ")
    if header.yearless:
        text = pl.select(pl.concat_str(pl.lit(f"{year} "), text)).to_series()
    return [_iso(text) if notation == "iso" else _read(text, notation) for notation in header.times]


def moments(pieces: Sequence[Sequence[pl.Series]], header: Header) -> pl.Series | None:
    """The column ``time`` by the notation that reads the most, of all ``readings``; None where that is less than nine
    in ten, for then it stays text.
    """
    columns = [_joined([piece[at] for piece in pieces]) for at in range(len(header.times))]
    best = min(columns, key=lambda s: s.null_count(), default=None)
    if best is None or best.null_count() > 0.1 * len(best):
        return None
    return _later(best) if header.yearless else best.alias("time")


def _joined(pieces: list[pl.Series]) -> pl.Series:
    """Pieces under each other; where some have a zone, moments without one are none."""
    kind = next((p.dtype for p in pieces if p.dtype.time_zone), pieces[0].dtype)  # type: ignore[attr-defined]
    return pl.concat([p if p.dtype == kind else pl.repeat(None, len(p), dtype=kind, eager=True) for p in pieces])


def _read(text: pl.Series, notation: str) -> pl.Series:
    zone = "%z" in notation
    kind = pl.Datetime("us", "UTC") if zone else pl.Datetime("us")
    return text.str.strptime(kind, notation, strict=False).alias("time")


def _iso(text: pl.Series) -> pl.Series:
    plain = text.str.replace_all(r"[T/]", " ", literal=False).str.replace(",", ".", literal=True)
    plain = plain.str.replace_all(r"^(\d{4})[- ](\d\d)[- ](\d\d) ", "${1}-${2}-${3} ")
    zoned = plain.str.contains(r"(Z|[+-]\d\d:?\d\d)$")
    if zoned.any():
        full = plain.str.replace(r" ?Z$", "+0000").str.replace(r" ?([+-]\d\d):?(\d\d)$", "${1}${2}")
        return full.str.strptime(pl.Datetime("us", "UTC"), "%Y-%m-%d %H:%M:%S%.f%z", strict=False).alias("time")
    return plain.str.strptime(pl.Datetime("us"), "%Y-%m-%d %H:%M:%S%.f", strict=False).alias("time")


def _later(times: pl.Series) -> pl.Series:
    """Moments without a year: a step back of more than 300 days is New Year."""
    back = (times.diff().dt.total_days() < -300).fill_null(value=False)
    turns = back.cast(pl.Int32).cum_sum()
    if not turns.max():
        return times.alias("time")
    frame = pl.DataFrame({"t": times, "n": turns})
    return frame.select(pl.col("t").dt.offset_by(pl.concat_str(pl.col("n"), pl.lit("y")))).to_series().alias("time")
