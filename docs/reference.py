"""Make the reference pages from the code: the Spec, every family with its members and options, the thirty steps."""

import inspect
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from thirtyfold.cli.commented import attribute_docs
from thirtyfold.core.errors import MissingExtra
from thirtyfold.core.evidence import NAMES
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.spec import Spec
from thirtyfold.plan import FAMILIES, LIFECYCLE, step_stages

OUT = Path(__file__).parent / "reference"

OTHERS = {
    "fields": "data.types",
    "task": "aim.tasks",
    "metric": "aim.metrics",
    "(clean)": "data.cleaners",
    "(layers of models)": "learn.layers",
    "(losses of models)": "learn.losses",
    "(optimizers of models)": "learn.optimizers",
    "(initializers of models)": "learn.initializers",
    "(schedules of models)": "learn.schedules",
    "(regularizers of models)": "learn.regularizers",
    "(frameworks)": "learn.frameworks",
    "(what of a pretrained model learns)": "learn.adaptations",
    "(formats of export)": "ship.formats",
}


def spec_page() -> str:
    """Every section of the Spec with its keys, types, defaults and what they mean."""
    lines = ["# The Spec", "", "Made from the code. Every key but `target` and `collect` has a default.", ""]
    sections: list[tuple[str, type[BaseModel]]] = [("", Spec)]
    while sections:
        path, section = sections.pop(0)
        lines += [f"## `{path or 'top level'}`", "", (inspect.getdoc(section) or "").split("\n\n")[0], ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        docs = attribute_docs(section)
        for name, field in section.model_fields.items():
            inner = next((a for a in [field.annotation, *get_args(field.annotation)] if _is_section(a)), None)
            if inner is not None:
                sections.append((f"{path}.{name}".strip("."), inner))
                lines.append(f"| `{name}` | section, see below | | {(inspect.getdoc(inner) or '').split(chr(10))[0]} |")
                continue
            default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
            kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            lines.append(f"| `{name}` | {_type(kind)} | {_cell(default)} | {docs.get(name, '')} |")
        lines.append("")
    return "\n".join(lines)


def family_page() -> str:
    """Every family with its members, what each is for, and its options."""
    lines = ["# Families", "", "Made from the code. A member is one file; its word is what the Spec says.", ""]
    for key, path in {**FAMILIES, **OTHERS}.items():
        lines += [
            f"## {path.split('.')[1]} {'' if key.startswith('(') else f'(`{key}`)'}",
            "",
            f"`thirtyfold/{path.replace('.', '/')}`",
            "",
        ]
        family: Family[Any] = Family(path)
        for word, member in family.members().items():
            lines += [f"### `{word}`", "", member.doc, ""]
            try:
                factory = family.find(word)
            except MissingExtra as error:
                lines += [str(error), ""]
                continue
            lines += _options(factory)
    return "\n".join(lines)


def steps_page() -> str:
    """The thirty steps with the stage of each and what that stage says of itself."""
    owners = step_stages()
    lines = ["# The thirty steps", "", "Made from the code.", "", "| step | | stages |", "|---|---|---|"]
    lines += [f"| {n} | {name} | {', '.join(f'`{s}`' for s in owners[n])} |" for n, name in NAMES.items()]
    lines += ["", "## Stages, in the order in which they run", ""]
    from importlib import import_module

    for path in LIFECYCLE:
        module, name = path.split(":")
        stage = getattr(import_module(f"thirtyfold.{module}"), name)
        hints = get_type_hints(stage.run)
        given = get_type_hints(hints.pop("return"))
        needs = ", ".join(f"`{n}`" for n in hints if n != "context") or "nothing"
        gives = ", ".join(f"`{n}`" for n in given if n not in ("evidence", "decided"))
        lines += [f"### {name.lower()}", "", inspect.getdoc(stage) or "", "", f"Needs {needs}. Gives {gives}.", ""]
    return "\n".join(lines)


def _options(factory: Any) -> list[str]:
    parameters = {n: p for n, p in inspect.signature(factory).parameters.items() if p.kind.name != "VAR_KEYWORD"}
    if not parameters or factory.__init__ is object.__init__:
        return ["No options.", ""]
    hints = get_type_hints(factory.__init__, include_extras=True)
    lines = ["| option | type | default |", "|---|---|---|"]
    for name, parameter in parameters.items():
        default = "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        lines.append(f"| `{name}` | {_type(hints.get(name, Any))} | {_cell(default)} |")
    return [*lines, ""]


BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def _type(hint: Any) -> str:
    """A type as a person says it, with its range."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(a) for a in get_args(hint)))
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        found = [n for note in notes for n in getattr(note, "metadata", [note])]
        family = next((f" of {n.name}" for n in found if isinstance(n, Family)), "")
        said = [f"{word} {getattr(n, key)}" for n in found for key, word in BOUNDS.items() if hasattr(n, key)]
        return _type(base) + family + (f", {', '.join(said)}" if said else "")
    if get_origin(hint) is Literal:
        return " or ".join(f"`{a}`" for a in get_args(hint))
    if hint is NoneType or hint is None:
        return "nothing"
    if hint == Choice:
        return "a choice"
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return _cell(f"`{text.replace('typing.', '').replace('NoneType', 'None')}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for name, page in (("spec", spec_page()), ("families", family_page()), ("steps", steps_page())):
        (OUT / f"{name}.md").write_text(page + "\n", encoding="utf-8")
