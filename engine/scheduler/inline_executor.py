"""The executor without Ray: assignments in this process, one at a time, on one thread.

It runs steps for real and is what tests and `import instep` users without Ray have. Its limits are those of a shared
process: hash seed, loaded libraries and current folder are the process' own, and a step that ignores a polite cancel
cannot be ended; it is left behind on its thread, and said so. `isolate=True` steps get a process and have no limits.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator

from ..ids import LaunchId
from .assignment import Assignment, Failure, Item, ItemOutcome, Outcome, Resources
from .executor import Crashed, Emit, ExecutorEvent, Finished, Started
from .failure import cancelled, died, last_lines
from .isolated import Process, ProcessDied, run_isolated
from .live import now_us
from .worker import abandon, execute

_GRACE_SECONDS = 1.0


class _Turns:
    """A step has the whole process: its modules, its streams, its sink. So has only one at a time, whatever executor it
    is of; a step that was left behind has had its turn."""

    now = threading.Lock()


@contextlib.contextmanager
def _turn() -> Generator[None]:
    turn = _Turns.now
    while not turn.acquire(timeout=0.05):  # so that a cancel reaches who waits
        turn = _Turns.now
    try:
        yield
    finally:
        turn.release()


def _leave() -> None:
    abandon()
    _Turns.now = threading.Lock()


class InlineExecutor:
    """Implements `Executor`. `capacity` is what it claims to have; it runs one launch at a time whatever that says."""

    def __init__(self, emit: Emit, resources: Resources | None = None) -> None:
        self._emit_event = emit
        self._resources = resources or Resources(cpus=1)
        self._waiting: deque[Assignment] = deque()
        self._changed = threading.Condition()
        self._runner: _Runner | None = None
        self._closed = False

    def capacity(self) -> Resources:
        return self._resources

    def launch(self, assignment: Assignment) -> None:
        with self._changed:
            self._waiting.append(assignment)
            if self._runner is None:
                self._start_runner()
            self._changed.notify_all()

    def cancel(self, launch: LaunchId, *, force: bool) -> None:
        with self._changed:
            waiting = next((one for one in self._waiting if one.launch == launch), None)
            if waiting is not None:
                self._waiting.remove(waiting)
            runner = self._runner
        if waiting is not None:
            self.emit(Finished(launch, _cancelled(waiting)))
        elif runner is not None and runner.interrupt(launch, force=force) and force:
            threading.Thread(target=self._leave_behind, args=(runner, launch), daemon=True).start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
            runner, self._runner = self._runner, None
            self._changed.notify_all()
        if runner is None or runner.thread is threading.current_thread():
            return
        if runner.current is not None:
            runner.interrupt(runner.current, force=True)
        runner.thread.join(_GRACE_SECONDS)
        if runner.thread.is_alive() and runner.disown(runner.current):
            _leave()

    def next(self, runner: "_Runner") -> Assignment | None:
        """The assignment to run now; None when there is nothing more to do for this runner."""
        with self._changed:
            while not self._waiting and not self._closed and self._runner is runner:
                self._changed.wait()
            if self._closed or self._runner is not runner:
                return None
            return self._waiting.popleft()

    def emit(self, event: ExecutorEvent) -> None:
        if not self._closed:
            self._emit_event(event)

    def _start_runner(self) -> None:
        self._runner = _Runner(self)
        self._runner.thread.start()

    def _leave_behind(self, runner: "_Runner", launch: LaunchId) -> None:
        deadline = time.monotonic() + _GRACE_SECONDS
        while runner.current == launch and time.monotonic() < deadline:
            time.sleep(0.01)
        live = runner.live
        if not runner.disown(launch):
            return
        _leave()
        with self._changed:
            if self._runner is runner and not self._closed:
                self._start_runner()
        message = (
            "It runs inside this process, where nothing can end it. On Ray, or with isolate=True, it can be ended."
        )
        failure = Failure("cancelled", "it did not stop when asked and was left behind", message)
        self.emit(Crashed(launch, failure, os.getpid(), last_lines(live), now_us()))


class _Runner:
    """The thread that runs assignments, and what is needed to interrupt it at the right moment only."""

    def __init__(self, executor: InlineExecutor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._interrupted = False
        self.current: LaunchId | None = None
        self.live = ""
        self.thread = threading.Thread(target=self._work, name="instep-inline", daemon=True)

    def interrupt(self, launch: LaunchId, *, force: bool) -> bool:
        """Raise KeyboardInterrupt in the step, or end its process; False if it is not running any more."""
        with self._lock:
            if self.current != launch:
                return False
            if self._process is None:
                _raise_in(self.thread, KeyboardInterrupt)
            else:
                # However the process ends now, also while it still imports what it needs, it was this that ended it.
                self._interrupted = True
                self._process.send_signal(signal.SIGKILL if force else signal.SIGINT)
            return True

    def disown(self, launch: LaunchId | None) -> bool:
        """Take a launch away from its thread: whatever it still does is no longer heard."""
        with self._lock:
            if launch is None or self.current != launch:
                return False
            self.current = None
            return True

    def _work(self) -> None:
        while (assignment := self._executor.next(self)) is not None:
            with self._lock:
                self.current, self.live = assignment.launch, assignment.live
                self._process, self._interrupted = None, False
            try:
                event = self._run(assignment)
            except KeyboardInterrupt:
                event = Finished(assignment.launch, _cancelled(assignment))
            with self._lock:
                _raise_in(self.thread, None)
                mine = self.current == assignment.launch
                self.current = None
            if mine:
                self._executor.emit(event)

    def _run(self, assignment: Assignment) -> ExecutorEvent:
        try:
            if assignment.isolate:
                outcome = run_isolated(assignment, started=lambda process: self._adopt(process, assignment))
                return Finished(assignment.launch, outcome)
            self._executor.emit(Started(assignment.launch, now_us(), "", os.getpid()))
            with _turn():
                return Finished(assignment.launch, execute(assignment, shared=True))
        except ProcessDied as error:
            failure = cancelled() if self._interrupted else died(assignment.live, assignment.root, code=error.code)
            return Crashed(assignment.launch, failure, error.pid, last_lines(assignment.live), now_us())
        except Exception as error:
            failure = Failure("executor", f"instep could not run it: {type(error).__name__}: {error}")
            return Crashed(assignment.launch, failure, os.getpid(), (), now_us())

    def _adopt(self, process: Process, assignment: Assignment) -> None:
        with self._lock:
            self._process = process
        self._executor.emit(Started(assignment.launch, now_us(), "", process.pid))


def _raise_in(thread: threading.Thread, error: type[BaseException] | None) -> None:
    """Raise `error` in a thread at its next instruction; None takes back one that has not been raised yet."""
    if thread.ident is not None:
        value = ctypes.py_object(error) if error is not None else None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), value)


def _cancelled(assignment: Assignment) -> Outcome:
    def outcome(item: Item) -> ItemOutcome:
        return ItemOutcome(item.index, now_us(), now_us(), failure=cancelled())

    return Outcome(assignment.launch, tuple(outcome(item) for item in assignment.items))
