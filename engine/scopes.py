"""What a statement binds, refers to, calls and mutates, by Python's own scope rules.

One walk over the tree. A name is looked up only when its scope is complete, so what a function binds below its use is
still local; class bodies are invisible in their methods; comprehensions have their own scope; a name that a function
imports is followed to its module. What is left over belongs to the module, and is what another definition can change.
"""

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from .facts import Act, Action, Facts, Import, Ref


def walk(nodes: Iterable[ast.AST]) -> Facts:
    """The facts of `nodes`, taken as statements (or expressions) at the top level of a module."""
    walker = _Walker()
    for node in nodes:
        walker.visit(node)
    return walker.facts


MUTATORS: Final = frozenset(
    [
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "move_to_end",
        "pop",
        "popitem",
        "popleft",
        "push",
        "put",
        "register",
        "remove",
        "reverse",
        "setdefault",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
    ]
)
_MUTATING: Final = re.compile(r"(add|append|attach|connect|extend|include|insert|register|set|subscribe|update)(_|$)")
_HARMLESS: Final = frozenset(
    ["cache", "cached", "catch", "contextmanager", "jit", "memoize", "njit", "profile", "timed", "wraps"]
)
"""Decorators on an object that keep no list of what they decorated, as far as anybody can see."""
_EVALS: Final = frozenset({"eval", "exec", "globals"})
_MODULE_EVALS: Final = frozenset({"locals", "vars"})
_PATH: Final = re.compile(
    r"[^\s/][^\s]*/[^\s]*"
    r"|[^\s]+\.(arrow|avro|bin|bz2|cfg|csv|db|duckdb|feather|gif|gz|h5|hdf5|html|ini|ipc|jpe?g|json|jsonl|md|model|ndjson"
    r"|npy|npz|onnx|orc|parquet|pdf|pickle|pkl|png|pt|pth|safetensors|sql|sqlite|svg|tar|toml|tsv|txt|wav|webp|xlsx?|xml"
    r"|ya?ml|zip|zst)"
)

_Kind = Literal["module", "class", "function", "comprehension"]
_Event = tuple[Literal["ref", "eval"] | Act, bool, tuple[str, ...], int]


class _Scope:
    __slots__ = ("bound", "enclosing", "events", "globals", "imports", "kind", "nonlocals", "parent")

    def __init__(self, kind: _Kind, parent: "_Scope | None") -> None:
        self.kind: _Kind = kind
        self.parent = parent
        self.enclosing = parent
        while self.enclosing is not None and self.enclosing.kind == "class":
            self.enclosing = self.enclosing.parent
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.imports: dict[str, list[Import]] = {}
        self.events: list[_Event] = []


def chain(node: ast.AST) -> tuple[str, ...] | None:
    """`a.b.c` as a path, or None for anything that is more than names and dots."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def _owner(node: ast.AST) -> tuple[str, ...] | None:
    """The path of the object that a change to `node` changes: `a.b` of `a.b["k"].c[0]`."""
    parts: list[str] = []
    while True:
        match node:
            case ast.Attribute():
                parts.append(node.attr)
                node = node.value
            case ast.Subscript():
                parts.clear()
                node = node.value
            case ast.Call():
                parts.clear()
                node = node.func
            case ast.Name():
                return (node.id, *reversed(parts))
            case _:
                return None


class _Walker:
    def __init__(self) -> None:
        self.facts = Facts()
        self.scope = _Scope("module", None)

    def visit(self, node: ast.AST) -> None:
        method = _VISIT.get(type(node))
        if method is not None:
            method(self, node)
        else:
            self.children(node)

    def children(self, node: ast.AST) -> None:
        for name in node._fields:
            value: ast.AST | list[object] | str | int | None = getattr(node, name, None)
            if isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST):
                        self.visit(item)
            elif isinstance(value, ast.AST):
                self.visit(value)

    def all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # Scopes.

    def push(self, kind: _Kind) -> None:
        self.scope = _Scope(kind, self.scope)

    def pop(self) -> None:
        scope, outer = self.scope, self.scope.enclosing
        assert scope.parent is not None
        assert outer is not None
        is_function = scope.kind == "function"
        for what, was_later, path, line in scope.events:
            later = was_later or is_function
            root = path[0]
            if root in scope.globals:
                self.final(what, later, Ref(None, path), line)
            elif root in scope.imports:
                for source in scope.imports[root]:
                    self.final(what, later, Ref(source, path[1:]), line)
            elif root in scope.bound:
                continue
            elif outer.kind == "module":
                self.final(what, later, Ref(None, path), line)
            else:
                outer.events.append((what, later, path, line))
        self.scope = scope.parent

    def emit(self, what: Literal["ref", "eval"] | Act, path: tuple[str, ...], line: int = 0) -> None:
        scope = self.scope
        if scope.kind == "class":
            # A class body runs from top to bottom: a name not bound yet is looked up outside.
            if path[0] in scope.imports:
                for source in scope.imports[path[0]]:
                    self.final(what, False, Ref(source, path[1:]), line)
                return
            if path[0] in scope.bound:
                return
            assert scope.enclosing is not None
            scope = scope.enclosing
        if scope.kind == "module":
            self.final(what, False, Ref(None, path), line)
        else:
            scope.events.append((what, False, path, line))

    def final(self, what: Literal["ref", "eval"] | Act, later: bool, ref: Ref, line: int) -> None:
        if what == "ref":
            self.facts.refs[ref] = None
        elif what == "eval":
            self.facts.evals.append((ref.path[-1] if ref.path else "", line))
        else:
            (self.facts.later if later else self.facts.now)[Action(what, ref)] = None

    def bind(self, name: str) -> None:
        scope = self.scope
        if name in scope.globals:
            self.emit("target", (name,))
        elif name not in scope.nonlocals:
            scope.bound.add(name)
            if scope.kind == "module":
                self.facts.bound[name] = None

    def bind_import(self, name: str, source: Import) -> None:
        if self.scope.kind == "module":
            self.facts.imports.append((name, source))
        else:
            self.scope.imports.setdefault(name, []).append(source)
            self.scope.bound.add(name)

    def load(self, source: Import) -> None:
        self.facts.loads[source] = None
        if self.scope.kind != "module":
            self.facts.late_loads[source] = None

    # Names.

    def name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.emit("ref", (node.id,))
        else:
            self.bind(node.id)

    def attribute(self, node: ast.Attribute) -> None:
        path = chain(node)
        if path is None:
            self.visit(node.value)
        else:
            self.emit("ref", path)
        if not isinstance(node.ctx, ast.Load):
            self.target(node)

    def subscript(self, node: ast.Subscript) -> None:
        if chain(node.value) == ("sys", "modules") and isinstance(node.ctx, ast.Load):
            self.module_by_name(node.slice, node.lineno)
        self.visit(node.value)
        self.visit(node.slice)
        if not isinstance(node.ctx, ast.Load):
            self.target(node.value)

    def target(self, node: ast.AST) -> None:
        owner = _owner(node)
        if owner is not None:
            self.emit("target", owner)

    def aug_assign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.emit("ref", (node.target.id,))
            self.emit("target", (node.target.id,))
        self.visit(node.target)
        self.visit(node.value)

    def named(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        inner = self.scope
        while self.scope.kind == "comprehension" and self.scope.parent is not None:
            self.scope = self.scope.parent
        self.bind(node.target.id)
        self.scope = inner

    def constant(self, node: ast.Constant) -> None:
        text = node.value
        if not isinstance(text, str) or not 2 < len(text) <= 200 or "://" in text:
            return
        if ("/" in text or "." in text) and _PATH.fullmatch(text):
            self.facts.literals[text] = None

    def f_string(self, node: ast.JoinedStr) -> None:
        self.all(value for value in node.values if not isinstance(value, ast.Constant))

    # Calls.

    def expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.call(node.value, alone=True)
        elif not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def call(self, node: ast.Call, alone: bool = False) -> None:
        self.visit(node.func)
        self.all(node.args)
        self.all(node.keywords)
        path = chain(node.func)
        if not path:
            if isinstance(node.func, ast.Attribute) and (alone or node.func.attr in MUTATORS):
                self.target(node.func.value)
            return
        at_import = self.scope.kind in ("module", "class")
        last = path[-1]
        strong = len(path) > 1 and (last in MUTATORS or (alone and (at_import or _MUTATING.match(last) is not None)))
        self.emit("strong" if strong else "call", path)
        self.special(node, last, len(path) == 1, at_import)

    def module_by_name(self, name: ast.expr, line: int) -> None:
        """A module that is looked up by a text: followed when the text is there to be read."""
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            self.final("ref", False, Ref(Import(0, name.value), ()), line)
        else:
            self.facts.spots.append(("import", line))

    def special(self, node: ast.Call, name: str, plain: bool, at_import: bool) -> None:
        """Calls that look a name or a module up by a value: followed when the value is a constant."""
        first = node.args[0] if node.args else None
        if name == "import_module" or (plain and name == "__import__"):
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                module = first.value.lstrip(".")
                source = Import(len(first.value) - len(module), module)
                self.load(source)
                self.final("ref", False, Ref(source, ()), node.lineno)
            elif first is not None:
                self.facts.spots.append(("import", node.lineno))
        elif not plain:
            return
        elif name in _EVALS or (name in _MODULE_EVALS and not node.args and at_import):
            self.emit("eval", (name,), node.lineno)
        elif name in ("getattr", "setattr", "delattr") and len(node.args) > 1:
            path, attribute = chain(node.args[0]), node.args[1]
            known = attribute.value if isinstance(attribute, ast.Constant) else None
            if not isinstance(known, str):
                self.facts.spots.append((name, node.lineno))
            if name != "getattr" and path is not None:
                self.emit("target", (*path, known) if isinstance(known, str) else path)

    def getattr_constant(self, node: ast.Call) -> bool:
        """Visit `getattr(module, "name")` as `module.name`; False when it is no such call."""
        if not (isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1):
            return False
        path, attribute = chain(node.args[0]), node.args[1]
        if path is None or not isinstance(attribute, ast.Constant) or not isinstance(attribute.value, str):
            return False
        self.emit("ref", ("getattr",))
        self.emit("ref", (*path, attribute.value))
        self.all(node.args[2:])
        return True

    def any_call(self, node: ast.Call) -> None:
        if not self.getattr_constant(node):
            self.call(node)

    def decorator(self, node: ast.AST) -> None:
        self.visit(node)
        path = chain(node.func if isinstance(node, ast.Call) else node)
        if path is not None:
            registers = len(path) > 1 and path[-1] not in _HARMLESS
            self.emit("strong" if registers else "call", path)

    # Definitions.

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.all_decorators(node.decorator_list)
        arguments = node.args
        self.all(arguments.defaults)
        self.all(arguments.kw_defaults)
        typed = self.type_params(node)
        names = _arguments(arguments)
        self.all(one.annotation for one in names)
        self.all([node.returns])
        self.push("function")
        self.scope.bound.update(one.arg for one in names)
        self.all(node.body)
        self.pop()
        if typed:
            self.pop()
        self.bind(node.name)

    def all_decorators(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.decorator(node)

    def lambda_(self, node: ast.Lambda) -> None:
        self.all(node.args.defaults)
        self.all(node.args.kw_defaults)
        self.push("function")
        self.scope.bound.update(one.arg for one in _arguments(node.args))
        self.visit(node.body)
        self.pop()

    def class_(self, node: ast.ClassDef) -> None:
        self.all_decorators(node.decorator_list)
        typed = self.type_params(node)
        self.all(node.bases)
        self.all(node.keywords)
        for base in (*node.bases, *(keyword.value for keyword in node.keywords)):
            path = chain(base)
            if path is not None:
                self.emit("base", path)
        self.facts.hooks = self.facts.hooks or any(one.arg for one in node.keywords)
        self.push("class")
        self.all(node.body)
        self.facts.hooks = self.facts.hooks or "__init_subclass__" in self.scope.bound
        self.pop()
        if typed:
            self.pop()
        self.bind(node.name)

    def type_params(self, node: ast.AST) -> bool:
        params: list[Any] = getattr(node, "type_params", [])  # Any: a node type that 3.11 does not have
        if params:
            self.push("comprehension")
            self.scope.bound.update(str(one.name) for one in params)
            self.all(params)
        return bool(params)

    def type_alias(self, node: Any) -> None:  # Any: a node type that 3.11 does not have
        typed = self.type_params(node)
        self.visit(node.value)
        if typed:
            self.pop()
        self.visit(node.name)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        first = node.generators[0]
        self.visit(first.iter)
        self.push("comprehension")
        for generator in node.generators:
            self.visit(generator.target)
            if generator is not first:
                self.visit(generator.iter)
            self.all(generator.ifs)
        self.all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.pop()

    # Statements that bind.

    def import_(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self.load(Import(0, alias.name))
            self.bind_import(alias.asname or top, Import(0, alias.name if alias.asname else top))

    def import_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            source = Import(node.level, node.module or "", alias.name)
            self.load(source)
            if alias.name == "*":
                self.facts.stars.append(source)
            else:
                self.bind_import(alias.asname or alias.name, source)

    def global_(self, node: ast.Global) -> None:
        self.scope.globals.update(node.names)

    def nonlocal_(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocals.update(node.names)

    def binder(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name)
        self.children(node)

    def match_mapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.bind(node.rest)
        self.children(node)


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


_VISIT: dict[type[ast.AST], Callable[[_Walker, Any], None]] = {  # Any: each takes the node type it is listed for
    ast.Name: _Walker.name,
    ast.Attribute: _Walker.attribute,
    ast.Subscript: _Walker.subscript,
    ast.Constant: _Walker.constant,
    ast.JoinedStr: _Walker.f_string,
    ast.AugAssign: _Walker.aug_assign,
    ast.NamedExpr: _Walker.named,
    ast.Expr: _Walker.expression,
    ast.Call: _Walker.any_call,
    ast.FunctionDef: _Walker.function,
    ast.AsyncFunctionDef: _Walker.function,
    ast.Lambda: _Walker.lambda_,
    ast.ClassDef: _Walker.class_,
    ast.ListComp: _Walker.comprehension,
    ast.SetComp: _Walker.comprehension,
    ast.GeneratorExp: _Walker.comprehension,
    ast.DictComp: _Walker.comprehension,
    ast.Import: _Walker.import_,
    ast.ImportFrom: _Walker.import_from,
    ast.Global: _Walker.global_,
    ast.Nonlocal: _Walker.nonlocal_,
    ast.ExceptHandler: _Walker.binder,
    ast.MatchAs: _Walker.binder,
    ast.MatchStar: _Walker.binder,
    ast.MatchMapping: _Walker.match_mapping,
}
if hasattr(ast, "TypeAlias"):
    _VISIT[getattr(ast, "TypeAlias")] = _Walker.type_alias  # noqa: B009  3.12 and later, unknown to a 3.11 checker
