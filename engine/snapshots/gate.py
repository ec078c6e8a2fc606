"""Who may open the catalog's file: `flock` on a file beside it, shared for readers and exclusive for the projector.

DuckDB's own lock is a POSIX lock, which ends as soon as the process closes *any* descriptor of that file; hence a file
of its own. `flock` belongs to the descriptor, so it also keeps two threads of one process apart, and ends with the
process.
"""

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import StoreBusy, StoreError

CATALOG = "gate"
"""Held while the catalog's file is open."""
OBJECTS = "objects.gate"
"""Held shared by whoever relies on objects staying where they are (a run), exclusive by `gc`."""


class Held(Exception):
    """Somebody else has the gate. `pid` is theirs, None where the system does not say."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}" if pid else "held by another process")
        self.pid = pid


@contextmanager
def hold(store: Path, name: str = CATALOG, *, exclusive: bool, wait: float = 0.0) -> Generator[None]:
    """Have the gate for the block. Raises Held if it cannot be had within `wait` seconds, StoreError if it cannot be
    opened."""
    path = store / name
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"cannot write to {store} ({error.strerror})", mend="Make the store writable for you."
        ) from None
    try:
        _lock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, time.monotonic() + wait)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def reading(store: Path, wait: float = 5.0) -> Generator[None]:
    """The catalog's gate, shared. Raises StoreBusy after `wait` seconds; a projector has it for some 20 ms a batch."""
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(store, exclusive=False, wait=wait))
        except Held as error:
            raise StoreBusy(f"the catalog in {store} is {error}", mend="Try again in a moment.") from None
        yield


def _lock(descriptor: int, operation: int, deadline: float) -> None:
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        if time.monotonic() >= deadline:
            raise Held(_holder(descriptor))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _holder(descriptor: int) -> int | None:
    """The process that has the lock: what the kernel says, else who wrote `say` last."""
    inode = os.fstat(descriptor).st_ino
    try:
        with open("/proc/locks", encoding="ascii") as file:  # noqa: PTH123 - a kernel table, not a file
            for line in file:
                words = line.split()
                if "FLOCK" in words and "->" not in words and words[-3].rpartition(":")[2] == str(inode):
                    pid = int(words[-4])
                    if pid > 0:
                        return pid
    except (OSError, ValueError, IndexError):
        pass
    written = os.pread(descriptor, 40, 0).split()
    return int(written[0]) if written and written[0].isdigit() else None


def say(store: Path, mark: int) -> None:
    """Write down, for whoever finds the gate closed, who has it and how far the catalog is. Hold it exclusively."""
    with (store / CATALOG).open("r+b") as file:
        file.truncate(0)
        file.write(f"{os.getpid()} {mark}".encode())
