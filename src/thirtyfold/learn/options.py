"""Options: reach into the options of a model by dotted names, as tuning and regularizing do."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from thirtyfold.core.family import split_choice
from thirtyfold.core.model import Dial

__all__ = ["fitting", "read", "written"]


def written(options: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the options with each dotted name set: ``optimizer.adamw.rate`` reaches into the chosen optimizer."""
    out = copy.deepcopy(dict(options))
    for path, value in values.items():
        *above, last = _keys(path)
        tree = out
        for key in above:
            inner = tree.get(key)
            tree[key] = inner = {inner: {}} if isinstance(inner, str) else inner if isinstance(inner, dict) else {}
            tree = inner
        tree[last] = value
    return out


def read(options: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted name, or None."""
    tree: Any = options
    for key in _keys(path):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _keys(path: str) -> list[str]:
    """The parts of a dotted name; a member from a file (``optimizer.own/file.py:Adam.rate``) is one of them."""
    found = re.fullmatch(r"([^.]+)\.(.+\.py:\w+)(?:\.(.+))?", path)
    return [part for part in found.groups() if part] if found else path.split(".")


def fitting(space: Mapping[str, Dial], options: Mapping[str, Any]) -> dict[str, Dial]:
    """The dials that these options have: where another member was chosen, its option of the same name is turned, or
    none.
    """
    found: dict[str, Dial] = {}
    for path, dial in space.items():
        parts = _keys(path)
        if len(parts) == 3 and options.get(parts[0]) is not None:
            word, inner = split_choice(options[parts[0]], path)
            if word != parts[1]:
                if not isinstance(inner, dict) or parts[2] not in inner:
                    continue
                path = f"{parts[0]}.{word}.{parts[2]}"  # noqa: PLW2901 - the same dial under its name here
        found[path] = dial
    return found
