"""One source file → what it defines, as plain values: a pure function of its bytes, so it is remembered by their hash.

A unit is a module-level name with every statement that binds or visibly mutates it; statements that belong to no name
form the unit `""`, the module's init. What the names mean is not looked up here (`modules.py` does).
"""

import ast
import pickle
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from .canonical_ast import canonical, is_bare_constant
from .digest import digest, digest_bytes
from .facts import Action, Facts, Import, Ref
from .ids import Digest
from .literals import Static, lower
from .private_file import write_private
from .scopes import chain, walk

_SCHEMA: Final = "source-index/5"
_KEPT: Final = 20_000

UnitKind = Literal["function", "class", "constant", "module_init"]
_MARKERS: Mapping[str, Literal["file", "each"]] = {"File": "file", "Each": "each"}


@dataclass(frozen=True, slots=True)
class Form:
    """Some syntax: its digest, and what it refers to when it runs."""

    digest: Digest
    refs: tuple[Ref, ...]
    late_loads: tuple[Import, ...]
    literals: tuple[str, ...]
    evals: tuple[tuple[str, int], ...]
    spots: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class UnitIndex:
    """`root` is the form that a step's own function counts in: without `@step` and the defaults of its params, which
    count as options and params. `now` are effects on other names when the module is imported, `later` when called."""

    kind: UnitKind
    line: int
    source: str
    form: Form
    root: Form | None
    now: tuple[Action, ...]
    later: tuple[Action, ...]
    hooks: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a step function. `default` is None where there is none; `lowered` is its static form."""

    name: str
    line: int
    keyword: bool
    default: Literal["none", "file", "each", "value"]
    lowered: Static | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A function that may be a step. `decorator` is the path of what decorates it, empty for a public function;
    `options` its keywords, None for an option that cannot be read; `odd` says what cannot be understood."""

    name: str
    line: int
    decorator: tuple[str, ...]
    options: tuple[tuple[str, int, Static | None], ...]
    arguments: tuple[Argument, ...]
    variadic: str = ""
    odd: str = ""


@dataclass(frozen=True, slots=True)
class FileIndex:
    """`shape` changes when a name or an import does, so when what others find here may be another thing;
    `constants_digest` when the value of a constant does, `declarations_digest` when something of a step's head does (as
    values they would not do: 1 == True)."""

    units: Mapping[str, UnitIndex] = field(default_factory=dict[str, UnitIndex])
    imports: Mapping[str, tuple[Import, ...]] = field(default_factory=dict[str, tuple[Import, ...]])
    import_lines: Mapping[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    stars: tuple[Import, ...] = ()
    loads: tuple[Import, ...] = ()
    constants: Mapping[str, Static] = field(default_factory=dict[str, Static])
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    declarations: tuple[Declaration, ...] = ()
    error: tuple[str, int] | None = None
    shape: Digest = Digest("")
    constants_digest: Digest = Digest("")
    declarations_digest: Digest = Digest("")


class IndexCache:
    """File indexes by content, kept between processes in one file."""

    def __init__(self) -> None:
        self._known: dict[tuple[Digest, bool], FileIndex] = {}
        self._by_path: dict[tuple[str, bool], tuple[bytes, FileIndex]] = {}
        self._changed = False
        # Any: the last `modules.Modules`, graph and `reach.Reach` made from this; those modules import this one.
        self.modules: Any = None
        self.graph: Any = None
        self.reach: Any = None

    def of(self, path: str, data: bytes, public: bool) -> FileIndex:
        """The index of a file; `public` says that its public functions are steps without being marked."""
        seen = self._by_path.get((path, public))
        if seen is not None and seen[0] is data:
            return seen[1]
        key = (digest_bytes(data), public)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = index_source(data, public)
            self._changed = True
        self._by_path[path, public] = data, found
        return found

    def load(self, path: Path) -> None:
        """Take over what an earlier process kept. A file that is not ours, or damaged, is as good as none."""
        try:
            with path.open("rb") as file:
                schema, known = _Reader(file).load()
            if schema == _SCHEMA:
                self._known = known
        except Exception:
            self._known = {}

    def save(self, path: Path) -> None:
        """Keep it for the next process, if anything was learnt. Raises OSError."""
        if not self._changed:
            return
        current = {(digest_bytes(data), public): index for (_, public), (data, index) in self._by_path.items()}
        rest = dict(list(self._known.items())[-max(0, _KEPT - len(current)) :]) if len(self._known) < _KEPT else {}
        write_private(path, pickle.dumps((_SCHEMA, rest | current), 5))
        self._changed = False


class _Reader(pickle.Unpickler):
    """Reads our own values and no others: a project folder may come from anywhere, and a pickle can run code."""

    def find_class(self, module: str, name: str) -> Any:  # Any: what the base class says
        known = {one.__name__: one for one in (Form, UnitIndex, Argument, Declaration, FileIndex, Action, Import, Ref)}
        if name in known and known[name].__module__ == module:
            return known[name]
        raise pickle.UnpicklingError(f"{module}.{name} does not belong here")


def index_source(data: bytes, public: bool) -> FileIndex:
    """Read one file. A syntax error is part of the result, not raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except SyntaxError as error:
        return FileIndex(error=(error.msg, error.lineno or 0))
    except (ValueError, RecursionError, MemoryError) as error:
        return FileIndex(error=(str(error), 0))
    return _Indexer(data.decode("utf-8", "replace").splitlines(), public).index(tree)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported and do something."""
    for node in body:
        if isinstance(node, ast.If) and (_is_main(node.test) or _is_type_checking(node.test)):
            yield from _statements(node.orelse)
        elif not is_bare_constant(node) and not isinstance(node, ast.Pass):
            yield node


def _is_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
        case _:
            return False


def _is_type_checking(test: ast.expr) -> bool:
    path = chain(test)
    return path is not None and path[-1] == "TYPE_CHECKING"


@dataclass(slots=True)
class _Draft:
    nodes: list[ast.stmt] = field(default_factory=list[ast.stmt])
    facts: list[Facts] = field(default_factory=list[Facts])


class _Indexer:
    def __init__(self, lines: list[str], public: bool) -> None:
        self.lines = lines
        self.public = public
        self.imports: dict[str, list[Import]] = {}
        self.import_lines: dict[str, tuple[int, str]] = {}
        self.stars: list[Import] = []
        self.loads: dict[Import, None] = {}

    def index(self, tree: ast.Module) -> FileIndex:
        walked = [(node, walk([node])) for node in _statements(tree.body)]
        names = {name for _, facts in walked for name in facts.bound}
        drafts: dict[str, _Draft] = {}
        for node, facts in walked:
            self.note_imports(node, facts)
            if isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for name in self.owners(node, facts, names):
                draft = drafts.setdefault(name, _Draft())
                draft.nodes.append(node)
                draft.facts.append(facts)
        declarations = {one.name: one for node, _ in walked if (one := self.declaration(node)) is not None}
        units = {name: self.unit(name, draft, declarations) for name, draft in drafts.items()}
        constants = {
            name: static
            for name, draft in drafts.items()
            if len(draft.nodes) == 1 and (static := _constant(draft.nodes[0], name)) is not None
        }
        shape = digest(
            _SCHEMA,
            [[name, unit.kind] for name, unit in units.items()],
            [[name, [list(one) for one in found]] for name, found in self.imports.items()],
            [list(one) for one in (*self.stars, *self.loads)],
        )
        return FileIndex(
            units,
            {name: tuple(found) for name, found in self.imports.items()},
            self.import_lines,
            tuple(self.stars),
            tuple(self.loads),
            constants,
            dict(_aliases(drafts)),
            tuple(declarations.values()),
            None,
            shape,
            digest("constants/1", repr(constants)),
            digest("declarations/1", repr(tuple(declarations.values()))),
        )

    def note_imports(self, node: ast.stmt, facts: Facts) -> None:
        for name, source in facts.imports:
            self.imports.setdefault(name, []).append(source)
            self.import_lines.setdefault(name, (node.lineno, _import_text(name, source)))
        self.stars += facts.stars
        self.loads |= {one: None for one in facts.loads if one not in facts.late_loads}

    def owners(self, node: ast.stmt, facts: Facts, names: set[str]) -> list[str]:
        """The names that a statement belongs to."""
        found = dict.fromkeys(name for name in facts.bound if name != "_")
        found |= dict.fromkeys(name for name, _ in facts.imports)
        effects = [one for one in facts.now if one.act in ("strong", "target")]
        found |= {
            one.ref.path[0]: None
            for one in effects
            if one.ref.source is None and one.ref.path and one.ref.path[0] in names
        }
        alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        foreign = any(not one.ref.path or one.ref.path[0] not in names for one in effects)
        plain_call = alone and not any(one.act == "strong" and one.ref.path[0] in names for one in effects)
        if not found or (foreign and not facts.bound) or plain_call:
            found[""] = None
        return list(found)

    def unit(self, name: str, draft: _Draft, declarations: Mapping[str, Declaration]) -> UnitIndex:
        first = draft.nodes[0]
        facts = draft.facts[0] if len(draft.facts) == 1 else walk(draft.nodes)
        root = None
        if name in declarations and len(draft.nodes) == 1 and isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef):
            stripped = _root_form(first, declarations[name], self.public)
            root = _form([stripped], walk([stripped]))
        extra = [
            Action("target", Ref(None, path))
            for node in draft.nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            for path in (chain(argument) for argument in node.value.args)
            if path is not None
        ]
        return UnitIndex(
            _kind(name, draft.nodes),
            _first_line(first),
            "\n".join(self.text(node) for node in draft.nodes),
            _form(draft.nodes, facts),
            root,
            tuple(one for one in (*facts.now, *extra) if not self.is_instep(one)),
            tuple(facts.later),
            facts.hooks,
        )

    def is_instep(self, action: Action) -> bool:
        """`@step` is on every step and has no effect on anything."""
        sources = self.imports.get(action.ref.path[0], ()) if action.ref.source is None and action.ref.path else ()
        return bool(sources) and all(one.module.partition(".")[0] == "instep" for one in sources)

    def text(self, node: ast.stmt) -> str:
        return "\n".join(self.lines[_first_line(node) - 1 : node.end_lineno])

    def declaration(self, node: ast.stmt) -> Declaration | None:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            path = chain(call.func if call else decorator)
            if path is not None and (path[-1] == "step" or self.means_step(path)):
                return self.declared(node, path, call)
        public = self.public and not node.name.startswith("_")
        return self.declared(node, (), None) if public else None

    def means_step(self, path: tuple[str, ...]) -> bool:
        return len(path) == 1 and any(
            one.name == "step" and one.module == "instep" for one in self.imports.get(path[0], ())
        )

    def declared(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, decorator: tuple[str, ...], call: ast.Call | None
    ) -> Declaration:
        odd = "its options must be keywords" if call and call.args else ""
        keywords = call.keywords if call else []
        if any(one.arg is None for one in keywords):
            odd = "`**` in its options cannot be read from the source"
        options = tuple((one.arg, one.value.lineno, lower(one.value)) for one in keywords if one.arg is not None)
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
        pairs = zip(positional, [*missing, *arguments.defaults], strict=True)
        variadic = next((f"*{one.arg}" for one in (arguments.vararg,) if one), "")
        variadic = variadic or next((f"**{one.arg}" for one in (arguments.kwarg,) if one), "")
        return Declaration(
            node.name,
            node.lineno,
            decorator,
            options,
            (
                *(self.argument(one, default, False) for one, default in pairs),
                *(
                    self.argument(one, default, True)
                    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                ),
            ),
            variadic,
            odd,
        )

    def argument(self, one: ast.arg, default: ast.expr | None, keyword: bool) -> Argument:
        if default is None:
            return Argument(one.arg, one.lineno, keyword, "none")
        if isinstance(default, ast.Call) and (marker := self.marker(default.func)):
            inner = [*default.args, *(keyword.value for keyword in default.keywords)]
            return Argument(one.arg, one.lineno, keyword, marker, lower(inner[0]) if len(inner) == 1 else None)
        return Argument(one.arg, one.lineno, keyword, "value", lower(default))

    def marker(self, function: ast.expr) -> Literal["file", "each"] | None:
        """Whether `File` or `Each` of instep is called, by whatever name it was imported."""
        path = chain(function)
        if path is None:
            return None
        sources = self.imports.get(path[0], [])
        name = path[-1]
        if len(path) == 1 and sources:
            name = sources[0].name
        return _MARKERS.get(name)


def _aliases(drafts: Mapping[str, _Draft]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names that are bound to what another name means: changing the one changes the other."""
    for name, draft in drafts.items():
        for node in draft.nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.Name() | ast.Attribute() as value):
                    path = chain(value)
                    if target == name and path is not None:
                        yield name, path
                case _:
                    pass


def _root_form(
    node: ast.FunctionDef | ast.AsyncFunctionDef, declared: Declaration, public: bool
) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """`node` without its `@step` and without the defaults that count as values of params."""
    is_param = {
        one.name for one in declared.arguments if one.default == "value" and one.lowered and (one.keyword or public)
    }
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaulted = positional[len(positional) - len(arguments.defaults) :]
    # A dropped default leaves a mark, so that an argument that loses its default altogether is a change.
    mark = ast.Constant(value=...)
    defaults = [
        mark if one.arg in is_param else value for one, value in zip(defaulted, arguments.defaults, strict=True)
    ]
    kw_defaults = [
        mark if one.arg in is_param else value
        for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    decorators = [
        one
        for one in node.decorator_list
        if not declared.decorator or chain(one.func if isinstance(one, ast.Call) else one) != declared.decorator
    ]
    fields: dict[str, Any] = {name: getattr(node, name) for name in node._fields if hasattr(node, name)}
    inner: dict[str, Any] = {name: getattr(arguments, name) for name in arguments._fields}
    inner |= {"defaults": defaults, "kw_defaults": kw_defaults}
    fields |= {"args": ast.arguments(**inner), "decorator_list": decorators}
    return type(node)(
        **fields,
        lineno=node.lineno,
        col_offset=node.col_offset,
        end_lineno=node.end_lineno,
        end_col_offset=node.end_col_offset,
    )


def _form(nodes: Iterable[ast.stmt], facts: Facts) -> Form:
    return Form(
        digest("unit/1", [canonical(node) for node in nodes]),
        tuple(facts.refs),
        tuple(facts.late_loads),
        tuple(facts.literals),
        tuple(facts.evals),
        tuple(facts.spots),
    )


def _kind(name: str, nodes: Iterable[ast.stmt]) -> UnitKind:
    if not name:
        return "module_init"
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return "function"
        if isinstance(node, ast.ClassDef) and node.name == name:
            return "class"
    return "constant"


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _constant(node: ast.stmt, name: str) -> Static | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
            return lower(value)
        case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name and value is not None:
            return lower(value)
        case _:
            return None


def _import_text(name: str, source: Import) -> str:
    dots = "." * source.level
    if not source.name:
        return f"import {dots}{source.module}" + ("" if source.module == name else f" as {name}")
    return f"from {dots}{source.module} import {source.name}" + ("" if source.name == name else f" as {name}")
