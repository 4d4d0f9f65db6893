"""The user's expressions as ONNX nodes: the same tree that ``core.expression`` evaluates, walked once more."""

import ast
from collections.abc import Mapping

import numpy as np

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.expression import Expression
from thirtyfold.ship.formats.onnx.graph import Graph, Value
from thirtyfold.ship.formats.onnx.ops import calendar, is_missing, length, log1p

__all__ = ["formula"]

_PLAIN = {"abs": "Abs", "exp": "Exp", "floor": "Floor", "log": "Log", "sqrt": "Sqrt"}
_ARITHMETIC: dict[type[ast.AST], str] = {
    ast.Add: "Add",
    ast.Sub: "Sub",
    ast.Mult: "Mul",
    ast.Div: "Div",
    ast.Pow: "Pow",
}
_ORDER: dict[type[ast.AST], str] = {
    ast.Gt: "Greater",
    ast.GtE: "GreaterOrEqual",
    ast.Lt: "Less",
    ast.LtE: "LessOrEqual",
}


def formula(g: Graph, expression: Expression, columns: Mapping[str, Value], like: str) -> Value:
    """The formula over graph values; NaN where it cannot be computed. ``like`` has the shape of the answer.

    Raises SpecError for what NumPy computes and ONNX cannot (texts that are added or put in order).
    """
    value = _Walk(g, expression.text, columns).number(expression.tree)
    finite = g.op("Where", g.op("IsInf", value), g.constant(np.nan), value)
    return Value(g.op("Expand", finite, g.op("Shape", like)), "number")


class _Walk:
    """One method a kind of node of the tree."""

    def __init__(self, g: Graph, text: str, columns: Mapping[str, Value]) -> None:
        self.g, self.text, self.columns = g, text, columns

    def number(self, node: ast.expr) -> str:
        value = self.value(node)
        if value.kind != "number":
            self.refuse(node)
        return value.name

    def refuse(self, node: ast.expr) -> None:
        raise SpecError(
            Fault("features", f"'{ast.unparse(node)}' in '{self.text}' cannot be computed with text in ONNX.")
        )

    def truth(self, node: ast.expr) -> str:
        """Boolean: everything but zero is true, NaN too."""
        zero = self.g.op("Equal", self.number(node), self.g.constant(0.0))
        return self.g.op("Not", zero)

    def value(self, node: ast.expr) -> Value:
        g = self.g
        match node:
            case ast.Constant(value=str() as text):
                return Value(g.constant(text, object), "text")
            case ast.Constant(value=constant):
                return Value(g.constant(float(constant)), "number")  # type: ignore[arg-type]
            case ast.Name(id=name) | ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=name)]):
                return self.columns[str(name)]
            case ast.BinOp(left=a, op=op, right=b):
                return Value(self.arithmetic(op, self.number(a), self.number(b)), "number")
            case ast.UnaryOp(op=op, operand=a):
                return Value(self.unary(op, a), "number")
            case ast.Compare(left=a, ops=[op], comparators=[b]):
                return Value(self.compare(node, op, self.value(a), self.value(b)), "number")
            case ast.BoolOp(op=op, values=values):
                whole = self.truth(values[0])
                for part in values[1:]:
                    whole = g.op("And" if isinstance(op, ast.And) else "Or", whole, self.truth(part))
                return Value(g.number(whole), "number")
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(node, str(name), args)
        raise AssertionError(ast.dump(node))

    def arithmetic(self, op: ast.operator, a: str, b: str) -> str:
        g = self.g
        if type(op) in _ARITHMETIC:
            return g.op(_ARITHMETIC[type(op)], a, b)
        # Python's remainder has the sign of the divisor, C's the sign of the dividend.
        rest = g.op("Mod", a, b, fmod=1)
        zero = g.constant(0.0)
        crosses = g.op("Less", g.op("Mul", g.op("Sign", rest), g.op("Sign", b)), zero)
        return g.op("Where", crosses, g.op("Add", rest, b), rest)

    def unary(self, op: ast.unaryop, operand: ast.expr) -> str:
        match op:
            case ast.USub():
                return self.g.op("Neg", self.number(operand))
            case ast.Not():
                return self.g.number(self.g.op("Not", self.truth(operand)))
        return self.number(operand)

    def compare(self, node: ast.expr, op: ast.cmpop, a: Value, b: Value) -> str:
        g = self.g
        if a.kind != b.kind or (a.kind == "text" and type(op) in _ORDER):
            self.refuse(node)
        if type(op) in _ORDER:
            return g.number(g.op(_ORDER[type(op)], a.name, b.name))
        equal = g.op("Equal", a.name, b.name)
        if a.kind == "text":
            # A missing text is equal to nothing but another missing one, and "" is how one is written here.
            known = g.constant("", object)
            literal = next((v.name for v in (a, b) if v.name == known), None)
            if literal is not None:
                equal = g.op("And", equal, g.op("Not", equal))
        return g.number(equal if isinstance(op, ast.Eq) else g.op("Not", equal))

    def call(self, node: ast.expr, name: str, args: list[ast.expr]) -> Value:
        g = self.g
        if name == "if_else":
            return self.choose(node, args)
        if name in ("missing", "length"):
            x = self.value(args[0])
            if name == "missing":
                return Value(is_missing(g, x), "number")
            if x.kind != "text":
                self.refuse(node)
            return Value(length(g, x.name), "number")
        numbers = [self.number(a) for a in args]
        if name in _PLAIN:
            return Value(g.op(_PLAIN[name], *numbers), "number")
        if name == "log1p":
            return Value(log1p(g, numbers[0]), "number")
        if name in ("max", "min"):
            return Value(self.extreme(name, *numbers), "number")
        return Value(calendar(g, name, numbers[0]), "number")

    def extreme(self, name: str, a: str, b: str) -> str:
        """NaN where either is NaN."""
        g = self.g
        first = g.op("Greater" if name == "max" else "Less", a, b)
        return g.op("Where", g.op("Or", first, g.op("IsNaN", a)), a, b)

    def choose(self, node: ast.expr, args: list[ast.expr]) -> Value:
        a, b = self.value(args[1]), self.value(args[2])
        if a.kind != b.kind:
            self.refuse(node)
        return Value(self.g.op("Where", self.truth(args[0]), a.name, b.name), a.kind)
