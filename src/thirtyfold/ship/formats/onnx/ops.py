"""Every transform of ``core.transform`` as ONNX nodes with exactly the meaning that it has in NumPy."""

import re

import numpy as np

from thirtyfold.core import transform as t
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.ship.formats.onnx.graph import Graph, Value

__all__ = ["LONGEST", "add", "calendar", "is_missing", "length", "log1p"]

LONGEST = 2047
"""Characters up to which ``length`` is exact: ONNX has no such operator, and patterns that count further do not fit
into the memory that its regular expressions may use."""

_DAY = 86400.0


def add(g: Graph, op: t.Transform, x: Value) -> Value:
    """One transform of ``x``; raises SpecError where the kinds do not fit."""
    text = isinstance(op, t.Lookup | t.OneHot | t.Words | t.Length)
    if not isinstance(op, t.IsMissing) and text != (x.kind == "text"):
        raise SpecError(Fault("features", f"'{op.op}' cannot be made of a {x.kind} in ONNX."))
    return Value(_nodes(g, op, x), "number")


def _nodes(g: Graph, op: t.Transform, x: Value) -> str:  # noqa: PLR0911 - one answer an op
    c, name = g.constant, x.name
    match op:
        case t.Fill():
            return g.op("Where", g.op("IsNaN", name), c(op.value), name)
        case t.IsMissing():
            return is_missing(g, x)
        case t.Clip():
            above = g.op("Where", g.op("Less", name, c(op.low)), c(op.low), name)
            return g.op("Where", g.op("Greater", above, c(op.high)), c(op.high), above)
        case t.Log():
            return g.op("Mul", g.op("Sign", name), log1p(g, g.op("Abs", name)))
        case t.Scale():
            return g.op("Div", g.op("Sub", name, c(op.center)), c(op.scale))
        case t.Cycle():
            turn = g.op("Mul", name, c(2 * np.pi / op.period))
            both = g.op("Concat", g.op("Sin", turn), g.op("Cos", turn), axis=1)
            return g.op("Div", g.op("Round", g.op("Mul", both, c(1e6))), c(1e6))
        case t.Calendar():
            return calendar(g, op.part, name)
        case t.Lookup():
            return _lookup(g, op, name)
        case t.OneHot():
            last = len(op.categories)
            index = g.index(name, list(op.categories), last)
            return g.number(g.op("Equal", index, c([range(last + op.other)], np.int64)))
        case t.Words():
            return _words(g, op, name)
        case t.Length():
            return length(g, name)
        case t.Pixels() | t.LogMel() | t.Wave() | t.Tokens():
            raise SpecError(Fault("features", f"'{op.op}' opens files or cuts text, which no graph can."))


def is_missing(g: Graph, x: Value) -> str:
    """1.0 where a number is NaN or a text is "", else 0.0."""
    return g.same(x.name, "") if x.kind == "text" else g.number(g.op("IsNaN", x.name))


def _lookup(g: Graph, op: t.Lookup, name: str) -> str:
    keys = [k for k in op.table if k]
    ends = [np.nan if v is None else v for v in (op.missing, op.unknown)]
    index = g.index(name, [*keys, ""], len(keys) + 1)
    return g.op("Gather", g.constant([*(op.table[k] for k in keys), *ends]), index)


def _words(g: Graph, op: t.Words, name: str) -> str:
    """A pattern a word. Case is written out, since (?i) would let the Kelvin sign pass for a K."""
    if not op.words:
        return g.op("Expand", g.constant(np.zeros((1, 0))), g.op("Shape", name))
    place = {w: i for i, w in enumerate(op.words)}
    found, weights = [], []
    for i, word in enumerate(op.words):
        known = place[word] == i and re.fullmatch("[0-9a-z_]+", word) is not None
        letters = "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) if known else "_"
        edge = "[^0-9A-Za-z_]"
        pattern = rf"(?s)(?:.*{edge})?{letters}(?:{edge}.*)?"
        found.append(g.op("RegexFullMatch", name, pattern=pattern))
        weights.append(op.weights[i] if known else 0.0)
    whole = g.op("Concat", *found, axis=1) if len(found) > 1 else found[0]
    return g.op("Mul", g.number(whole), g.constant([weights]))


def length(g: Graph, name: str) -> str:
    """Characters, bit by bit: bit b is set where the length modulo 2**(b+1) is at least 2**b; exact to LONGEST."""
    bits = []
    for b in range(10):
        low = 2**b
        pattern = f"(?s)(?:{_any(2 * low)})*{_any(low)}.{{0,{low - 1}}}"
        bits.append(g.op("RegexFullMatch", name, pattern=pattern))
    bits.append(g.op("RegexFullMatch", name, pattern=f"(?s){_any(1024)}.*"))
    weighted = g.op("Mul", g.number(g.op("Concat", *bits, axis=1)), g.constant([[2.0**b for b in range(11)]]))
    return g.op("ReduceSum", weighted, g.constant([1], np.int64), keepdims=1)


def _any(count: int) -> str:
    """A pattern of exactly ``count`` characters; a repetition may be at most 1000."""
    return ".{512}" * (count // 512) + (f".{{{count % 512}}}" if count % 512 else "")


def log1p(g: Graph, x: str) -> str:
    """log(1 + x) without loss near zero: x * log(u) / (u - 1) with u = 1 + x (Higham 2002, section 1.14.1)."""
    one = g.constant(1.0)
    u = g.op("Add", one, x)
    log = g.op("Log", u)
    exact = g.op("Div", g.op("Mul", x, log), g.op("Sub", u, one))
    whole = g.op("Where", g.op("IsInf", u), log, exact)
    return g.op("Where", g.op("Equal", u, one), x, whole)


def calendar(g: Graph, part: str, x: str) -> str:
    """Parts of a moment from seconds since 1970, in float64 arithmetic that is exact and keeps NaN."""
    stamp = g.op("Floor", x)
    days = _quotient(g, stamp, _DAY)
    match part:
        case "hour":
            return _remainder(g, _quotient(g, stamp, 3600.0), 24.0)
        case "minute":
            return _remainder(g, _quotient(g, stamp, 60.0), 60.0)
        case "weekday":
            return _remainder(g, g.op("Add", days, g.constant(3.0)), 7.0)
    year, month, day = _civil(g, days)
    if part == "yearday":
        one = g.constant(1.0)
        start = _days_before(g, g.op("Sub", year, one))
        return g.op("Add", g.op("Sub", days, start), one)
    return {"year": year, "month": month, "day": day}[part]


def _quotient(g: Graph, x: str, by: float) -> str:
    return g.op("Floor", g.op("Div", x, g.constant(by)))


def _remainder(g: Graph, x: str, by: float) -> str:
    return g.op("Sub", x, g.op("Mul", _quotient(g, x, by), g.constant(by)))


def _sum(g: Graph, *terms: tuple[float, str]) -> str:
    """A weighted sum."""
    done = [g.op("Mul", g.constant(w), x) if w != 1 else x for w, x in terms]
    total = done[0]
    for term in done[1:]:
        total = g.op("Add", total, term)
    return total


def _civil(g: Graph, days: str) -> tuple[str, str, str]:
    """Days since 1970 to year, month, day (H. Hinnant, chrono-compatible low-level date algorithms)."""
    c = g.constant
    z = g.op("Add", days, c(719468.0))
    era = _quotient(g, z, 146097.0)
    doe = _sum(g, (1, z), (-146097, era))
    inner = _sum(
        g, (1, doe), (-1, _quotient(g, doe, 1460.0)), (1, _quotient(g, doe, 36524.0)), (-1, _quotient(g, doe, 146096.0))
    )
    yoe = _quotient(g, inner, 365.0)
    doy = _sum(g, (1, doe), (-365, yoe), (-1, _quotient(g, yoe, 4.0)), (1, _quotient(g, yoe, 100.0)))
    mp = _quotient(g, g.op("Add", g.op("Mul", c(5.0), doy), c(2.0)), 153.0)
    before = _quotient(g, g.op("Add", g.op("Mul", c(153.0), mp), c(2.0)), 5.0)
    day = g.op("Add", g.op("Sub", doy, before), c(1.0))
    late = g.op("Less", mp, c(10.0))
    month = g.op("Add", mp, g.op("Where", late, c(3.0), c(-9.0)))
    year = _sum(g, (1, yoe), (400, era), (1, g.op("Where", g.op("LessOrEqual", month, c(2.0)), c(1.0), c(0.0))))
    return year, month, day


def _days_before(g: Graph, years: str) -> str:
    """Days from 1970 to the end of a year of the Gregorian calendar."""
    leap = [(1, _quotient(g, years, 4.0)), (-1, _quotient(g, years, 100.0)), (1, _quotient(g, years, 400.0))]
    return g.op("Add", _sum(g, (365, years), *leap), g.constant(-719162.0))
