"""``new`` and ``check``: write a Spec, and find every fault of one before anything runs."""

import argparse
import re
from pathlib import Path
from typing import Any

import yaml

from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.spec import Spec

__all__ = ["check", "new", "overrides", "spec_of_data"]


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
    return Spec.of({"name": name[:64], "target": target, "collect": _collect(data, override)}, **override)


def _collect(data: str, override: dict[str, Any]) -> Any:
    """The source of a path, with the options that ``--set collect.table=...`` gives; those leave ``override``."""
    asked = {path: path.split(".")[1:] for path in override if path.startswith("collect.")}
    if not asked:
        return data
    from thirtyfold.data.naming import choice_of

    choice = choice_of(data)
    if not isinstance(choice, dict):
        return data
    word, options = next(iter(choice.items()))
    for path, keys in asked.items():
        inner = keys[1:] if keys[0] == word else keys
        if len(inner) != 1:
            raise SpecError(
                Fault(f"--set {path}", f"is not an option of the source '{word}'.", f"collect.{word}.OPTION")
            )
        options = {**options, inner[0]: override.pop(path)}
    return {word: options}


def check(told: argparse.Namespace) -> int:
    """Print every fault, or that there is none."""
    from thirtyfold.checking import faults_of, told_of

    said = ""
    try:
        spec = Spec.read(told.spec, **overrides(told.set))
        faults = faults_of(spec)
        said = "" if faults else told_of(spec)
    except SpecError as error:
        faults = [*error.faults, *(faults_of(error.sound) if error.sound else [])]
    if faults:
        raise SpecError(faults)
    if said:
        print(said)
    print(f"{told.spec}: no fault found. Next: thirtyfold run {told.spec}")
    return 0


def new(told: argparse.Namespace) -> int:
    """Write a Spec with every choice visible, after a look at the data."""
    out = Path(told.out)
    from thirtyfold.cli.commented import commented
    from thirtyfold.data.naming import source_of
    from thirtyfold.plan import filled

    frame = source_of(told.data).peek(1000)
    if told.target not in frame.columns:
        hint = nearest(told.target, frame.columns)
        raise DataError(Fault("--target", f"the data has no column '{told.target}'.", ", ".join(frame.columns), hint))
    if out.exists():
        raise SpecError(Fault(str(out), "is there already.", hint="Choose another name with --out."))
    spec = filled(spec_of_data(told.data, told.target))
    head = [
        f"# {told.data}: {len(frame.columns)} columns: {', '.join(frame.columns)}",
        "# Every choice is shown with its default; whatever you delete keeps it. 'auto' is decided from the data.",
    ]
    out.write_text("\n".join([*head, commented(spec.to_yaml())]), encoding="utf-8")
    print(f"Wrote {out}. Next: thirtyfold check {out}, then thirtyfold run {out}")
    return 0
