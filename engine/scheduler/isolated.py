"""`isolate=True`: an assignment in a process of its own that nothing was ever done in, and that ends with it.

Ray has no such thing: with `max_calls=1` the call may land on a worker that others have used, and a worker with an
environment of its own takes a second to start. A plain child process takes a tenth of that, says by which signal it
died, and works without Ray.
"""

import contextlib
import ctypes
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable

from .assignment import Assignment, Outcome

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.05
Process = subprocess.Popen[bytes]


class ProcessDied(Exception):
    """The process ended without an outcome; `code` as `subprocess` has it, negative for a signal."""

    def __init__(self, pid: int, code: int) -> None:
        super().__init__(f"process {pid} ended with {code}")
        self.pid = pid
        self.code = code


def run_isolated(
    assignment: Assignment, *, node: str = "", started: Callable[[Process], None] | None = None
) -> Outcome:
    """Run `assignment` in a fresh process and wait. A KeyboardInterrupt here becomes one there.

    `started` is given the process. Raises ProcessDied.
    """
    reader, writer = os.pipe()
    command = [sys.executable, "-P", "-m", __name__, str(writer), str(os.getpid()), node]
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(writer,), env=env)
    os.close(writer)
    try:
        if started is not None:
            started(process)
        answer = _converse(process, reader, pickle.dumps(assignment))
        code = process.wait()
    finally:
        os.close(reader)
        if process.poll() is None:
            process.kill()
            process.wait()
    if not answer:
        raise ProcessDied(process.pid, code)
    return pickle.loads(answer)


def _converse(process: Process, reader: int, question: bytes) -> bytes:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(question)
        process.stdin.close()
    blocks: list[bytes] = []
    while True:
        try:
            # Not a plain read: a cancel is raised between two instructions of ours and cannot interrupt a system call.
            if not select.select([reader], [], [], _LOOK_SECONDS)[0]:
                continue
            block = os.read(reader, 1 << 20)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            continue
        if not block:
            return b"".join(blocks)
        blocks.append(block)


def main() -> None:
    """The other side: the assignment comes on stdin, the outcome goes to the descriptor that is the first argument."""
    writer, parent, node = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ray's workers ignore it, and that is inherited
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    assignment: Assignment = pickle.loads(sys.stdin.buffer.read())
    from .worker import execute

    outcome = execute(assignment, node=node)
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(pickle.dumps(outcome))


def _die_with(parent: int) -> None:
    """Let the kernel end this process when its parent dies, however that happens (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that asked for this one is gone")


if __name__ == "__main__":
    main()
