"""Checking: every fault of a Spec, its words, its contradictions and its columns, before anything runs."""

from typing import Any

from thirtyfold.core.errors import Fault, SpecError, ThirtyfoldError
from thirtyfold.core.expression import Expression
from thirtyfold.core.family import Family, nearest, split_choice
from thirtyfold.core.spec import Spec
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import columns_of
from thirtyfold.plan import filled

__all__ = ["RULES", "faults_of", "told_of"]

RULES = (
    *("boilerplate", "duplicate", "figures", "form", "label", "language", "left out", "missing", "notation", "outlier"),
    *("phone", "repair", "spelling", "swapped", "target missing", "text", "unit", "unreadable"),
)
"""How the rules of the ledger begin: what ``clean.undo`` and ``clean.accept`` can be about."""


def faults_of(spec: Spec, given: list[str] | None = None) -> list[Fault]:
    """Every fault of a Spec: its words and options, what contradicts, and its columns against the data's head.

    ``given`` are the columns of data that takes the place of ``collect``.
    """
    faults: list[Fault] = []
    try:
        filled(spec, changed_only=True)
    except ThirtyfoldError as error:
        faults += error.faults
    if given is not None:
        return [*faults, *_columns(spec, given)]
    if any(f.where.startswith("collect") for f in faults):
        return faults
    try:
        columns = columns_of(source_of(spec.collect))
    except ThirtyfoldError as error:
        return [*faults, *error.faults]
    return [*faults, *_columns(spec, columns)]


def told_of(spec: Spec) -> str:
    """What the model of a faultless Spec says of itself before anything runs; most know nothing without the data."""
    word, _ = split_choice(spec.model, "model")
    models: Family[Any] = Family("learn.models")
    if word == "auto" or not hasattr(models.find(word, "model"), "told"):
        return ""
    return str(models.build(spec.model, "model").told())


def _asked_of_labels(spec: Spec) -> list[tuple[str, str]]:
    """The target, unless the labeler makes it, and the columns that the labeler reads; raises SpecError."""
    if split_choice(spec.label, "label")[0] == "given":
        return [("target", spec.target)]
    from thirtyfold.data.answers import asked_of  # here, because it imports NumPy and Polars

    return asked_of(spec.label, spec.target)


def _rules(spec: Spec) -> list[Fault]:
    """Decisions on rules that no cleaner has; how a rule begins is enough to name it."""
    faults = []
    for key in ("undo", "accept"):
        for at, said in enumerate(getattr(spec.clean, key)):
            rule = str(said.get("rule", "") if isinstance(said, dict) else said)
            if not any(head.startswith(rule) or rule.startswith(head) for head in RULES):
                where = f"clean.{key}.{at}" + (".rule" if isinstance(said, dict) else "")
                faults.append(Fault(where, f"there is no rule '{rule}'.", ", ".join(RULES), nearest(rule, RULES)))
    return faults


def _columns(spec: Spec, columns: list[str]) -> list[Fault]:
    roles = spec.roles
    faults: list[Fault] = []
    used: list[tuple[str, str]] = []
    try:
        used += _asked_of_labels(spec)
    except ThirtyfoldError as error:
        faults += error.faults
    used += [(f"fields.{name}", name) for name in spec.fields]
    used += [("roles.id", name) for name in roles.id] + [("roles.ignore", name) for name in roles.ignore]
    used += [(f"roles.{r}", n) for r in ("group", "time", "weight", "part") if (n := getattr(roles, r)) is not None]
    used += [("clean.keep", name) for name in spec.clean.keep]
    used += [(f"clean.same.{name}", name) for name in spec.clean.same]
    faults += _rules(spec)
    used += [
        (f"clean.{key}.{at}.column", str(said["column"]))
        for key, decisions in (("undo", spec.clean.undo), ("accept", spec.clean.accept))
        for at, said in enumerate(decisions)
        if isinstance(said, dict) and said.get("column")
    ]
    for name, text in spec.features.items():
        try:
            names = Expression(text).names
        except SpecError:
            continue  # said already, with the reason
        if not names:
            faults.append(Fault(f"features.{name}", f"'{text}' uses no column."))
        used += [(f"features.{name}", column) for column in names if column not in spec.features]
    for at, choice in enumerate(spec.safety):
        word, options = split_choice(choice, "safety")
        by = options.get("by") if isinstance(options, dict) else None
        used += [(f"safety.{at}.{word}.by", n) for n in ([by] if isinstance(by, str) else by or [])]
    word, options = split_choice(spec.task, "task")
    told = options if isinstance(options, dict) else {}
    used += [(f"task.{word}.known.{at}", str(n)) for at, n in enumerate(told.get("known") or [])]
    used += [(f"task.{word}.hour", str(told["hour"]))] if told.get("hour") else []
    shown = ", ".join(columns[:40]) + (" ..." if len(columns) > 40 else "")
    return faults + [
        Fault(where, f"the data has no column '{name}'.", shown, nearest(name, columns))
        for where, name in used
        if name not in columns
    ]
