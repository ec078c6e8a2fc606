"""What a step replaces of Python itself (`builtins.print = …`, `json.dumps = …`) is put back: this process goes on.

Only what was there before; a name that a library adds stays, because the library does. Monkey patches of other modules
stay as well: `isolate=True` is for steps that need them gone.
"""

import builtins
import io
import json
import os
import pickle
import threading
import time
from collections.abc import Callable
from types import ModuleType

_BUILTINS = builtins.__dict__
_LEANT_ON: tuple[ModuleType, ...] = (builtins, os, os.path, io, json, pickle, threading, time)
"""What instep in the worker and Ray's loop around it could not go on without."""
_missing = object()


def builtins_now() -> Callable[[], None]:
    """A function that puts back what was replaced of the builtins since; cheap enough for every item."""
    was = _BUILTINS.copy()
    return lambda: _put_back(_BUILTINS, was)


def modules_now() -> Callable[[], None]:
    """A function that puts back what was replaced since of all that this process leans on."""
    kept = [(one.__dict__, one.__dict__.copy()) for one in _LEANT_ON]

    def put_back() -> None:
        for now, was in kept:
            _put_back(now, was)

    return put_back


def _put_back(now: dict[str, object], was: dict[str, object]) -> None:
    """Nothing here is looked up among the builtins, which may be anything at this moment."""
    try:
        if now == was:  # values that are the same object are not asked
            return
    except:  # noqa: E722  a replacement may be anything, `BaseException` too
        pass
    for name, value in was.items():
        if now.get(name, _missing) is not value:
            now[name] = value
