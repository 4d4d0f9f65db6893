"""``new`` and ``check``: write a Spec, and find every fault of one before anything runs."""

import argparse
import re
from pathlib import Path
from typing import Any

import yaml

from thirtyfold.core.errors import DataError, Fault, SpecError, ThirtyfoldError
from thirtyfold.core.family import nearest
from thirtyfold.core.spec import Spec

__all__ = ["check", "faults_of", "new", "overrides", "spec_of_data"]


def overrides(pairs: list[str]) -> dict[str, Any]:
    """``--set a.b=value`` as a dotted path with a YAML value."""
    out = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise SpecError(Fault("--set", f"'{pair}' is not section.option=value."))
        try:
            out[path] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise SpecError(Fault(f"--set {path}", f"'{text}' is not a YAML value.")) from None
    return out


def spec_of_data(data: str, target: str | None, **override: Any) -> Spec:
    """The Spec of ``thirtyfold run DATA --target C``."""
    if target is None:
        raise SpecError(Fault("--target", "which column is to be predicted? Give --target COLUMN, or a Spec (.yaml)."))
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).stem).strip("-._") or "model"
    return Spec.of({"name": name[:64], "target": target, "collect": data}, **override)


def faults_of(spec: Spec) -> list[Fault]:
    """Every fault of a Spec: its words and options, what contradicts, and its columns against the data's head."""
    from thirtyfold.plan import filled

    faults: list[Fault] = []
    try:
        filled(spec)
    except ThirtyfoldError as error:
        faults += error.faults
    if any(f.where.startswith("collect") for f in faults):
        return faults
    from thirtyfold.data.collect import source_of

    try:
        columns = source_of(spec.collect).peek(100).columns
    except ThirtyfoldError as error:
        return [*faults, *error.faults]
    return [*faults, *_columns(spec, columns)]


def _columns(spec: Spec, columns: list[str]) -> list[Fault]:
    from thirtyfold.core.expression import Expression

    roles = spec.roles
    used: list[tuple[str, str]] = [("target", spec.target)]
    used += [(f"fields.{name}", name) for name in spec.fields]
    used += [("roles.id", name) for name in roles.id] + [("roles.ignore", name) for name in roles.ignore]
    used += [(f"roles.{r}", n) for r in ("group", "time", "weight", "part") if (n := getattr(roles, r)) is not None]
    used += [("clean.keep", name) for name in spec.clean.keep]
    used += [(f"clean.same.{name}", name) for name in spec.clean.same]
    for name, text in spec.features.items():
        try:
            used += [(f"features.{name}", column) for column in Expression(text).names if column not in spec.features]
        except SpecError:
            continue  # said already, with the reason
    shown = ", ".join(columns[:40]) + (" ..." if len(columns) > 40 else "")
    return [
        Fault(where, f"the data has no column '{name}'.", shown, nearest(name, columns))
        for where, name in used
        if name not in columns
    ]


def check(told: argparse.Namespace) -> int:
    """Print every fault, or that there is none."""
    spec = Spec.read(told.spec, **overrides(told.set))
    faults = faults_of(spec)
    if faults:
        raise SpecError(faults)
    print(f"{told.spec}: no fault found. Next: thirtyfold run {told.spec}")
    return 0


def new(told: argparse.Namespace) -> int:
    """Write a Spec with every choice visible, after a look at the data."""
    out = Path(told.out)
    if out.exists():
        raise SpecError(Fault(str(out), "is there already.", hint="Choose another name with --out."))
    from thirtyfold.data.collect import source_of
    from thirtyfold.plan import filled

    frame = source_of(told.data).peek(1000)
    if told.target not in frame.columns:
        hint = nearest(told.target, frame.columns)
        raise DataError(Fault("--target", f"the data has no column '{told.target}'.", ", ".join(frame.columns), hint))
    spec = filled(spec_of_data(told.data, told.target))
    head = [
        f"# {told.data}: {len(frame.columns)} columns: {', '.join(frame.columns)}",
        "# Every choice is shown with its default; whatever you delete keeps it. 'auto' is decided from the data.",
    ]
    out.write_text("\n".join([*head, spec.to_yaml()]), encoding="utf-8")
    print(f"Wrote {out}. Next: thirtyfold check {out}, then thirtyfold run {out}")
    return 0
