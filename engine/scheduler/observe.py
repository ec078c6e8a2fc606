"""What a step was seen to depend on: files it opened, folders it listed, environment it read, modules it loaded.

An audit hook cannot be removed, so one is installed per process and does next to nothing while no step runs. It sees
what goes through Python: a file that compiled code opens by itself (Polars, Arrow, DuckDB) is not seen, which is why
paths in the source count through the fingerprint and `File(...)` is the way to declare one.

What modules do while they are imported is kept apart (`Seen`), because modules are executed once for several launches
of the same step and each of these launches depends on it.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, field
from inspect import currentframe
from pathlib import Path
from types import FrameType
from typing import Any

from ..digest import digest
from ..ids import Digest
from .assignment import Observed

_IMPORT_SYSTEM = "<frozen importlib._bootstrap_external>"
_ENVIRON_CODE = {os.__file__, "<frozen os>", "<frozen _collections_abc>", sys.modules["_collections_abc"].__file__}

_PLACEMENT = frozenset(
    {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "TPU_VISIBLE_CHIPS"}
)
"""Variables by which an executor tells a step its devices: where it runs, not what it gives."""


@dataclass(slots=True)
class Seen:
    """What was observed so far."""

    files: set[str] = field(default_factory=set[str])
    env: dict[str, Digest | None] = field(default_factory=dict[str, "Digest | None"])
    modules: set[str] = field(default_factory=set[str])


class Observer:
    """Collects for one launch. `declared` are absolute paths of files or folders that count anyway; `is_user_file`
    tells the user's code files by their absolute path; `mine` whether the calling thread is the step's."""

    def __init__(
        self,
        root: str,
        declared: Collection[str],
        imported: Seen,
        is_user_file: Callable[[str], bool],
        mine: Callable[[], bool],
    ) -> None:
        self._prefix = root.rstrip("/") + "/"
        self._declared = frozenset(declared)
        self._folders = tuple(path.rstrip("/") + "/" for path in declared if Path(path).is_dir())
        self._is_user_file = is_user_file
        self._mine = mine
        self._imported = imported
        self._running = Seen()
        self._written: set[str] = set()
        self.importing = 0
        self._bulk: tuple[int, int] | None = None

    @property
    def _seen(self) -> Seen:
        return self._imported if self.importing else self._running

    def observed(self) -> Observed:
        one, two = self._imported, self._running
        env = {**one.env, **two.env}
        return Observed(
            tuple(sorted(one.modules | two.modules)),
            tuple(sorted(one.files | two.files)),
            {name: env[name] for name in sorted(env)},
        )

    def module(self, name: str) -> None:
        """A first-party module that a static reading did not expect. Modules last as long as what they imported."""
        self._imported.modules.add(name)

    def opened(self, path: object, flags: object) -> None:
        relative = self._relative(path)
        if relative is None or not isinstance(flags, int) or not self._mine():
            return
        access = flags & (os.O_WRONLY | os.O_RDWR)
        if access == os.O_WRONLY or (access and flags & os.O_TRUNC):
            self._written.add(relative)
        elif relative not in self._written:
            self._seen.files.add(relative)

    def listed(self, path: object) -> None:
        relative = self._relative("." if path in (None, "") else path, folder=True)
        if relative is not None and self._mine() and not _by_import_system():
            self._seen.files.add(relative)

    def renamed(self, source: object, target: object) -> None:
        before, after = self._relative(source), self._relative(target)
        if after is not None and (before is None or before in self._written):
            self._written.add(after)

    def read_env(self, name: str, value: str | None, frame: FrameType | None) -> None:
        if name in _PLACEMENT or name.startswith("RAY_"):
            return
        frame = _user_of_environ(frame)
        if frame is None or (id(frame), frame.f_lasti) == self._bulk or not self._mine():
            return
        if self._is_user_file(frame.f_code.co_filename):
            self._seen.env[name] = None if value is None else digest("env/1", value)

    def read_all_env(self, frame: FrameType | None) -> None:
        """`dict(os.environ)` asks for every key from one instruction: passing an environment on is not reading it."""
        frame = _user_of_environ(frame)
        self._bulk = (id(frame), frame.f_lasti) if frame else None

    def _relative(self, path: object, *, folder: bool = False) -> str | None:
        """The path from the root, or None for what does not count."""
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return None
        full = os.path.normpath(path if path.startswith("/") else f"{Path.cwd()}/{path}")
        if folder and full + "/" == self._prefix:
            return "./"
        if not full.startswith(self._prefix) or full in self._declared or full.startswith(self._folders):
            return None
        relative = full[len(self._prefix) :]
        parts = relative.split("/")
        if any(part[0] == "." or part in ("__pycache__", "site-packages") for part in parts):
            return None
        return relative + "/" if folder else relative


_active: Observer | None = None
_installed = False
_lock = threading.Lock()


@contextlib.contextmanager
def observing(observer: Observer) -> Generator[None]:
    """Let `observer` see what happens until the end. One step runs in a process at a time."""
    global _active  # noqa: PLW0603  an audit hook has no other way to what it reports to
    _install()
    before, _active = _active, observer
    environ_class = type(os.environ)
    os.environ.__class__ = _WATCHED
    try:
        yield
    finally:
        os.environ.__class__ = environ_class
        _active = before


_PLAIN = type(os.environ)


def _read(environ: Any, key: Any) -> str:  # Any: user code asks for what it likes; `_PLAIN` refuses what is no text
    observer = _active
    if observer is None or not isinstance(key, str):
        return _PLAIN.__getitem__(environ, key)
    try:
        value = _PLAIN.__getitem__(environ, key)
    except KeyError:
        observer.read_env(key, None, _above(1))
        raise
    observer.read_env(key, value, _above(1))
    return value


def _read_all(environ: Any) -> Iterator[str]:  # Any: an instance of `_WATCHED`
    observer = _active
    if observer is not None:
        observer.read_all_env(_above(1))
    return _PLAIN.__iter__(environ)


_WATCHED = type("_WATCHED", (_PLAIN,), {"__getitem__": _read, "__iter__": _read_all})
"""The class of `os.environ` while a step runs; `.get`, `in` and `os.getenv` all come by `__getitem__`."""


def _install() -> None:
    global _installed  # noqa: PLW0603  once per process
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


def _hook(event: str, args: tuple[Any, ...]) -> None:  # Any: each event has its own arguments
    observer = _active
    if observer is None:
        return
    if event == "open":
        observer.opened(args[0], args[2])
    elif event in ("os.listdir", "os.scandir"):
        observer.listed(args[0])
    elif event == "os.rename":
        observer.renamed(args[0], args[1])
    elif event == "sqlite3.connect":
        observer.opened(args[0], os.O_RDONLY)


def _by_import_system() -> bool:
    frame = _above(3)
    return frame is not None and frame.f_code.co_filename == _IMPORT_SYSTEM


def _above(calls: int) -> FrameType | None:
    """The frame so many calls above the one that asks."""
    frame = currentframe()
    for _ in range(calls + 1):
        frame = frame.f_back if frame is not None else None
    return frame


def _user_of_environ(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename in _ENVIRON_CODE:
        frame = frame.f_back
    return frame


def own_threads() -> Callable[[], bool]:
    """A test for the calling thread: whether it is this one or was started after this call.

    For a process that is shared with others (the inline executor in a test or notebook), whose own threads go on
    reading files and printing meanwhile.
    """
    import psutil

    # `threading.enumerate` does not know the threads that C code or `_thread` started.
    others = {one.id for one in psutil.Process().threads()} - {threading.get_native_id()}
    return lambda: threading.get_native_id() not in others


def every_thread() -> bool:
    """The test for a process that runs nothing but steps."""
    return True
