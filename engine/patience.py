"""Asking an object of the user's for its text without waiting for ever: a `__repr__` may compute for minutes.

The question is put on a thread of its own, which is given up when it takes too long: an exception is raised in it, so
that a loop ends, and who asked goes on. A class that was slow once is not asked again; an edited one is another class.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakSet

Answer = TypeVar("Answer")
SECONDS = 0.5
_slow: "WeakSet[type]" = WeakSet()


class TooSlow(Exception):
    """The object did not answer in time."""


class _GiveUp(BaseException):
    """Raised in the thread that took too long."""


def within(value: object, ask: Callable[[], Answer], seconds: float = SECONDS) -> Answer:
    """What `ask` answers about `value`; raises what it raises, and TooSlow if that takes longer than `seconds`."""
    if type(value) in _slow:
        raise TooSlow
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def work() -> None:
        with contextlib.suppress(_GiveUp):
            try:
                answers.append(ask())
            except Exception as error:
                errors.append(error)
            except _GiveUp:
                raise
            except BaseException as error:  # a SystemExit here would end nothing but this thread
                errors.append(RuntimeError(f"{type(error).__name__} was raised"))

    thread = threading.Thread(target=work, name="instep-asking", daemon=True)
    thread.start()
    thread.join(seconds)
    if answers:
        return answers[0]
    if errors:
        raise errors[0]
    _slow.add(type(value))
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_GiveUp))
    raise TooSlow
