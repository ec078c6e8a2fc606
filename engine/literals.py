"""Values that can be read from the source: literals, constants by name, and simple arithmetic on them.

Two halves, so that the second can be repeated when a constant in another file changes: `lower` turns an expression
into a small tree of plain tuples that can be kept with the file's index, `evaluate` looks the names up.
Nothing is executed; what is not plainly a value is `Unknown`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The operators take anything; what they are given was checked.

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from .ids import Json
from .scopes import chain

Static: TypeAlias = tuple[Any, ...]  # Any: a recursive tuple ("const", value) | ("name", path) | ("list", items) | …
Lookup: TypeAlias = "Callable[[str, tuple[str, ...]], tuple[str, Static] | None]"
"""From a file and a dotted name to the file and expression that define it."""

_DEEPEST = 50


class Unknown(Exception):
    """The expression is not a value that can be read from the source."""


_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_NUMERIC: dict[str, Callable[[Any, Any], Any]] = {  # Any: int or float, checked before the call
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def lower(node: ast.AST | None) -> Static | None:
    """`node` as a static expression, or None where it cannot be a value that JSON has."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return ("const", value)
        case ast.Name() | ast.Attribute():
            path = chain(node)
            return None if path is None else ("name", path)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return _all("list", items)
        case ast.Dict(keys=keys, values=values):
            lowered = [lower(key) for key in keys], [lower(value) for value in values]
            return None if None in lowered[0] or None in lowered[1] else ("dict", *map(tuple, lowered))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not() as op, operand=operand):
            inner = lower(operand)
            return None if inner is None else ("unary", type(op).__name__, inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            sides = lower(left), lower(right)
            return None if None in sides else ("binary", _BINARY[type(op)], *sides)
        case ast.JoinedStr(values=values):
            return _all("text", values)
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            inner = lower(value)
            return None if inner is None else ("format", inner)
        case _:
            return None


def _all(kind: str, nodes: list[ast.expr]) -> Static | None:
    items = tuple(lower(node) for node in nodes)
    return None if None in items else (kind, items)


def evaluate(static: Static, where: str, lookup: Lookup, depth: int = 0) -> Json:
    """The value of `static`, whose names are those of the file `where`. Raises Unknown."""
    if depth > _DEEPEST:
        raise Unknown

    def value(inner: Static) -> Json:
        return evaluate(inner, where, lookup, depth + 1)

    match static:
        case ("const", float() as number) if not math.isfinite(number):
            raise Unknown
        case ("const", constant):
            return constant
        case ("name", path):
            found = lookup(where, path)
            if found is None:
                raise Unknown
            return evaluate(found[1], found[0], lookup, depth + 1)
        case ("list", items):
            return [value(item) for item in items]
        case ("dict", keys, values):
            names = [value(key) for key in keys]
            if not all(isinstance(name, str) for name in names):
                raise Unknown
            return {str(name): value(item) for name, item in zip(names, values, strict=True)}
        case ("unary", name, inner):
            return _unary(name, value(inner))
        case ("binary", name, left, right):
            return _binary(name, value(left), value(right))
        case ("format", inner):
            return _text(value(inner))
        case ("text", parts):
            return "".join(_text(value(part)) for part in parts)
        case _:
            raise Unknown


def _text(value: Json) -> str:
    if not isinstance(value, (str, int, float)):
        raise Unknown
    return str(value)


def _unary(name: str, value: Json) -> Json:
    if name == "Not":
        return not value
    if not isinstance(value, (int, float)):
        raise Unknown
    return -value if name == "USub" else +value


def _binary(name: str, left: Json, right: Json) -> Json:
    if name == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if name == "+" and isinstance(left, list) and isinstance(right, list):
        return left + right
    if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        raise Unknown
    if name == "**" and (abs(right) > 64 or abs(left) > 2**64):
        raise Unknown
    try:
        result = _NUMERIC[name](left, right)
        finite = isinstance(result, (int, float)) and math.isfinite(result)
    except (ArithmeticError, ValueError):
        raise Unknown from None
    if not finite:
        raise Unknown
    return result
