"""What a step's code reaches → `Fingerprint`.

From a step's function everything it refers to is followed, breadth first, so that `via` is a shortest path. With it
count the init of every module that gets imported, and what other modules do to a name when they are imported
(registries that a decorator fills, attributes that are patched from outside).

The fingerprint is a digest of the set of (unit, digest of its own syntax) that was reached, with the import statements
as units of their own: what a name leads to is decided by these alone, so equal sets mean equal programs. A Merkle graph
over strongly connected components would give the same and need the set besides, for the reasons.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from .digest import digest
from .errors import Place
from .facts import Action, Ref
from .fingerprint import Fingerprint, Unit
from .graph import Graph, Step
from .graph_reader import named_nodes
from .ids import Digest, StepName
from .modules import Modules, Node, modules_of
from .project import Project
from .source_index import Form, IndexCache

_FINGERPRINT: Final = "fingerprint/2"


@dataclass(frozen=True, slots=True)
class _Expanded:
    """What a node leads to, looked up once. `unit` lacks only its path (`via`), which depends on where one starts."""

    unit: Unit | None
    following: tuple[Node, ...]
    imports: tuple[str, ...] = ()
    loads: frozenset[str] = frozenset()
    literals: tuple[str, ...] = ()
    spots: tuple[str, ...] = ()
    imports_computed: bool = False


@dataclass(frozen=True, slots=True)
class _Memo:
    """A step's fingerprint and the files it depends on."""

    fingerprint: Fingerprint
    step: Step
    touched: frozenset[str]


@dataclass(slots=True)
class Reach:
    """What has been looked up for one `Modules`; what still holds goes on to the next."""

    modules: Modules
    contributions: Mapping[Node, tuple[Node, ...]]
    expanded: dict[tuple[Node, bool], _Expanded] = field(default_factory=dict[tuple[Node, bool], _Expanded])
    steps: dict[StepName, _Memo] = field(default_factory=dict[StepName, _Memo])


def fingerprint_steps(
    project: Project, graph: Graph, code: Mapping[str, bytes], index: IndexCache
) -> Mapping[StepName, Fingerprint]:
    """The fingerprint of every step of `graph`, which was read from the same `code`."""
    reach = _reach(project, code, index)
    found: dict[StepName, Fingerprint] = {}
    for name, step in graph.steps.items():
        memo = reach.steps.get(name)
        if memo is None or memo.step != step:
            memo = reach.steps[name] = _fingerprint(step, reach)
        found[name] = memo.fingerprint
    return found


def fingerprint_modules(
    project: Project, code: Mapping[str, bytes], index: IndexCache, names: Iterable[str]
) -> Mapping[str, Digest | None]:
    """The fingerprints of whole modules by dotted name; None for one that is not there."""
    reach = _reach(project, code, index)
    found: dict[str, Digest | None] = {}
    for name in names:
        path = reach.modules.table.get(name)
        found[name] = None if path is None else _walk(Node("module", path, ""), False, reach, path, (), ())[0].digest
    return found


def _reach(project: Project, code: Mapping[str, bytes], index: IndexCache) -> Reach:
    modules, _ = modules_of(project, code, index)
    before: Reach | None = index.reach
    if before is not None and before.modules is modules:
        return before
    now = Reach(modules, _contributions(modules))
    if before is not None and modules.same_shape(before.modules) and now.contributions == before.contributions:
        old = before.modules.files
        changed = {path for path, one in modules.files.items() if one is not old[path]}
        now.expanded = {key: one for key, one in before.expanded.items() if key[0].path not in changed}
        now.steps = {name: memo for name, memo in before.steps.items() if not changed & memo.touched}
    index.reach = now
    return now


def _fingerprint(step: Step, reach: Reach) -> _Memo:
    path = step.place.path
    # The default of a param counts as the param's value, unless it could not be read.
    as_root = all(param.known for param in step.params)
    wanted = [node for name in step.options.deps for node in named_nodes(reach.modules, path, name)]
    ignored = [node for name in step.options.ignore for node in named_nodes(reach.modules, path, name)]
    fingerprint, touched = _walk(Node("unit", path, step.name), as_root, reach, path, wanted, ignored)
    return _Memo(fingerprint, step, touched)


def _walk(
    start: Node, as_root: bool, reach: Reach, path: str, wanted: Iterable[Node], ignored: Iterable[Node]
) -> tuple[Fingerprint, frozenset[str]]:
    """Everything that `start` reaches, and the files it lies in. `path` is the file that is executed first."""
    walk = _Walk(reach, set(reach.modules.loaded(path)), set(ignored))
    # What counts without being referred to comes last, so that no path in a reason leads through it.
    walk.go(start, as_root, [*wanted, *(Node("unit", one, "") for one in sorted(walk.loaded))])
    return walk.fingerprint(), walk.touched()


@dataclass(slots=True)
class _Walk:
    """One breadth-first walk. `loaded` are the files that get executed, `ends` what does not count."""

    reach: Reach
    loaded: set[str]
    ends: set[Node]
    came_from: dict[Node, Node | None] = field(default_factory=dict[Node, Node | None])
    todo: deque[Node] = field(default_factory=deque[Node])
    found: list[tuple[Node, _Expanded]] = field(default_factory=list[tuple[Node, _Expanded]])

    def go(self, start: Node, as_root: bool, extra: Iterable[Node]) -> None:
        self.came_from[start] = None
        self.todo.append(start)
        self._empty(start if as_root else None)
        for node in extra:
            self.follow(node, start)
            self._empty(None)

    def _empty(self, root: Node | None) -> None:
        while self.todo:
            node = self.todo.popleft()
            one = _expand(node, node == root, self.reach)
            self.found.append((node, one))
            for following in one.following:
                self.follow(following, node)
            if not one.loads <= self.loaded:
                self.load(one.loads, node)
            self.contributions(node)

    def follow(self, node: Node, source: Node) -> None:
        if node not in self.came_from and node not in self.ends and Node("module", node.path, "") not in self.ends:
            self.came_from[node] = source
            self.todo.append(node)

    def load(self, files: Iterable[str], source: Node) -> None:
        """A function that is reached imports more: what these modules do when they are imported counts too."""
        late = {more for one in files for more in self.reach.modules.loaded(one)} - self.loaded
        self.loaded |= late
        for one in sorted(late):
            self.follow(Node("unit", one, ""), source)
        for known in list(self.came_from):
            self.contributions(known)

    def contributions(self, node: Node) -> None:
        for key in (node, Node("module", node.path, "")):
            for other in self.reach.contributions.get(key, ()):
                if other.path in self.loaded:
                    self.follow(other, node)

    def fingerprint(self) -> Fingerprint:
        units = tuple(replace(one.unit, via=self.via(node)) for node, one in self.found if one.unit is not None)
        summary = sorted([_name_that_counts(unit), unit.digest] for unit in units[1:])
        expanded = [one for _, one in self.found]
        return Fingerprint(
            digest(_FINGERPRINT, units[0].digest if units else "", summary),
            units,
            tuple(sorted({name for one in expanded for name in one.imports})),
            # With a computed import every module may be the one that is meant: none is expected, all are reported.
            ()
            if any(one.imports_computed for one in expanded)
            else tuple(sorted({self.reach.modules.module_of(path) for path in self.loaded})),
            tuple(sorted({text for one in expanded for text in one.literals})),
            tuple(dict.fromkeys(spot for one in expanded for spot in one.spots)),
        )

    def touched(self) -> frozenset[str]:
        return frozenset({*self.loaded, *(node.path for node in self.came_from if node.kind != "external")})

    def via(self, node: Node) -> tuple[str, ...]:
        """The names on the way from the start to `node`."""
        names: list[str] = []
        at: Node | None = node
        while at is not None:
            if at.kind == "unit" or at is node:
                names.append(at.name or self.reach.modules.module_of(at.path))
            at = self.came_from[at]
        return tuple(reversed(names))


def _name_that_counts(unit: Unit) -> str:
    """A definition that moved to another module does the same. A class does not: objects of it that were pickled are
    looked up in its module."""
    return unit.id if unit.kind == "class" else unit.id.partition(":")[2]


def _expand(node: Node, as_root: bool, reach: Reach) -> _Expanded:
    key = (node, as_root)
    found = reach.expanded.get(key)
    if found is None:
        found = reach.expanded[key] = _expansion(node, as_root, reach.modules)
    return found


def _expansion(node: Node, as_root: bool, modules: Modules) -> _Expanded:
    match node.kind:
        case "external":
            third_party = node.path != "instep" and node.path not in sys.stdlib_module_names
            return _Expanded(None, (), (node.path,) if third_party else ())
        case "module":
            index = modules.files[node.path]
            whole = [Node("unit", node.path, name) for name in index.units]
            starred = (more for star in index.stars for more in modules.find(node.path, star.level, star.module))
            passed_on = [Node("module", one, "") for one in starred if not one.endswith("/")]
            named = [
                one for name in index.imports for one in modules.resolve(node.path, Ref(None, (name,))) if one != node
            ]
            return _Expanded(None, tuple(dict.fromkeys((*whole, *passed_on, *named))))
        case "import":
            return _expand_import(node, modules)
        case "unit":
            return _expand_unit(node, as_root, modules)


def _expand_import(node: Node, modules: Modules) -> _Expanded:
    index = modules.files[node.path]
    line, text = index.import_lines[node.name]
    own = digest("import/1", [list(one) for one in index.imports[node.name]])
    name = f"{modules.module_of(node.path)}:{node.name}"
    # A name that a compound statement imports is a unit too, with the condition it depends on.
    name = f"{name} (import)" if node.name in index.units else name
    unit = Unit(name, "constant", own, Place(node.path, line), text, ())
    return _Expanded(unit, (), loads=frozenset(modules.load_targets(node.path, index.imports[node.name])))


def _expand_unit(node: Node, as_root: bool, modules: Modules) -> _Expanded:
    index = modules.files[node.path]
    found = index.units.get(node.name)
    if found is None:
        return _Expanded(None, ())
    form = found.root if as_root and found.root is not None else found.form
    own = Node("unit", node.path, node.name)
    following = dict.fromkeys(
        target for ref in form.refs for target in modules.resolve(node.path, ref) if target != own
    )
    if index.units.get("") is not None:
        following[Node("unit", node.path, "")] = None
    name = f"{modules.module_of(node.path)}:{node.name}"
    spots = tuple(_spots(node, form, modules))
    if form.evals:
        following[Node("module", node.path, "")] = None
    return _Expanded(
        Unit(name, found.kind, form.digest, Place(node.path, found.line), found.source, ()),
        tuple(following),
        loads=frozenset(modules.load_targets(node.path, form.late_loads)),
        literals=form.literals,
        spots=spots,
        imports_computed=any(name == "import" for name, _ in form.spots),
    )


def _spots(node: Node, form: Form, modules: Modules) -> Iterator[str]:
    for name, line in form.evals:
        if name and name in modules.files[node.path].units:
            continue
        module = modules.module_of(node.path)
        yield f"{Place(node.path, line)}: what `{name}` runs cannot be read from the source; all of {module} counts"
    for name, line in form.spots:
        if name == "import":
            yield f"{Place(node.path, line)}: a module is imported by a computed name; it counts once it was seen to be"
        else:
            yield f"{Place(node.path, line)}: `{name}` with a computed name; which attribute it finds cannot be read"


# Effects of imported modules on the names of others.


def _contributions(modules: Modules) -> dict[Node, tuple[Node, ...]]:
    """Unit (or whole module) → the units whose execution, when their module is imported, changes it."""
    found: dict[Node, dict[Node, None]] = {}
    mutated: dict[Node, frozenset[Node]] = {}
    for path, index in modules.files.items():
        for name, unit in index.units.items():
            source = Node("unit", path, name)
            for action in unit.now:
                for target in _affected(path, action, modules, mutated):
                    if target != source:
                        found.setdefault(target, {})[source] = None
    return {target: tuple(sources) for target, sources in found.items()}


def _affected(path: str, action: Action, modules: Modules, mutated: dict[Node, frozenset[Node]]) -> Iterator[Node]:
    ref = action.ref
    if action.act in ("strong", "target"):
        names = ref.path[:-1] if action.act == "strong" and len(ref.path) > 1 else ref.path
        for node in _with_aliased(modules.resolve(path, Ref(ref.source, names)), modules):
            if node.kind in ("unit", "module") and not (node.kind == "unit" and node.path == path and not node.name):
                yield node
    for node in modules.resolve(path, ref):
        if node.kind != "unit":
            continue
        unit = modules.unit(node)
        if unit is None:
            continue
        if action.act == "base" and unit.hooks:
            yield node
        if action.act in ("call", "base", "strong"):
            yield from _mutated_by(node, modules, mutated)


def _with_aliased(nodes: Iterable[Node], modules: Modules) -> Iterator[Node]:
    """Names, and what they are only other names for (`alias = NAMES`)."""
    seen: set[Node] = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        path = modules.files[node.path].aliases.get(node.name) if node.kind == "unit" else None
        if path is not None:
            todo += modules.resolve(node.path, Ref(None, path))


def _mutated_by(node: Node, modules: Modules, mutated: dict[Node, frozenset[Node]]) -> frozenset[Node]:
    """The units that calling `node` changes, directly or through what it calls."""
    known = mutated.get(node)
    if known is not None:
        return known
    mutated[node] = frozenset()  # what calls itself in a circle adds nothing by that
    unit = modules.unit(node)
    found: set[Node] = set()
    for action in unit.later if unit is not None else ():
        found.update(one for one in _affected(node.path, action, modules, mutated) if one != node)
    mutated[node] = frozenset(found)
    return mutated[node]
