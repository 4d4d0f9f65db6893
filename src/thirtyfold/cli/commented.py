"""Commented: a filled-in Spec with what each key means above it, from the code's own words."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from thirtyfold.core.family import Family
from thirtyfold.core.spec import Section, Spec
from thirtyfold.plan import FAMILIES

__all__ = ["attribute_docs", "commented"]

_KEY = re.compile(r"^( {0,2})([A-Za-z_]+):")
WIDTH = 110
NAMED = {"task": "aim.tasks", "metric": "aim.metrics", "fields": "data.types"}
"""Words of families that no stage builds by itself."""


def commented(text: str) -> str:
    """A Spec as YAML with a comment above each section and each key of one that has something to say."""
    known = dict(_meanings(Spec, ""))
    for path, family in {**FAMILIES, **NAMED}.items():
        words = ", ".join(Family[Any](family).words())
        known[path] = f"{known.get(path, '')} One of: {words}.".strip()
    out: list[str] = []
    above = ""
    for line in text.splitlines():
        found = _KEY.match(line)
        if found:
            indent, key = found.groups()
            above = above if indent else key
            said = known.get(f"{above}.{key}" if indent else key, "")
            if said:
                out += [] if indent else [""]
                out += textwrap.wrap(said, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        out.append(line)
    return "\n".join(out) + "\n"


def _meanings(section: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """Each key with what the code says of it: the string under it, or the docstring of its section."""
    docs = attribute_docs(section)
    for name, field in section.model_fields.items():
        inner = next((a for a in (field.annotation, *get_args(field.annotation)) if _is_section(a)), None)
        said = docs.get(name, "") or (inspect.getdoc(inner) or "" if inner is not None else "")
        yield f"{path}{name}", " ".join(said.replace("``", "").split())
        if inner is not None:
            yield from _meanings(inner, f"{path}{name}.")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def attribute_docs(section: type[BaseModel]) -> dict[str, str]:
    """The string under each attribute, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(section)).body[0].body  # type: ignore[attr-defined]
    docs = {}
    for at, node in enumerate(body[:-1]):
        after = body[at + 1]
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            docs[node.target.id] = " ".join(str(after.value.value).split())  # type: ignore[union-attr]
    return docs
