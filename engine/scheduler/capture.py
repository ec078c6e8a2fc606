"""What a step says, line by line: `print`, `logging`, `warnings`, and in worker processes what C code writes.

`sys.stdout` and `sys.stderr` become streams that live as long as the process and know which launch is running, because
user code keeps references to them (a `StreamHandler` made at import time). The root logger gets one handler, ours, for
the time of the step: messages from INFO up are kept, or from the level that `logging.basicConfig` in the step asks for.
"""

import codecs
import contextlib
import ctypes
import faulthandler
import io
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator
from typing import Any, TextIO

from .live import MAX_LINE, LiveFile

_REPLACED_SECONDS = 1.0
Emit = Callable[[str, bool], None]


class Lines:
    """Cuts what arrives into lines; of a line that a progress bar overwrites with `\\r` only the last state counts."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._rest = ""
        self._shown_at = 0.0
        self._lock = threading.RLock()

    def feed(self, text: str) -> None:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._emit(_last_state(line), False)
            if "\r" in self._rest:
                self._overwritten()
            elif len(self._rest) > 4 * MAX_LINE:
                self.finish()

    def finish(self) -> None:
        with self._lock:
            if state := _last_state(self._rest):
                self._emit(state, False)
            self._rest = ""

    def _overwritten(self) -> None:
        state = _last_state(self._rest)
        self._rest = "\r" + state
        now = time.monotonic()
        if state and now - self._shown_at >= _REPLACED_SECONDS:
            self._shown_at = now
            self._emit(state, True)


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2] if "\r" in line else line


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`: bytes are text that may be broken."""

    def __init__(self, stream: "Stream") -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # Any: whatever has a buffer, as io declares it
        view = memoryview(data)
        self._stream.write(self._decoder.decode(view.tobytes()))
        return view.nbytes

    def fileno(self) -> int:
        return self._stream.fileno()


class Stream(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr`. Threads that are not the step's still reach the one it replaced."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: Lines | None = None
        self.original: TextIO | None = None
        self.mine: Callable[[], bool] = bool
        self.buffer = _Bytes(self)

    def writable(self) -> bool:
        return True

    def write(self, text: object, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        lines = self.lines
        if lines is not None and self.mine():
            lines.feed(text)
        elif self.original is not None:
            self.original.write(text)
        return len(text)

    def flush(self) -> None:
        if self.original is not None and self.lines is None:
            self.original.flush()

    def close(self) -> None:
        """A step that closes its stdout must not silence those after it."""

    def fileno(self) -> int:
        if self.original is None:
            raise io.UnsupportedOperation("fileno")
        return self.original.fileno()

    def isatty(self) -> bool:
        return False


STDOUT = Stream("<stdout>")
STDERR = Stream("<stderr>")


class _Records(logging.Handler):
    """Takes log records, but for those that a handler of the user's prints anyway."""

    def __init__(self, live: LiveFile) -> None:
        super().__init__()
        self._live = live
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if _is_printed(record):
            return
        try:
            text = self.format(record)
        except Exception as error:
            text = f"{record.msg!r} could not be formatted: {error}"
        if record.name != "root":
            text = f"{record.name}: {text}"
        for line in text.splitlines() or [""]:
            self._live.log("logging", record.levelname.lower(), line)


def _is_printed(record: logging.LogRecord) -> bool:
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        if any(record.levelno >= one.level and _prints(one) for one in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _prints(handler: logging.Handler) -> bool:
    return getattr(handler, "stream", None) in (STDOUT, STDERR)


@contextlib.contextmanager
def capture(live: LiveFile, *, mine: Callable[[], bool], process: bool) -> Generator[None]:
    """Send everything to `live` until the end. `mine` says whether the calling thread is the step's; `process` that
    this process runs nothing but steps, so that its descriptors and its crash handler can be had as well."""
    with contextlib.ExitStack() as stack:
        if process:
            stack.enter_context(_descriptors(live))
        stack.enter_context(_stream("stdout", STDOUT, live, mine))
        stack.enter_context(_stream("stderr", STDERR, live, mine))
        stack.enter_context(_stdin())
        stack.enter_context(_logging(live))
        stack.enter_context(_warnings(live))
        yield


@contextlib.contextmanager
def _stream(name: str, stream: Stream, live: LiveFile, mine: Callable[[], bool]) -> Generator[None]:
    before: TextIO | None = getattr(sys, name)
    lines = Lines(lambda text, replaced: live.log(name, "", text, replaced=replaced))
    stream.original, stream.lines, stream.mine = before, lines, mine
    setattr(sys, name, stream)
    try:
        yield
    finally:
        setattr(sys, name, before)
        lines.finish()
        stream.lines = None


@contextlib.contextmanager
def _stdin() -> Generator[None]:
    """A step that waits for input would wait for ever; `input()` raises EOFError instead."""
    before, sys.stdin = sys.stdin, io.StringIO()
    hook, sys.breakpointhook = sys.breakpointhook, _no_breakpoint
    try:
        yield
    finally:
        sys.stdin, sys.breakpointhook = before, hook


def _no_breakpoint(*_args: object, **_kwargs: object) -> None:
    print("breakpoint() does nothing inside a run: there is no terminal to debug in", file=sys.stderr)


@contextlib.contextmanager
def _logging(live: LiveFile) -> Generator[None]:
    root, disabled, configure = logging.getLogger(), logging.root.manager.disable, logging.basicConfig
    handlers, level, filters = root.handlers, root.level, root.filters
    records = _Records(live)

    def basic_config(**options: Any) -> None:  # Any: what logging.basicConfig takes
        """What a script asks for with it, but that the console it would print to is us."""
        root.removeHandler(records)
        before = list(root.handlers)
        configure(**options)
        root.handlers = [one for one in root.handlers if one in before or not _prints(one)]
        root.addHandler(records)

    root.handlers, root.filters = [records], []
    root.setLevel(logging.INFO)
    logging.basicConfig = basic_config
    try:
        yield
    finally:
        logging.basicConfig = configure
        root.handlers, root.filters = handlers, filters
        root.setLevel(level)
        logging.disable(disabled)


@contextlib.contextmanager
def _warnings(live: LiveFile) -> Generator[None]:
    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
    ) -> None:
        text = str(message).strip()
        for line in f"{category.__name__}: {text} ({filename}:{lineno})".splitlines():
            live.log("warnings", "warning", line)

    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _descriptors(live: LiveFile) -> Generator[None]:
    """Point 1 and 2 at the live file. A pipe with a reading thread would deadlock when C code fills it without
    letting go of the interpreter lock, and would lose a dying process' last words."""
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    for descriptor, _ in saved:
        os.dup2(live.fd, descriptor)
    reported = faulthandler.is_enabled()
    faulthandler.enable(live.fd, all_threads=False)
    try:
        yield
    finally:
        _c_library().fflush(None)
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
        faulthandler.disable()
        if reported:
            faulthandler.enable(2, all_threads=False)


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
