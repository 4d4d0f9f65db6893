"""Weak: rules that say a class of some rows, and the model that makes probabilities of what several of them say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from thirtyfold.core.door import read_column
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.expression import FUNCTIONS, Expression
from thirtyfold.core.family import Family, nearest
from thirtyfold.core.fieldtype import Array, Sample
from thirtyfold.core.table import Column, Table, to_array

__all__ = ["Combined", "Said", "answers_of", "columns_of", "combine", "name_of", "sound"]

KINDS = ("keyword", "regex", "where", "function", "package")
CALENDAR = ("year", "month", "day", "weekday", "hour", "minute", "yearday")


class _Rule(TypedDict, total=False):
    """One rule: a label, and exactly one of keyword, regex, where, function and package."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    name: str
    label: str
    column: str
    keyword: str | list[str]
    regex: str
    where: str
    function: str
    package: str
    above: Annotated[float, Field(gt=0, lt=1)]


def _sound(rule: _Rule) -> None:
    """Raises ValueError with what is wrong."""
    kinds = [k for k in KINDS if k in rule]
    if len(kinds) != 1:
        raise ValueError(f"a rule has exactly one of {', '.join(KINDS)}")
    kind = kinds[0]
    if kind in ("keyword", "regex", "where") and "label" not in rule:
        raise ValueError(f"a rule by {kind} needs the 'label' that it gives")
    if kind in ("keyword", "regex") and "column" not in rule:
        raise ValueError(f"a rule by {kind} needs the 'column' in which it looks")
    if "above" in rule and kind != "package":
        raise ValueError("'above' is the least confidence of a package")
    if kind == "regex":
        try:
            re.compile(rule["regex"])
        except re.error as error:
            raise ValueError(f"'{rule['regex']}' is no regular expression: {error}") from None
    if kind == "where":
        try:
            names = Expression(rule["where"]).names
        except SpecError as error:
            raise ValueError(error.faults[0].what) from None
        if not names:
            raise ValueError(
                f"'{rule['where']}' looks at no column; one named like a function is written col(\"name\")"
            )


def sound(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rules as they are, each with a label and exactly one of keyword, regex, where, function and package.

    Raises ValueError that says of every wrong one what is wrong; it becomes a fault of the Spec.
    """
    wrong = []
    for at, rule in enumerate(rules):
        try:
            _sound(TypeAdapter(_Rule).validate_python(rule))
        except ValidationError as error:
            said = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            wrong.append(f"rule {at}: {'; '.join(said)}")
        except ValueError as error:
            wrong.append(f"rule {at}: {error}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return rules


class Said(NamedTuple):
    """What the rules say: codes (rows, rules) of ``classes``, -1 where a rule says nothing."""

    codes: Array
    classes: list[str]
    names: list[str]


class Combined(NamedTuple):
    """Probabilities (rows, classes) and how often each rule is right when it speaks."""

    chances: Array
    accuracy: Array


def name_of(rule: Any) -> str:
    """What a rule is called: its own name, or what it looks for."""
    if "name" in rule:
        return str(rule["name"])
    kind = next(k for k in KINDS if k in rule)
    value = rule[kind]
    said = ", ".join(value) if isinstance(value, list) else str(value)
    said = said if len(said) <= 40 else said[:37] + "..."
    return f"{kind} {said}" + (f": {rule['label']}" if "label" in rule else "")


def columns_of(rules: list[Any]) -> list[tuple[str, str]]:
    """Where in the Spec a rule names a column, and which."""
    out = []
    for at, rule in enumerate(rules):
        out += [(f"label.rules.{at}.column", str(rule["column"]))] if "column" in rule else []
        out += [(f"label.rules.{at}.where", n) for n in Expression(rule["where"]).names] if "where" in rule else []
    return out


def answers_of(rules: list[Any], table: Table, classes: list[str] | None = None) -> Said:
    """Ask every rule of every row of a collected table; raises SpecError or DataError that names the rule.

    ``classes`` are those that labels may have; by default all that the rules give.
    """
    said: list[list[str | None]] = []
    for at, rule in enumerate(rules):
        kind = next(k for k in KINDS if k in rule)
        said.append(_BY[kind](rule, table, f"label.rules.{at}"))
    known = classes or sorted({v for answers in said for v in answers if v is not None})
    place: dict[str | None, int] = {c: i for i, c in enumerate(known)}
    codes = np.array([[place.get(v, -1) for v in answers] for answers in said], dtype=np.int64).T
    return Said(codes.reshape(len(table), len(rules)), known, [name_of(r) for r in rules])


def _column(rule: Any, table: Table, where: str) -> pl.Series:
    if rule["column"] not in table.columns:
        known = list(table.columns)
        hint = nearest(rule["column"], known)
        raise DataError(Fault(f"{where}.column", f"there is no column '{rule['column']}'.", ", ".join(known), hint))
    return table[rule["column"]].cast(pl.String)


def _hits(rule: Any, hit: Any) -> list[str | None]:
    return [rule["label"] if h else None for h in hit]


def _keyword(rule: Any, table: Table, where: str) -> list[str | None]:
    """Whole words or phrases, whatever their case."""
    words = [rule["keyword"]] if isinstance(rule["keyword"], str) else rule["keyword"]
    pattern = "|".join(re.escape(w) for w in words)
    found = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)
    return _hits(rule, (v is not None and found.search(v) for v in _column(rule, table, where).to_list()))


def _regex(rule: Any, table: Table, where: str) -> list[str | None]:
    found = re.compile(rule["regex"])
    return _hits(rule, (v is not None and found.search(v) for v in _column(rule, table, where).to_list()))


def _where(rule: Any, table: Table, where: str) -> list[str | None]:
    """A formula that is neither 0 nor missing."""
    expression = Expression(rule["where"])
    known = list(table.columns)
    faults = [
        Fault(f"{where}.where", f"there is no column '{n}'.", ", ".join(known), nearest(n, known))
        for n in expression.names
        if n not in known
    ]
    if faults:
        raise DataError(faults)
    moments = any(re.search(rf"\b{f}\s*\(", rule["where"]) for f in CALENDAR if f in FUNCTIONS)
    columns = {n: _array(table[n], moments=moments) for n in expression.names}
    try:
        value = expression.evaluate(columns)
    except TypeError:
        texts = ", ".join(n for n in columns if columns[n].dtype == object)
        hint = "Compare text with ==, or use length()."
        raise DataError(Fault(f"{where}.where", f"computes with text: {texts}.", hint=hint)) from None
    return _hits(rule, np.nan_to_num(value) != 0)


def _array(raw: pl.Series, *, moments: bool) -> Array:
    """A raw column as a formula sees it: numbers where nearly all are, moments where they are asked for, else text."""
    if raw.dtype != pl.String:
        return to_array(raw)
    number = raw.str.strip_chars().cast(pl.Float64, strict=False)
    if number.len() - number.null_count() >= 0.9 * max(1, raw.len() - raw.null_count()):
        return to_array(number)
    if moments:
        kind: Any = Family("data.types").find("moment")
        known = raw.drop_nulls().unique(maintain_order=True).head(2000)
        sample = Sample(raw.name, known, (1,) * len(known), len(raw), len(known))
        if kind.recognize(sample) > 0:
            return to_array(read_column(Column(raw.name, "moment", options=dict(kind.infer(sample))), raw)[0])
    return to_array(raw.str.strip_chars())


def _function(rule: Any, table: Table, where: str) -> list[str | None]:
    """The user's own function of a row (a dict): the label, True for the rule's ``label``, or None."""
    if ".py:" not in rule["function"]:
        raise SpecError(Fault(f"{where}.function", f"'{rule['function']}' is not 'file.py:name'."))
    call: Callable[[dict[str, Any]], Any] = Family[Any]("data.labelers").find(rule["function"], f"{where}.function")
    out: list[str | None] = []
    for at, row in enumerate(table.frame.select(list(table.columns)).iter_rows(named=True)):
        try:
            said = call(row)
        except Exception as error:  # whatever the user's own function raises is told with its row
            what = f"raised {type(error).__name__}: {error} on row {at}."
            raise DataError(Fault(f"{where}.function", what)) from error
        if said is True and "label" not in rule:
            raise SpecError(Fault(where, "the function says True, but the rule has no 'label'."))
        out.append(rule["label"] if said is True else None if said is None or said is False else str(said))
    return out


def _package(rule: Any, table: Table, where: str) -> list[str | None]:
    """A saved model: its answer where it is sure enough and the row can be read."""
    package = _opened(rule["package"], f"{where}.package")
    read, faults = package.door.table(table.frame)
    answers = package.predict(read)
    if "confidence" not in answers.columns:
        raise SpecError(Fault(f"{where}.package", "does not give classes.", hint="Name one that classifies."))
    wrong = {int(f.where.split(".", 2)[1]) for f in faults}
    above = float(rule.get("above", 0.5))
    pairs = zip(answers["prediction"].to_list(), answers["confidence"].to_list(), strict=True)
    return [str(p) if c >= above and i not in wrong else None for i, (p, c) in enumerate(pairs)]


def _opened(name: str, where: str) -> Any:
    from thirtyfold.core.home import Home
    from thirtyfold.core.package import Package
    from thirtyfold.core.registry import Registry

    folder = Path(name)
    for place in (folder, folder / "package"):
        if (place / "manifest.json").is_file():
            return Package.open(place)
    model, at, which = name.partition("@")
    champion = Registry(Home.beside().root, model).champion() if at and which == "champion" else None
    if champion is None:
        raise SpecError(Fault(where, f"'{name}' is no Package.", hint="Give its folder, or name@champion."))
    return champion.open()


_BY: dict[str, Callable[[Any, Table, str], list[str | None]]] = {
    "keyword": _keyword,
    "regex": _regex,
    "where": _where,
    "function": _function,
    "package": _package,
}


def combine(said: Said, known: Array | None = None, rounds: int = 200) -> Combined:
    """Probabilities of the classes of each row, and each rule's accuracy, by expectation maximization.

    The label model of data programming (Ratner and others, "Data Programming: Creating Large Training Sets, Quickly",
    2016), fitted as Dawid and Skene (1979) fit annotators: given the class, rules are independent, and each says a
    class or nothing with its own probabilities. That a rule is silent tells something, which also settles how frequent
    the classes are. A rule is never worse than chance at the class it names. Begun with votes weighed by how seldom a
    rule speaks; with fewer than three rules nothing can be estimated, and that is also the end. ``known`` are true
    codes where there are any, else -1: they count as certain.
    """
    codes, many = said.codes, len(said.classes)
    spoken = codes >= 0
    seldom = -np.log(np.clip(spoken.mean(axis=0), 1e-3, 0.95))
    chances = _softmax(np.stack([((codes == k) * seldom).sum(axis=1) for k in range(many)], axis=1))
    chances = _held(chances, known)
    for _ in range(rounds if codes.shape[1] > 2 else 0):
        log = np.tile(np.log(np.maximum(chances.mean(axis=0), 1e-9)), (len(codes), 1))
        for j in range(codes.shape[1]):
            log += np.log(_habits(codes[:, j], chances))[:, codes[:, j] + 1].T
        after = _held(_softmax(log), known)
        moved, chances = np.abs(after - chances).max(initial=0.0), after
        if moved < 1e-6:
            break
    right = np.where(spoken, np.take_along_axis(chances, np.maximum(codes, 0), axis=1), 0.0).sum(axis=0)
    return Combined(chances, right / np.maximum(spoken.sum(axis=0), 1))


def _habits(codes: Array, chances: Array) -> Array:
    """How often a rule is silent or says each class, for each true class: (classes, 1 + classes).

    Smoothed by five rows of its usual habit; where it says a class less often when it is true than when it is not, what
    it says is taken to tell nothing.
    """
    many = chances.shape[1]
    usual = np.bincount(codes + 1, minlength=many + 1) / len(codes)
    out = np.stack([np.bincount(codes + 1, chances[:, k], many + 1) for k in range(many)]) + 5 * usual + 1e-9
    out /= out.sum(axis=1, keepdims=True)
    for v in range(many):
        others = np.delete(out[:, v + 1], v).max(initial=0.0)
        if out[v, v + 1] < others:
            out[:, v + 1] = (out[v, v + 1] + others) / 2
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def _softmax(log: Array) -> Array:
    odds = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _held(chances: Array, known: Array | None) -> Array:
    if known is None:
        return chances
    sure = known[:, None] == np.arange(chances.shape[1])
    return np.where(known[:, None] >= 0, sure, chances).astype(np.float64)
