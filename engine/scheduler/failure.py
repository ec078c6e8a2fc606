"""Why a step failed, as text, made in the worker: a user's exception may not survive the way to another process.

Only the user's own frames are kept in full, with what their locals looked like; runs of library frames shrink to a
line. Everything here distrusts what it looks at: a `repr` may raise, be huge, or hold a password.
"""

import contextlib
import linecache
import re
import reprlib
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from types import FrameType, TracebackType

from ..errors import InstepError
from ..patience import TooSlow, within
from .assignment import Failure, Frame
from .live import tail
from .masking import MASK, is_secret

MAX_LOCALS = 12
MAX_TEXT = 120
MAX_MESSAGE = 4000
_MAX_FRAMES = 30
_MAX_CAUSES = 5
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLACE = re.compile(r'^ +File "(.+)", line (\d+) in (.+)$')
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "cv2": "opencv-python", "PIL": "pillow", "yaml": "pyyaml", "bs4": "beautifulsoup4",
    "skimage": "scikit-image", "dateutil": "python-dateutil", "dotenv": "python-dotenv", "attr": "attrs",
}  # fmt: skip
_SIGNALS = {
    "Segmentation fault": signal.SIGSEGV,
    "Bus error": signal.SIGBUS,
    "Floating-point exception": signal.SIGFPE,
    "Floating point exception": signal.SIGFPE,
    "Illegal instruction": signal.SIGILL,
    "Aborted": signal.SIGABRT,
}

_QUICK = {str, bytes, int, float, complex, bool, type(None)}

UserFile = Callable[[str], str | None]
"""A code object's file name → its path relative to the project's root, None for files that are not the user's."""


def raised(error: BaseException, user_file: UserFile, arguments: Mapping[str, object]) -> Failure:
    """The failure for an exception that left the step's function (or the import of its module).

    `arguments` are what the step was called with.
    """
    shown = {name: summarise(value, name) for name, value in arguments.items()}
    text = message_of(error)
    first, _, rest = text.partition("\n")
    title = f"{_type_name(error)}: {first[:200]}" if first else _type_name(error)
    frames = user_frames(error.__traceback__, user_file)
    causes = [f"caused by {_type_name(cause)}: {message_of(cause)[:300]}" for cause in _causes(error)]
    message = "\n".join([*([rest] if rest.strip() else []), *causes])[:MAX_MESSAGE]
    if isinstance(error, SyntaxError) and (place := _syntax_place(error, user_file)):
        frames = (*frames, place)
    if isinstance(error, SystemExit):
        title, mend = _sys_exit(error)
    else:
        mend = _mend(error)
    return Failure("raised", title, message, mend, frames, shown, _render(error, user_file))


def output(title: str, message: str = "", mend: str = "", arguments: Mapping[str, object] | None = None) -> Failure:
    """The failure for a result that cannot be kept."""
    shown = {name: summarise(value, name) for name, value in (arguments or {}).items()}
    return Failure("output", title, message, mend, arguments=shown)


def refused(error: InstepError) -> Failure:
    """The failure for an output that the store or its format would not take."""
    first = error.problems[0]
    more = "\n".join(str(one) for one in error.problems[1:])
    return Failure("output", first.what, "\n".join(filter(None, (first.why, more))), first.mend)


def cancelled() -> Failure:
    return Failure("cancelled", "cancelled")


def died(live: str, root: str, *, code: int | None = None, memory: str = "") -> Failure:
    """The failure for a process that ended without an answer, from what it left in its live file.

    `code` is its exit code where that is known (negative: a signal, as `subprocess` has it), `memory` what says that
    it was killed for the memory it took.
    """
    records = tail(live)
    pid = next((record["pid"] for record in records if record["k"] == "start"), None)
    who = f"process {pid}" if pid else "the process"
    exits = [record["code"] for record in records if record["k"] == "exit"]
    lines = [str(record["m"]) for record in records if record.get("s") == "output"]
    signals = [one for text, one in _SIGNALS.items() if any(f"Fatal Python error: {text}" in line for line in lines)]
    number = signals[0] if signals else signal.Signals(-code) if code is not None and code < 0 else None
    frames = _fault_frames(lines, root) if signals else ()
    if memory:
        return Failure("died", f"{who} was killed: out of memory", memory, "Give the step less data, or `memory=`.")
    if exits:
        return Failure("died", f"{who} ended: the step called os._exit({exits[-1]})", mend="Return or raise instead.")
    if number == signal.SIGKILL:
        mend = "If nobody killed it, the system was out of memory: `dmesg` says so."
        return Failure("died", f"{who} was killed by {number.name}", mend=mend)
    if number is not None:
        message = f"{_description(number)}; that happens in compiled code, not in Python"
        return Failure("died", f"{who} died by {number.name}", message, frames=frames)
    if code is not None:
        return Failure("died", f"{who} ended with exit code {code}")
    mend = "Nothing says which signal it was. If nobody killed it, the system may have been out of memory."
    return Failure("died", f"{who} died without a word", "", mend)


def last_lines(live: str, count: int = 20) -> tuple[str, ...]:
    """The last lines that a launch printed, without what crash handlers wrote."""
    lines: list[str] = []
    for record in tail(live):
        if record["k"] == "log" and not record.get("r"):
            if record["s"] == "output" and str(record["m"]).startswith(("Fatal Python error", "*** SIG")):
                break
            lines.append(str(record["m"]))
    return tuple(lines[-count:])


def user_frames(trace: TracebackType | None, user_file: UserFile) -> tuple[Frame, ...]:
    """The user's frames of a traceback, outermost first; the last one has its locals."""
    found = [
        (frame, line, path) for frame, line in traceback.walk_tb(trace) if (path := user_file(frame.f_code.co_filename))
    ]
    if len(found) > _MAX_FRAMES:
        found = found[:10] + found[10 - _MAX_FRAMES :]
    return tuple(
        Frame(
            path, line, frame.f_code.co_qualname, _source(frame, line), _locals(frame) if at == len(found) - 1 else {}
        )
        for at, (frame, line, path) in enumerate(found)
    )


def _source(frame: FrameType, line: int) -> str:
    return linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()[:300]


def _locals(frame: FrameType) -> dict[str, str]:
    """The most telling locals: the first are the arguments, the last those assigned last."""
    names = [name for name in frame.f_locals if not (name.startswith("__") or name.startswith("."))]
    if len(names) > MAX_LOCALS:
        names = names[:4] + names[4 - MAX_LOCALS :]
    return {name: summarise(frame.f_locals[name], name) for name in names}


def summarise(value: object, name: str = "") -> str:
    """A value in at most 120 characters: `DataFrame 336,776 × 19`, `list of 1,234`, `'text'`; secrets are masked."""
    if is_secret(name) and not isinstance(value, int | float | bool | None):
        return MASK
    try:
        text = _SHORT.repr(value)
    except Exception as error:  # an int of too many digits
        text = _unshown(value, error)
    text = _ADDRESS.sub("", text).replace("\n", " ")
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class _Short(reprlib.Repr):
    """`reprlib` bounds what it shows of containers; what has a shape or a length that says enough is only named."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = MAX_TEXT
        self.maxlevel = 3

    def repr1(self, x: object, level: int) -> str:
        kind = type(x)
        if kind.__name__ in ("list", "tuple", "dict", "set", "frozenset") and kind.__module__ == "builtins":
            size = len(x) if isinstance(x, Sized) else 0
            if size > 20:
                return f"{kind.__name__} of {size:,}"
            return super().repr1(x, level)
        if kind in _QUICK:
            return super().repr1(x, level)
        try:
            return within(x, lambda: _shape(x) or _cut(repr(x)))
        except TooSlow:
            return f"<{kind.__name__}: its repr takes too long>"
        except Exception as error:
            return _unshown(x, error)


_SHORT = _Short()


def _unshown(value: object, error: Exception) -> str:
    return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT // 2]}…{text[-MAX_TEXT // 2 :]}"


def _shape(value: object) -> str | None:
    if isinstance(value, type):
        return None
    shape: tuple[object, ...] | None = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or not all(isinstance(one, int) for one in shape):
        return None
    sizes = " × ".join(f"{one:,}" for one in shape)
    kind = type(value).__name__
    dtype = getattr(value, "dtype", None)
    if not shape:
        return f"{kind} {str(value)[:60]}"
    return f"{kind} {sizes}" if dtype is None else f"{kind} {sizes} {str(dtype)[:30]}"


def message_of(error: BaseException) -> str:
    try:
        text = within(error, lambda: str(error))
    except TooSlow:
        return "<its message cannot be shown: __str__ takes too long>"
    except Exception as broken:
        return f"<its message cannot be shown: __str__ raised {type(broken).__name__}>"
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        text = repr(error.args[0])
    members: tuple[BaseException, ...] = getattr(error, "exceptions", ()) if _is_group(error) else ()
    return "\n".join([text, *(f"{_type_name(one)}: {message_of(one)}" for one in members[:5])])[:MAX_MESSAGE]


def _is_group(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup)


def _type_name(error: BaseException) -> str:
    return type(error).__qualname__


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    current = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while current is not None and current not in causes and len(causes) < _MAX_CAUSES:
        causes.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return causes


def _mend(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return f"`{top}` is Python's own module: it hides a project file of that name. Rename the file."
        if top not in sys.modules:
            return f"pip install {_DISTRIBUTIONS.get(top, top)}"
    if isinstance(error, ImportError) and error.name and error.name.partition(".")[0] in sys.stdlib_module_names:
        return f"`{error.name}` is Python's own module: it hides a project file of that name. Rename the file."
    if isinstance(error, RecursionError):
        return "A function calls itself without end, or too deep."
    if isinstance(error, EOFError) and "reading a line" in message_of(error):
        return "Make what is asked for a param: a run has no terminal."
    if isinstance(error, MemoryError):
        return "Give the step less data at a time, or a machine with more memory."
    return ""


def _sys_exit(error: SystemExit) -> tuple[str, str]:
    code = "" if error.code is None else summarise(error.code)
    return f"called sys.exit({code})", "Return a value, or raise an exception that says what is wrong."


def _syntax_place(error: SyntaxError, user_file: UserFile) -> Frame | None:
    path = user_file(error.filename or "")
    return Frame(path, error.lineno or 0, "", (error.text or "").strip()) if path else None


def _render(error: BaseException, user_file: UserFile) -> str:
    """The traceback as Python prints it, oldest cause first, with runs of library frames as one line each."""
    blocks: list[str] = []
    chain = [error, *_causes(error)]
    for inner, outer in zip(reversed(chain), [*reversed(chain[:-1]), None], strict=True):
        lines = ["Traceback (most recent call last):", *_frame_lines(inner.__traceback__, user_file)]
        if isinstance(inner, SyntaxError):
            lines += [line for line in traceback.format_exception_only(inner)[:-1] if line.strip()]
        blocks.append("\n".join([*map(str.rstrip, lines), f"{_type_name(inner)}: {message_of(inner)}"]))
        if outer is not None:
            direct = outer.__cause__ is inner
            blocks.append(
                "The above exception was the direct cause of the following exception:"
                if direct
                else "During handling of the above exception, another exception occurred:"
            )
    return "\n\n".join(blocks)


def _frame_lines(trace: TracebackType | None, user_file: UserFile) -> list[str]:
    lines: list[str] = []
    foreign: list[str] = []
    frames = list(traceback.walk_tb(trace))
    if len(frames) > 2 * _MAX_FRAMES:
        frames = frames[:10] + frames[10 - 2 * _MAX_FRAMES :]
    for frame, line in frames:
        name = frame.f_code.co_filename
        if user_file(name):
            lines += _fold(foreign)
            lines += [f'  File "{name}", line {line}, in {frame.f_code.co_qualname}', f"    {_source(frame, line)}"]
        elif lines:
            foreign.append(f"{_library(name)}:{line} in {frame.f_code.co_qualname}")
    return lines + _fold(foreign)


def _fold(foreign: list[str]) -> list[str]:
    if not foreign:
        return []
    count, last = len(foreign), foreign[-1]
    foreign.clear()
    return [f"  … {last}" if count == 1 else f"  … {count} frames, the last: {last}"]


def _library(name: str) -> str:
    parts = Path(name).parts
    return "/".join(parts[parts.index("site-packages") + 1 :]) if "site-packages" in parts else "/".join(parts[-2:])


def _fault_frames(lines: list[str], root: str) -> tuple[Frame, ...]:
    """The user's frames that `faulthandler` left, outermost first."""
    frames: list[Frame] = []
    start = max(at for at, line in enumerate(lines) if line.startswith("Fatal Python error"))
    for line in lines[start:]:
        match = _PLACE.match(line)
        if match and match[1].startswith(root + "/") and "site-packages" not in match[1]:
            path, number = match[1][len(root) + 1 :], int(match[2])
            source = ""
            with contextlib.suppress(OSError):
                source = linecache.getline(match[1], number).strip()
            frames.append(Frame(path, number, match[3], source))
    return tuple(reversed(frames))


def _description(number: signal.Signals) -> str:
    return signal.strsignal(number) or number.name
