"""What names mean across files: imports followed through packages, aliases, re-exports and stars, without importing.

The rule of which file an import finds is that of the workers (`scheduler/program.py`): the importing file's own
folder, the folders of step files, then the project's roots. What is not the project's is external.
"""

import builtins
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from .facts import Import, Ref
from .first_party import is_init, is_ours, module_table_of, root_prefixes
from .literals import Static
from .project import Project
from .source_index import FileIndex, IndexCache, UnitIndex
from .step_files import step_files

_BUILTINS: Final = frozenset(dir(builtins))
_DEEPEST: Final = 40


class Node(NamedTuple):
    """A unit of a file; `module`: the whole module as an object; `import`: a name that an import binds;
    `external`: `path` is a top-level name that is not the project's, `name` the dotted rest."""

    kind: Literal["unit", "module", "import", "external"]
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """What follows from the paths alone. `table` maps dotted names to paths, `names` paths to their first name."""

    step_files: list[str]
    folders: frozenset[str]
    roots: list[str]
    step_folders: list[str]
    table: Mapping[str, str]
    names: Mapping[str, str]


class Modules:
    """The files of a project as modules. Immutable in effect: a change makes a new one, sharing what still holds."""

    def __init__(self, project: Project, code: Mapping[str, bytes], index: IndexCache) -> None:
        self.project = project
        self.code = code
        before: Modules | None = index.modules
        same_paths = before is not None and before.project is project and before.code.keys() == code.keys()
        self.layout = before.layout if before is not None and same_paths else _layout(project, code)
        self.step_files, self.table, self.names = self.layout.step_files, self.layout.table, self.layout.names
        self._folders, self._roots = self.layout.folders, self.layout.roots
        self._step_folders = self.layout.step_folders
        marked = frozenset(self.step_files) if project.mark == "public" else frozenset[str]()
        self.files: dict[str, FileIndex] = {path: index.of(path, data, path in marked) for path, data in code.items()}
        self._found: dict[tuple[str, int, str], tuple[str, ...]] = {}
        self._loaded: dict[str, frozenset[str]] = {}

    def same_shape(self, other: "Modules") -> bool:
        """Whether every name still means the same thing: only bodies differ."""
        return (
            self.project is other.project
            and self.files.keys() == other.files.keys()
            and all(
                mine is other.files[path] or mine.shape == other.files[path].shape for path, mine in self.files.items()
            )
        )

    def share(self, other: "Modules") -> None:
        """Take over what `other`, of the same shape, has looked up."""
        self._found, self._loaded = other._found, other._loaded

    def module_of(self, path: str) -> str:
        return self.names.get(path, path)

    def unit(self, node: Node) -> UnitIndex | None:
        return self.files[node.path].units.get(node.name)

    # Files.

    def find(self, importer: str, level: int, module: str) -> tuple[str, ...]:
        """The places (files, or `folder/` for a package without `__init__.py`) that a module name may mean."""
        key = (importer if level else importer.rpartition("/")[0], level, module)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = tuple(self._find(importer, level, module))
        return found

    def _find(self, importer: str, level: int, module: str) -> Iterable[str]:
        folder = importer.rpartition("/")[0]
        if level:
            for _ in range(level - 1):
                folder = folder.rpartition("/")[0]
            place = self._below(folder + "/" if folder else "", module)
            return [place] if place else []
        if not is_ours(module.partition(".")[0]):
            return []
        if folder and (place := self._below(folder + "/", module)):
            return [place]
        beside = [place for prefix in self._step_folders if (place := self._below(prefix, module))]
        if beside:
            return beside
        return [place for prefix in self._roots if (place := self._below(prefix, module))][:1]

    def _below(self, prefix: str, module: str) -> str | None:
        base = prefix + module.replace(".", "/")
        if not module:
            base = prefix.rstrip("/")
            init = f"{base}/__init__.py" if base else "__init__.py"
            return init if init in self.code else base + "/"
        for path in (f"{base}/__init__.py", f"{base}.py"):
            if path in self.code:
                return path
        return base + "/" if base in self._folders else None

    def submodule(self, place: str, name: str) -> str | None:
        if place.endswith("/"):
            return self._below(place if place != "/" else "", name)
        if is_init(place):
            return self._below(place[: -len("__init__.py")], name)
        return None

    # Names.

    def resolve(self, path: str, ref: Ref) -> list[Node]:
        """What a reference in the file `path` means; empty for builtins and names that nobody binds."""
        if ref.source is not None:
            return self.imported(path, ref.source, ref.path)
        return self.lookup(path, ref.path, 0)

    def lookup(self, path: str, names: tuple[str, ...], depth: int) -> list[Node]:
        if not names or depth > _DEEPEST:
            return []
        index, head = self.files[path], names[0]
        found: list[Node] = [Node("unit", path, head)] if head in index.units else []
        if head in index.imports:
            found.append(Node("import", path, head))
            for source in index.imports[head]:
                found += self.imported(path, source, names[1:], depth + 1)
        # A star import below may bind the name again: whatever may be meant counts.
        found += self._starred(path, names, depth, certain=bool(found))
        if found:
            return found
        return [] if head in _BUILTINS or head.startswith("__") else [Node("unit", path, head)]

    def _starred(self, path: str, names: tuple[str, ...], depth: int, *, certain: bool = False) -> list[Node]:
        """What star imports give for a name, of all modules that have it. `certain`: leave out those of other people,
        which may have it or not."""
        found: list[Node] = []
        outside: list[Node] = []
        for star in self.files[path].stars:
            places = self.find(path, star.level, star.module)
            if not places and not certain and names[0] not in _BUILTINS:
                outside.append(Node("external", star.module.partition(".")[0], star.module))
            for place in places:
                members = self._member(place, names, depth + 1, certain=True)
                if not place.endswith("/") and "__all__" in self.files[place].units:
                    found.append(Node("unit", place, "__all__"))
                found += members
        return found or outside

    def imported(self, path: str, source: Import, names: tuple[str, ...], depth: int = 0) -> list[Node]:
        if depth > _DEEPEST:
            return []
        wanted = (source.name, *names) if source.name and source.name != "*" else names
        places = self.find(path, source.level, source.module)
        if places:
            return [node for place in places for node in self._member(place, wanted, depth)]
        if source.level:
            return []
        # `import a.b.c` of a project that has only `a`: the longest part that is ours.
        head, _, rest = source.module.rpartition(".")
        if head and self.find(path, 0, source.module.partition(".")[0]):
            return self.imported(path, Import(0, head), (rest, *wanted), depth + 1)
        return [Node("external", source.module.partition(".")[0], ".".join((source.module, *wanted)))]

    def member(self, path: str, names: tuple[str, ...]) -> list[Node]:
        """What `names` means below the module that the file `path` is."""
        return self._member(path, names, 0)

    def _member(self, place: str, names: tuple[str, ...], depth: int, *, certain: bool = False) -> list[Node]:
        """`names` below the module at `place`. `certain`: only if it is there."""
        if depth > _DEEPEST:
            return []
        is_file = not place.endswith("/")
        if not names:
            return [Node("module", place, "")] if is_file else []
        index = self.files[place] if is_file else None
        if index is not None and (names[0] in index.units or names[0] in index.imports):
            return self.lookup(place, names, depth + 1)
        if sub := self.submodule(place, names[0]):
            return self._member(sub, names[1:], depth + 1)
        if index is None:
            return []
        if starred := self._starred(place, names, depth + 1):
            return starred
        if "__getattr__" in index.units:
            return [Node("unit", place, "__getattr__")]
        if certain or names[0].startswith("__"):
            return []
        return [Node("unit", place, names[0])]

    def constant(self, path: str, names: tuple[str, ...]) -> tuple[str, Static] | None:
        """A `literals.Lookup`: the one constant that a dotted name means."""
        units = [one for one in self.lookup(path, names, 0) if one.kind != "import"]
        if len(units) != 1 or units[0].kind != "unit":
            return None
        static = self.files[units[0].path].constants.get(units[0].name)
        return (
            None
            if static is None or (len(names) > 1 and not self._is_attribute_path(path, names))
            else (units[0].path, static)
        )

    def _is_attribute_path(self, path: str, names: tuple[str, ...]) -> bool:
        """Whether the dots of `names` are those of modules, not attributes of a value."""
        return names[0] in self.files[path].imports and any(
            one.kind == "module" for one in self.lookup(path, names[:-1], 0)
        )

    # Loading.

    def load_targets(self, path: str, sources: Iterable[Import]) -> set[str]:
        """The files that importing `sources` in `path` executes first: modules, and the packages they lie in."""
        found: set[str] = set()
        for source in sources:
            parts = source.module.split(".") if source.module else []
            for count in range(0 if source.level else 1, len(parts) + 1):
                for place in self.find(path, source.level, ".".join(parts[:count])):
                    if count == len(parts) and source.name and source.name != "*":
                        index = None if place.endswith("/") else self.files[place]
                        known = index is not None and (source.name in index.units or source.name in index.imports)
                        if not known and (sub := self.submodule(place, source.name)) and not sub.endswith("/"):
                            found.add(sub)
                    if not place.endswith("/"):
                        found.add(place)
        return found

    def loaded(self, path: str) -> frozenset[str]:
        """All files that are executed when `path` is imported, itself included."""
        found = self._loaded.get(path)
        if found is None:
            seen, todo = {path}, [path, *self._parents(path)]
            while todo:
                one = todo.pop()
                seen.add(one)
                todo += [more for more in self.load_targets(one, self.files[one].loads) if more not in seen]
            found = self._loaded[path] = frozenset(seen)
        return found

    def _parents(self, path: str) -> list[str]:
        folder, found = path.rpartition("/")[0], list[str]()
        while folder:
            init = f"{folder}/__init__.py"
            if init not in self.code:
                break
            found.append(init)
            folder = folder.rpartition("/")[0]
        return found


def modules_of(project: Project, code: Mapping[str, bytes], index: IndexCache) -> tuple[Modules, Modules | None]:
    """The modules of `code`, and those of the call before if they are of the same shape."""
    before: Modules | None = index.modules
    if before is not None and before.code is code and before.project is project:
        return before, before
    now = Modules(project, code, index)
    same = before if before is not None and now.same_shape(before) else None
    if same is not None:
        now.share(same)
    index.modules = now
    return now, same


def _layout(project: Project, code: Collection[str]) -> _Layout:
    files, table = step_files(project, code), module_table_of(project, code)
    return _Layout(
        files,
        _folders(code),
        root_prefixes(project),
        sorted({path.rpartition("/")[0] + "/" for path in files if "/" in path}),
        table,
        {path: name for name, path in reversed([*table.items()])},
    )


def _folders(code: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for path in code:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(found)
