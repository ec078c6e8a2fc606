"""Code by content hash: what a run was planned with is what its workers execute, whatever the folder holds by then.

A bundle is a manifest object `<code>.code` and one object `<file_hash>.src` for each file. In the worker a meta-path
finder serves the first-party modules of the active bundle, never from the working folder and never from `.pyc` (an
edit of the same size within a second imports stale bytecode). `__file__` and tracebacks name the real files in the
project, so that data beside a module is found and editors jump to the line.

Module objects live as long as one step of one run in one worker: `functools.cache` and module globals then last over
the items of a batch, but never reach another run with something computed from files that have changed since. What is
kept over runs is compiled code, by file hash: executing the modules of a step anew takes about a millisecond.

Names: the standard library, and what instep itself needs to store a result, win over project files of the same
top-level name; project files win over everything else that is installed.
"""

import contextlib
import importlib
import importlib.abc
import importlib.util
import json
import linecache
import os
import sys
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.readers import FileReader
from types import CodeType, ModuleType

from ..digest import digest, digest_bytes
from ..errors import MissingObject
from ..ids import Digest
from ..snapshots.objects import ObjectStore
from .observe import Observer, Seen

MANIFEST = "code"
SOURCE = "src"
_KEPT_BUNDLES = 8
_KEPT_CODE = 5_000
PROTECTED = frozenset({"instep", "ray", "numpy", "polars", "pyarrow", "pandas", "blake3", "cloudpickle", "matplotlib"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """`modules`: dotted names → paths, the first name of a path being the one it is known by; `files`: paths → hashes.

    Paths are relative to the project's root.
    """

    code: Digest
    modules: Mapping[str, str]
    files: Mapping[str, Digest]
    canonical: Mapping[str, str] = field(init=False)
    packages: frozenset[str] = field(init=False)
    tops: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", {path: name for name, path in reversed([*self.modules.items()])})
        object.__setattr__(self, "packages", frozenset(_with_parents(self.modules)))
        object.__setattr__(self, "tops", frozenset(name.partition(".")[0] for name in self.modules))

    def folder_of(self, package: str) -> str:
        """The folder of a namespace package: that of a file below it, as many levels up as its name is longer."""
        name, path = next(one for one in self.modules.items() if one[0].startswith(package + "."))
        levels = name.count(".") - package.count(".") + (os.path.basename(path) == "__init__.py")
        return "/".join(path.split("/")[:-levels])


def _with_parents(names: Collection[str]) -> set[str]:
    """`a.b.c` → `a`, `a.b`, `a.b.c`."""
    found = set(names)
    for name in names:
        while (name := name.rpartition(".")[0]) and name not in found:
            found.add(name)
    return found


def code_digest(files: Mapping[str, Digest], modules: Mapping[str, str]) -> Digest:
    return digest("code/1", [[path, files[path]] for path in sorted(files)], [[*pair] for pair in modules.items()])


_written: dict[str, set[Digest]] = {}


def write_bundle(objects: ObjectStore, files: Mapping[str, bytes], modules: Mapping[str, str]) -> Digest:
    """Store what is new of `files` (path → source) and the manifest; returns the code digest.

    `modules` maps every first-party dotted name to a path in `files`; where a path has several, the first is the one
    that observations are reported by.
    """
    hashes = {path: digest_bytes(data) for path, data in files.items()}
    code = code_digest(hashes, modules)
    if objects.has(code, MANIFEST):
        return code
    known = _written.setdefault(str(objects.store), set())
    for path, file_hash in hashes.items():
        if file_hash not in known:
            if not objects.has(file_hash, SOURCE):
                objects.put(file_hash, SOURCE, files[path])
            known.add(file_hash)
    manifest = {"modules": dict(modules), "files": hashes}
    objects.put(code, MANIFEST, json.dumps(manifest, separators=(",", ":")).encode())
    return code


def read_bundle(objects: ObjectStore, code: Digest) -> Bundle:
    """Raises MissingObject."""
    manifest = json.loads(_read(objects, code, MANIFEST))
    return Bundle(code, manifest["modules"], manifest["files"])


def _read(objects: ObjectStore, content_hash: Digest, kind: str) -> bytes:
    try:
        return objects.path(content_hash, kind).read_bytes()
    except FileNotFoundError as error:
        raise MissingObject(f"the code object {content_hash}.{kind} is not in the store") from error


@dataclass(frozen=True, slots=True)
class _Compiled:
    code: CodeType
    source: str


_code: OrderedDict[tuple[str, Digest], _Compiled] = OrderedDict()
_bundles: OrderedDict[tuple[str, Digest], Bundle] = OrderedDict()


def cached_bundle(objects: ObjectStore, code: Digest) -> Bundle:
    """`read_bundle`, with the last few kept."""
    key = (str(objects.store), code)
    if key not in _bundles:
        _bundles[key] = read_bundle(objects, code)
    _bundles.move_to_end(key)
    while len(_bundles) > _KEPT_BUNDLES:
        _bundles.popitem(last=False)
    return _bundles[key]


class Program:
    """The modules of one bundle as they are executed for one step, and the finder that serves them."""

    def __init__(self, bundle: Bundle, objects: ObjectStore, root: str, expected: Collection[str]) -> None:
        self.bundle = bundle
        self.objects = objects
        self.root = root
        self.imported = Seen()
        self.observer: Observer | None = None
        self._expected = {bundle.modules[name] for name in _with_parents(expected) if name in bundle.modules}
        self._loaded: dict[str, ModuleType] = {}
        self._served: set[str] = set()

    def full_path(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.root, path))

    def user_file(self, filename: str) -> str | None:
        """A file name as code objects have it → the path of a file of the bundle, None for anything else."""
        prefix = self.root + "/"
        path = filename[len(prefix) :] if filename.startswith(prefix) else os.path.relpath(filename, self.root)
        return path if path in self.bundle.files else None

    def is_user_file(self, filename: str) -> bool:
        return filename.startswith("/") and self.user_file(filename) is not None

    @contextlib.contextmanager
    def active(self, observer: Observer) -> Iterator[None]:
        """Serve this program's modules; afterwards whatever the process had under their names is back."""
        self.observer = observer
        hidden = _hide(self.bundle.tops)
        finder = _Finder(self)
        sys.modules.update(self._loaded)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            for name in self._served:
                if module := sys.modules.pop(name, None):
                    self._loaded[name] = module
                if path := self.bundle.modules.get(name):
                    linecache.cache.pop(self.full_path(path), None)
            sys.modules.update(hidden)
            self.observer = None

    def served(self, name: str) -> None:
        self._served.add(name)
        path = self.bundle.modules.get(name)
        if path is not None and path not in self._expected and self.observer is not None:
            self.observer.module(self.bundle.canonical[path])

    def compiled(self, path: str) -> _Compiled:
        """The code of a file, compiled at most once in a process. Raises SyntaxError."""
        filename = self.full_path(path)
        key = (filename, self.bundle.files[path])
        found = _code.get(key)
        if found is None:
            data = _read(self.objects, self.bundle.files[path], SOURCE)
            source = importlib.util.decode_source(data) if _decodable(data) else data.decode("utf-8", "replace")
            _remember(filename, source)
            found = _code[key] = _Compiled(compile(data, filename, "exec", dont_inherit=True), source)
            while len(_code) > _KEPT_CODE:
                _code.popitem(last=False)
        _remember(filename, found.source)
        return found


def _decodable(data: bytes) -> bool:
    try:
        importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError):
        return False
    return True


def _remember(filename: str, source: str) -> None:
    """Tracebacks show the bundle's lines. Without a time of change, `linecache` does not compare with the disk."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


def _hide(tops: frozenset[str]) -> dict[str, ModuleType]:
    """Take away what the process has imported under the project's top-level names."""
    taken = {top for top in tops if top in sys.modules and _ours(top)}
    if not taken:
        return {}
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in taken}


def _ours(top: str) -> bool:
    """Whether a top-level name may be the project's."""
    return top not in PROTECTED and top not in sys.stdlib_module_names


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, program: Program) -> None:
        self._program = program

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        bundle, program = self._program.bundle, self._program
        top, dot, _ = fullname.partition(".")
        if top not in bundle.tops or not _ours(top):
            return None
        file = bundle.modules.get(fullname)
        if file is None and fullname not in bundle.packages:
            return None
        program.served(fullname)
        if file is None:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [program.full_path(bundle.folder_of(fullname))]
            return spec
        canonical = bundle.canonical[file]
        if canonical != fullname:
            return ModuleSpec(fullname, _Alias(canonical))
        filename = program.full_path(file)
        package = os.path.basename(file) == "__init__.py"
        spec = ModuleSpec(fullname, _Loader(program, file), origin=filename, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(filename)]
        return spec


class _Alias(importlib.abc.Loader):
    """A second name for a module, such as `helpers` for `steps.helpers`: there is one object, not two."""

    def __init__(self, canonical: str) -> None:
        self._canonical = canonical

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self._canonical)


class _Loader(importlib.abc.InspectLoader):
    def __init__(self, program: Program, path: str) -> None:
        self._program = program
        self.file = path
        self.path = program.full_path(path)

    def exec_module(self, module: ModuleType) -> None:
        code = self._program.compiled(self.file).code
        observer = self._program.observer
        if observer is not None:
            observer.importing += 1
        try:
            exec(code, module.__dict__)
        finally:
            if observer is not None:
                observer.importing -= 1

    def is_package(self, fullname: str) -> bool:
        return os.path.basename(self.file) == "__init__.py"

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_source(self, fullname: str) -> str:
        return self._program.compiled(self.file).source

    def get_code(self, fullname: str) -> CodeType:
        return self._program.compiled(self.file).code

    def get_resource_reader(self, fullname: str) -> FileReader:
        """`importlib.resources` reads the real files beside the module, where the audit hook sees it."""
        return FileReader(self)

    def get_data(self, path: str) -> bytes:
        """A file beside a module, by its full path: from the bundle where it is part of it."""
        relative = self._program.user_file(path)
        if relative is None:
            with open(path, "rb") as file:
                return file.read()
        if self._program.observer is not None:
            self._program.observer.opened(path, os.O_RDONLY)
        return _read(self._program.objects, self._program.bundle.files[relative], SOURCE)
