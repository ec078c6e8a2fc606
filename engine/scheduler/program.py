"""Executes the code of a bundle: a meta-path finder that serves first-party modules by their hashes.

Nothing comes from the working folder or from `.pyc` (an edit of the same size within a second imports stale bytecode).
`__file__` and tracebacks name the real files in the project, so that data beside a module is found and editors jump to
the line; the lines shown are the bundle's.

Module objects live as long as one step of one run in one worker: `functools.cache` and module globals then last over
the items of a batch, but never reach another run with something computed from files that have changed since. What is
kept over runs is compiled code, by file hash: executing the modules of a step anew takes about a millisecond.

Names: the standard library, and what instep itself needs to store a result, win over project files of the same
top-level name; project files win over everything else that is installed. The folder of the importing file and that of
the step's file come before the roots. A file is one module, whatever names it is imported by.
"""

import contextlib
import importlib
import importlib.abc
import importlib.util
import linecache
import os
import sys
from collections import OrderedDict
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.resources.abc import TraversableResources
from inspect import currentframe
from pathlib import Path
from types import CodeType, FrameType, ModuleType

from ..first_party import is_init, is_ours
from ..ids import Digest
from ..snapshots.objects import ObjectStore
from ..snapshots.pickle_format import listen
from .bundle import SOURCE, Bundle, with_parents
from .observe import Observer, Seen

_KEPT_CODE = 5_000


@dataclass(frozen=True, slots=True)
class _Compiled:
    code: CodeType
    source: str


_code: OrderedDict[tuple[str, Digest], _Compiled] = OrderedDict()


class Program:
    """The modules of one bundle as they are executed for one step (in `module`). `expected` are the modules that a
    static reading knows of; all others that get imported are reported to the observer."""

    def __init__(self, bundle: Bundle, objects: ObjectStore, root: str, module: str, expected: Collection[str]) -> None:
        self.bundle = bundle
        self.objects = objects
        self.root = root
        self.imported = Seen()
        self.observer: Observer | None = None
        self.folder = bundle.modules.get(module, "").rpartition("/")[0]
        self._expected = {bundle.modules[name] for name in with_parents({*expected, module}) if name in bundle.modules}
        self._loaded: dict[str, ModuleType] = {}
        self._served: set[str] = set()

    def full_path(self, path: str) -> str:
        return os.path.normpath(f"{self.root}/{path}")

    def user_file(self, filename: str) -> str | None:
        """A file name as code objects have it → the path of a file of the bundle, None for anything else."""
        prefix = self.root + "/"
        if not filename.startswith("/"):
            return None
        path = filename[len(prefix) :] if filename.startswith(prefix) else os.path.relpath(filename, self.root)
        return path if path in self.bundle.files else None

    def is_user_file(self, filename: str) -> bool:
        return self.user_file(filename) is not None

    @contextlib.contextmanager
    def active(self, observer: Observer) -> Generator[None]:
        """Serve this program's modules; afterwards whatever the process had under their names is back."""
        self.observer = observer
        hidden = _hide(self._tops())
        finder = _Finder(self)
        listen(self._unpickled)
        sys.modules.update(self._loaded)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            listen(None)
            sys.meta_path.remove(finder)
            for name in self._served:
                if module := sys.modules.pop(name, None):
                    self._loaded[name] = module
                if path := self.bundle.modules.get(name):
                    linecache.cache.pop(self.full_path(path), None)
            sys.modules.update(hidden)
            self.observer = None

    def _tops(self) -> set[str]:
        """The top-level names that mean the project's files."""
        tops = {name.partition(".")[0] for name in self.bundle.modules}
        prefix = self.folder + "/"
        return tops | {
            path[len(prefix) :].partition("/")[0].removesuffix(".py")
            for path in self.bundle.files
            if path.startswith(prefix)
        }

    def find(self, name: str, importer: FrameType | None) -> str | None:
        """The canonical name of what `name` means to `importer`; None if it is not the project's."""
        bundle = self.bundle
        package, _, last = name.rpartition(".")
        if last not in bundle.stems:
            return None
        if package:
            parent = sys.modules.get(package)
            name = f"{parent.__name__}.{last}" if parent is not None else name
        elif not is_ours(name):
            return None
        elif beside := self._beside(name, importer):
            return bundle.canonical[beside]
        if name in bundle.modules:
            return bundle.canonical[bundle.modules[name]]
        return name if name in bundle.packages else None

    def _beside(self, name: str, importer: FrameType | None) -> str | None:
        """A file or package of that name in the importing file's folder, or in the step's."""
        caller = importer
        while caller is not None and caller.f_code.co_filename.startswith("<frozen importlib"):
            caller = caller.f_back
        file = self.user_file(caller.f_code.co_filename) if caller is not None else None
        for folder in (self.folder if file is None else file.rpartition("/")[0], self.folder):
            for path in (f"{folder}/{name}.py", f"{folder}/{name}/__init__.py") if folder else ():
                if path in self.bundle.canonical:
                    return path
        return None

    def served(self, name: str, canonical: str) -> None:
        """Note that a module is imported."""
        self._served.add(name)
        path = self.bundle.modules.get(canonical)
        if path is not None and path not in self._expected and self.observer is not None:
            self.observer.module(canonical)

    def _unpickled(self, module: str) -> None:
        """A value that the step gets is of a class in `module`: what that class does counts for this step too."""
        path = self.bundle.modules.get(module)
        if path is not None and self.observer is not None:
            self.observer.module(self.bundle.canonical[path])

    def compiled(self, path: str) -> _Compiled:
        """The code of a file, compiled at most once in a process. Raises SyntaxError."""
        filename = self.full_path(path)
        key = (filename, self.bundle.files[path])
        found = _code.get(key)
        if found is None:
            data = self.objects.read(self.bundle.files[path], SOURCE)
            source = _decoded(data)
            _remember(filename, source)
            found = _code[key] = _Compiled(compile(data, filename, "exec", dont_inherit=True), source)
            while len(_code) > _KEPT_CODE:
                _code.popitem(last=False)
        _remember(filename, found.source)
        return found


def _decoded(data: bytes) -> str:
    try:
        return importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError):  # compile() is about to say so, with the place
        return data.decode("utf-8", "replace")


def _remember(filename: str, source: str) -> None:
    """Tracebacks show the bundle's lines. Without a time of change, `linecache` does not compare with the disk."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


def _hide(tops: Collection[str]) -> dict[str, ModuleType]:
    """Take away what the process has imported under the project's top-level names."""
    taken = {top for top in tops if top in sys.modules and is_ours(top)}
    if not taken:
        return {}
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in taken}


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, program: Program) -> None:
        self._program = program

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        program = self._program
        here = currentframe()
        name = program.find(fullname, here.f_back if here is not None else None)
        if name is None:
            return None
        program.served(fullname, name)
        if name != fullname:
            return ModuleSpec(fullname, _Alias(name))
        file = program.bundle.modules.get(name)
        if file is None:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [program.full_path(program.bundle.namespace_folder(name))]
            return spec
        filename = program.full_path(file)
        spec = ModuleSpec(fullname, _Loader(program, file), origin=filename, is_package=is_init(file))
        spec.has_location = True
        if is_init(file):
            spec.submodule_search_locations = [filename.rpartition("/")[0]]
        return spec


class _Alias(importlib.abc.Loader):
    """A second name for a module, such as `helpers` for `steps.helpers`: there is one object, not two."""

    def __init__(self, canonical: str) -> None:
        self._canonical = canonical

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self._canonical)


class _Beside(TraversableResources):
    """`importlib.resources` reads the real files beside a module, where the audit hook sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> Path:
        return self._folder


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
        return is_init(self.file)

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_source(self, fullname: str) -> str:
        return self._program.compiled(self.file).source

    def get_code(self, fullname: str) -> CodeType:
        return self._program.compiled(self.file).code

    def get_resource_reader(self, fullname: str) -> TraversableResources:
        return _Beside(Path(self.path).parent)

    def get_data(self, path: str) -> bytes:
        """A file beside a module, by its full path: from the bundle where it is part of it."""
        relative = self._program.user_file(path)
        if relative is None:
            return Path(path).read_bytes()
        if self._program.observer is not None:
            self._program.observer.opened(path, os.O_RDONLY)
        return self._program.objects.read(self._program.bundle.files[relative], SOURCE)
