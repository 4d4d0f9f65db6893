"""Expressions: the user's own features, as formulas over columns, computed the same in training, serving and export.

``gain / (age + 1)``, ``log1p(fare)``, ``weekday(date) >= 5``, ``if_else(missing(cabin), 0, 1)``, ``city == "Paris"``.
The text is parsed, never evaluated as Python; comparisons and ``and or not`` give 1.0 or 0.0; what cannot be computed
(division by zero, the logarithm of a negative number) is missing.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import counted
from thirtyfold.core.family import nearest
from thirtyfold.core.late import Array, np

__all__ = ["FUNCTIONS", "OPERATORS", "Expression"]


def _part(name: Any) -> Callable[[Array], Array]:
    def part(x: Array) -> Array:
        from thirtyfold.core.transform import Calendar

        return Calendar(part=name).apply(x)

    return part


def _length(x: Array) -> Array:
    from thirtyfold.core.transform import Length

    return Length().apply(x)


def _numpy(name: str) -> Callable[..., Array]:
    return lambda *x: np.asarray(getattr(np, name)(*x))


def _if_else(condition: Array, yes: Array, no: Array) -> Array:
    return np.asarray(np.where(condition != 0, yes, no))


def _missing(x: Array) -> Array:
    return np.array([v is None for v in x] if x.dtype == object else np.isnan(x), dtype=np.float64)


FUNCTIONS: dict[str, tuple[int, Callable[..., Array]]] = {
    "abs": (1, _numpy("abs")),
    "exp": (1, _numpy("exp")),
    "floor": (1, _numpy("floor")),
    "if_else": (3, _if_else),
    "length": (1, _length),
    "log": (1, _numpy("log")),
    "log1p": (1, _numpy("log1p")),
    "max": (2, _numpy("maximum")),
    "min": (2, _numpy("minimum")),
    "missing": (1, _missing),
    "sqrt": (1, _numpy("sqrt")),
    **{p: (1, _part(p)) for p in ("year", "month", "day", "weekday", "hour", "minute", "yearday")},
}
"""Every function with how many arguments it takes."""

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: lambda x: np.asarray(x == 0, dtype=np.float64),
}


@dataclass(frozen=True)
class Expression:
    """One formula. ``tree`` is a checked ``ast`` of only the node types handled here, for exporters to walk."""

    text: str

    @cached_property
    def tree(self) -> ast.expr:
        """Raises SpecError with a sentence when the text is not a formula."""
        try:
            tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            raise SpecError(Fault("", f"'{self.text}' is not a formula: {error.msg}.")) from None
        self._check(tree)
        return tree

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns that the formula uses, in order of appearance. Quote others as ``col("hours per week")``."""
        found: dict[str, None] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node.id not in FUNCTIONS and node.id != "col":
                found[node.id] = None
            elif _is_column(node):
                found[node.args[0].value] = None  # type: ignore[attr-defined]
        return tuple(found)

    def evaluate(self, columns: Mapping[str, Array]) -> Array:
        """The formula over arrays of equal length; float64 with NaN where it cannot be computed."""
        rows = len(next(iter(columns.values()))) if columns else 1
        with np.errstate(all="ignore"):
            out = np.asarray(_evaluate(self.tree, columns), dtype=np.float64)
        out = np.broadcast_to(out, (rows,)).copy()
        out[~np.isfinite(out)] = np.nan
        return out

    def _check(self, node: ast.AST) -> None:
        if _is_column(node):
            return
        match node:
            case ast.Constant(value=bool() | int() | float() | str()) | ast.Name():
                return
            case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
                inner = [a, b]
            case ast.UnaryOp(op=op, operand=a) if type(op) in OPERATORS:
                inner = [a]
            case ast.BoolOp(values=values):
                inner = values
            case ast.Compare(left=a, ops=[op], comparators=[b]) if type(op) in OPERATORS:
                inner = [a, b]
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                if len(args) != FUNCTIONS[name][0]:
                    raise SpecError(
                        Fault("", f"'{name}' takes {counted(FUNCTIONS[name][0], 'value')}, got {len(args)}.")
                    )
                inner = args
            case ast.Call(func=ast.Name(id=name)):
                raise SpecError(
                    Fault("", f"there is no function '{name}'.", ", ".join(FUNCTIONS), nearest(name, FUNCTIONS))
                )
            case _:
                raise SpecError(Fault("", f"'{ast.unparse(node)}' cannot be used in a formula."))
        for part in inner:
            self._check(part)


def _is_column(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str())], keywords=[]):
            return True
    return False


def _evaluate(node: ast.AST, columns: Mapping[str, Array]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value if isinstance(value, str) else np.float64(value)  # type: ignore[arg-type]  # so that 1 / 0 is missing, not an error
        case ast.Name(id=name) | ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=name)]):
            return columns[str(name)]
        case ast.BinOp(left=a, op=op, right=b):
            return OPERATORS[type(op)](_evaluate(a, columns), _evaluate(b, columns))
        case ast.UnaryOp(op=op, operand=a):
            return OPERATORS[type(op)](_evaluate(a, columns))
        case ast.Compare(left=a, ops=[op], comparators=[b]):
            return np.asarray(OPERATORS[type(op)](_evaluate(a, columns), _evaluate(b, columns)), dtype=np.float64)
        case ast.BoolOp(op=op, values=values):
            truths = [np.asarray(_evaluate(v, columns)) != 0 for v in values]
            joined = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return joined.reduce(np.broadcast_arrays(*truths)).astype(np.float64)
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name][1](*(_evaluate(a, columns) for a in args))
    raise AssertionError(ast.dump(node))  # _check lets nothing else through
