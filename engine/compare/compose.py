"""Source that is A's but for some definitions, which are B's: statement by statement, in the order that both have.

What only one side has is kept whichever side is taken: a definition that nobody refers to does nothing. That is what
makes it possible to take one step's code without another's. Whether the result is what it should be is not believed
but checked, by fingerprints (`hybrid_code.py`).
"""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

INIT = ""
"""The name of statements that bind nothing: the module's init."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement: the names it binds or changes, and its text as it was written."""

    names: tuple[str, ...]
    text: str


class NotComposable(ValueError):
    """A file that is no Python, or not one that can be taken apart."""


def compose(
    a: Mapping[str, bytes], b: Mapping[str, bytes], taken: Mapping[str, Collection[str]], whole: Collection[str] = ()
) -> dict[str, bytes]:
    """The files of both sides: by path, the `taken` names from B, everything else from A. `whole` files are B's.

    Raises NotComposable for a Python file that differs and cannot be taken apart, where only some of it is wanted.
    """
    found: dict[str, bytes] = {}
    for path in dict.fromkeys((*a, *b)):
        old, new = a.get(path), b.get(path)
        if old is None or new is None or old == new:
            found[path] = new if old is None and new is not None else old if old is not None else b""
        elif path in whole:
            found[path] = new
        elif path.endswith(".py"):
            found[path] = merged(old.decode("utf-8", "replace"), new.decode("utf-8", "replace"), taken.get(path, ()))
        else:
            found[path] = old
    return found


def merged(old: str, new: str, taken: Collection[str]) -> bytes:
    """One file's text. Raises NotComposable."""
    left, right = statements(old), statements(new)
    old_names = {name for one in left for name in one.names}
    new_names = {name for one in right for name in one.names}
    chosen: list[str] = []
    matcher = SequenceMatcher(None, [_key(one) for one in left], [_key(one) for one in right], autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            chosen += [
                right[j].text if _wanted(right[j], taken) else left[i].text
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
            ]
            continue
        # Kept: what B has not, and what is not to be B's. Added: what A has not, and what is to be B's.
        chosen += [one.text for one in left[i1:i2] if not _wanted(one, taken) or not set(one.names) & new_names]
        chosen += [one.text for one in right[j1:j2] if _wanted(one, taken) or not set(one.names) & old_names]
    return ("\n\n".join(chosen) + "\n").encode()


def statements(source: str) -> list[Statement]:
    """The top-level statements of a file, in order."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise NotComposable(str(error)) from None
    lines = source.splitlines()
    ends = 0
    found: list[Statement] = []
    for at, node in enumerate(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            ends = node.end_lineno or node.lineno
            found += _imports(node)
            continue
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        last = node.end_lineno or node.lineno
        following = tree.body[at + 1].lineno if at + 1 < len(tree.body) else last + 1
        # Two statements on one line cannot be told apart by lines.
        shared = first <= ends or following <= last
        text = ast.unparse(node) if shared else "\n".join(lines[first - 1 : last])
        ends = last
        found.append(Statement(tuple(dict.fromkeys(_names(node))) or (INIT,), text))
    return found


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Statement]:
    """A statement for each name: A may import one of them and B two."""
    for alias in node.names:
        single = ast.Import([alias])
        if isinstance(node, ast.ImportFrom):
            single = ast.ImportFrom(node.module, [alias], node.level)
        yield Statement(tuple(_names(single)), ast.unparse(single))


def _key(one: Statement) -> tuple[str, ...]:
    return one.names


def _wanted(one: Statement, taken: Collection[str]) -> bool:
    return any(name in taken for name in one.names)


def _names(node: ast.AST) -> Iterator[str]:
    """What a statement binds or visibly changes, as `source_index` assigns it to units."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases):
            yield from (one.asname or one.name.partition(".")[0] for one in aliases)
        case ast.ImportFrom(module=module, names=aliases):
            yield from (f"* of {module}" if one.name == "*" else one.asname or one.name for one in aliases)
        case ast.Assign(targets=targets):
            yield from _bound(targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from _bound([target])
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=value))):
            yield from _bound([value])
        case ast.Expr(value=ast.Constant(value=str())):
            yield "__doc__"
        case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
            for inner in ast.iter_child_nodes(node):
                if isinstance(inner, ast.stmt | ast.ExceptHandler):
                    yield from _names(inner)
        case ast.ExceptHandler(body=body):
            for inner in body:
                yield from _names(inner)
        case _:
            pass


def _bound(targets: Sequence[ast.expr]) -> Iterator[str]:
    """The names at the root of what is assigned to: `x`, `x.y`, `x[0]`, `x, y`."""
    for target in targets:
        match target:
            case ast.Name(id=name):
                yield name
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Starred(value=value):
                yield from _bound([value])
            case ast.Tuple(elts=inner) | ast.List(elts=inner):
                yield from _bound(inner)
            case _:
                pass
