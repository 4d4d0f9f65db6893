"""Plainly: what pydantic finds wrong, in the words of a person, with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["plainly"]

_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "above"),
    "less_than": ("lt", "below"),
}
_KINDS = (
    (r"^(int_|.*integer)", "a whole number"),
    (r"^(float_|finite_|decimal_)", "a number"),
    (r"^bool_", "true or false"),
    (r"^string_(type|sub_type|unicode)", "a text"),
    (r"^(list|tuple|set|iterable)_type", "a list"),
    (r"^(dict|mapping|model|model_attributes|dataclass)_type", "'key: value' lines"),
)
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": "a name of at most 64 letters, figures, '_', '.' and '-' that begins with a "
    "letter or a figure",
}


def plainly(error: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong (no full stop at its end) and what is allowed, from one of pydantic's errors."""
    kind, told = str(error["type"]), error.get("ctx") or {}
    came = f"; got {error['input']!r}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"must be {words} {told[name]}{came}", ""
    if kind in ("literal_error", "enum"):
        allowed = str(told.get("expected", "")).replace(" or ", ", ").replace("'", "")
        return f"{error['input']!r} is none of the words that can stand here", allowed
    if kind == "string_pattern_mismatch":
        pattern = str(told.get("pattern", ""))
        return f"must be {_PATTERNS.get(pattern, f'written as {pattern}')}{came}", ""
    if kind in ("too_short", "too_long"):
        short = kind == "too_short"
        limit = told.get("min_length" if short else "max_length")
        return f"needs at {'least' if short else 'most'} {limit} values, and has {told.get('actual_length')}", ""
    for pattern, words in _KINDS:
        if re.match(pattern, kind):
            return f"must be {words}{came}", ""
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{message.rstrip('.')}{'' if kind == 'value_error' else came}", ""
