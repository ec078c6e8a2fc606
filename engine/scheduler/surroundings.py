"""What a step finds around it and may change: working folder, environment, import path. All of it is put back.

A warm worker runs one step after another; the next one must find what a fresh process would.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any] | int | None  # Any: as `signal.getsignal` says
_PACKAGE_PARENT = str(Path(__file__).parents[3])


@contextlib.contextmanager
def surroundings(root: str, env: Mapping[str, str | None]) -> Generator[None]:
    """Work in `root` with `env` applied (None unsets), the project's folders off `sys.path`; undo everything after."""
    cwd, environment = _cwd(), dict(os.environ)
    path, arguments, recursion = list(sys.path), list(sys.argv), sys.getrecursionlimit()
    trace, profile, collecting = sys.gettrace(), sys.getprofile(), gc.isenabled()
    handlers = _signal_handlers()
    switch, hook = sys.getswitchinterval(), sys.excepthook
    try:
        os.chdir(root)
        _apply(env)
        sys.path[:] = [entry for entry in path if not _in_project(entry, root)]
        sys.argv[:] = [""]
        yield
    finally:
        if sys.gettrace() is not trace:
            sys.settrace(trace)
        if sys.getprofile() is not profile:
            sys.setprofile(profile)
        sys.excepthook = hook
        sys.setswitchinterval(switch)
        sys.setrecursionlimit(recursion)
        sys.path[:], sys.argv[:] = path, arguments
        (gc.enable if collecting else gc.disable)()
        _restore_environment(environment)
        _restore_handlers(handlers)
        os.chdir(cwd)


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "/"


def _apply(env: Mapping[str, str | None]) -> None:
    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _restore_environment(before: Mapping[str, str]) -> None:
    now = dict(os.environ)
    if now == before:
        return
    _apply({name: before.get(name) for name in {*now, *before} if now.get(name) != before.get(name)})


def _in_project(entry: str, root: str) -> bool:
    """Whether a `sys.path` entry would find the project's own modules; those come from the bundle alone."""
    full = os.path.normpath(Path.cwd() / entry)
    if full != root and not full.startswith(root + "/"):
        return False
    installed = any(full.startswith(prefix + "/") for prefix in (sys.prefix, sys.base_prefix) if prefix != root)
    return not (installed or "site-packages" in full or full == _PACKAGE_PARENT)


def _signal_handlers() -> dict[signal.Signals, _Handler]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1)}


def _restore_handlers(handlers: Mapping[signal.Signals, _Handler]) -> None:
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler and handler is not None:
            signal.signal(number, handler)
