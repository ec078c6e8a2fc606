"""A command in a terminal of its own, as a person has it."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ground import Broken

_KEPT = 200_000
_PATIENCE = 120.0


@dataclass(slots=True)
class Terminal:
    """`seen` is the last of what was painted."""

    pid: int
    descriptor: int
    seen: bytes = b""

    def take_in(self, seconds: float = 0.0) -> bool:
        """Whether something was painted within that time."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        with suppress(OSError):  # the command has ended
            self.seen = (self.seen + os.read(self.descriptor, 65536))[-_KEPT:]
        return True

    def shows(self, marker: bytes) -> None:
        """Wait until this was painted."""
        deadline = time.monotonic() + _PATIENCE
        while marker not in self.seen:
            self.take_in(0.05)
            if time.monotonic() > deadline:
                raise Broken(f"the screen did not show {marker!r}")

    def paints(self) -> None:
        """Wait until something is painted."""
        if not self.take_in(_PATIENCE):
            raise Broken("the screen painted nothing")

    def quiet(self) -> None:
        """Take in what comes until nothing has come for a moment."""
        while self.take_in(0.05):
            pass

    def passed(self) -> bool:
        """False; takes in what came, for whoever waits for something else."""
        self.take_in()
        return False

    def for_seconds(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.take_in(left)


@contextmanager
def terminal(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """120×40; killed at the end."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execvpe(words[0], list(words), dict(environment))
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        yield Terminal(pid, descriptor)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)
