"""A syntax tree as bytes that are equal exactly when the code is, on every Python from 3.11 on.

`ast.dump` and bytecode drift between Python versions, so neither can be part of a key that should survive an upgrade.
Positions, comments, formatting and docstrings are not in the tree or are left out; constants carry their type. Text is
length-prefixed instead of `repr`-ed, because what `repr` escapes depends on the Unicode tables of the interpreter.
"""

import ast
import struct
from collections.abc import Sequence

_SKIPPED = {"ctx", "type_comment", "kind", "type_ignores"}
_fields: dict[type[ast.AST], tuple[tuple[str, str], ...]] = {}


def canonical(node: ast.AST) -> bytes:
    """The canonical form of `node` and all below it."""
    out: list[str] = []
    _write(node, out)
    return "".join(out).encode("utf-8", "surrogatepass")


def is_bare_constant(node: ast.AST) -> bool:
    """Whether a statement is a constant alone: a docstring, or a text used as a comment. It does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _write(node: ast.AST, out: list[str]) -> None:
    if isinstance(node, ast.Name):
        out.append(f"N{node.id};")
        return
    if isinstance(node, ast.Constant):
        _constant(node.value, out)
        return
    if isinstance(node, ast.JoinedStr):
        _f_string(node, out)
        return
    kind = type(node)
    fields = _fields.get(kind)
    if fields is None:
        fields = _fields[kind] = tuple((name, f" {name}=") for name in kind._fields if name not in _SKIPPED)
    out.append(f"({kind.__name__}")
    for name, label in fields:
        value: ast.AST | list[object] | str | int | None = getattr(node, name, None)
        if value is None:
            continue
        if isinstance(value, ast.AST):
            out.append(label)
            _write(value, out)
        elif isinstance(value, list):
            if value:
                out.append(label)
                _sequence(value, out)
        else:
            out.append(label)
            _constant(value, out)
    out.append(")")


def _sequence(items: Sequence[object], out: list[str]) -> None:
    out.append("[")
    for item in items:
        if isinstance(item, ast.AST):
            if isinstance(item, ast.Expr) and is_bare_constant(item):
                continue
            _write(item, out)
        else:
            _constant(item, out)
    out.append("]")


def _constant(value: object, out: list[str]) -> None:
    match value:
        case str():
            out.append(f"s{len(value)}:{value}")
        case bool() | None:
            out.append(f"<{value}>")
        case int():
            out.append(f"i{value:x};")
        case float():
            out.append(f"f{struct.pack('>d', value).hex()};")
        case complex():
            out.append(f"c{struct.pack('>dd', value.real, value.imag).hex()};")
        case bytes():
            out.append(f"b{value.hex()};")
        case _:
            out.append("<...>")


def _f_string(node: ast.JoinedStr, out: list[str]) -> None:
    """Python 3.12 splits the constant parts of some f-strings elsewhere than 3.11: join them again."""
    out.append("(JoinedStr[")
    text = ""
    for value in node.values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text += value.value
            continue
        if text:
            _constant(text, out)
            text = ""
        _write(value, out)
    if text:
        _constant(text, out)
    out.append("])")
