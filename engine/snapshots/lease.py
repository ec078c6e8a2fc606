"""Who does what only one process may do: a row in the journal that names its holder and ends by itself.

A holder on this machine counts as long as its process lives in this boot; one on another machine (a shared folder)
until its lease runs out. Locks of the kernel (`flock`) say more about this machine and nothing about the other.
"""

import os
import socket
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

SECONDS = 30


@dataclass(frozen=True, slots=True)
class Lease:
    name: str
    pid: int
    host: str
    boot_id: str
    expires_us: int

    def holds(self, now_us: int) -> bool:
        """Whether its holder is still to be respected."""
        here = self.host == socket.gethostname()
        if here and self.boot_id != boot_id():
            return False
        return _alive(self.pid) if here else self.expires_us > now_us


def boot_id() -> str:
    """What tells this boot of this machine from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def take(db: sqlite3.Connection, name: str) -> Lease | None:
    """Take or renew the lease `name` for this process; None when done, or the lease of another that holds it."""
    now = time.time_ns() // 1000
    mine = Lease(name, os.getpid(), socket.gethostname(), boot_id(), now + SECONDS * 1_000_000)
    db.execute("begin immediate")
    try:
        row = db.execute("select name, pid, host, boot_id, expires_us from lease where name=?", (name,)).fetchone()
        other = Lease(*row) if row else None
        if other and (other.pid, other.host) != (mine.pid, mine.host) and other.holds(now):
            return other
        db.execute(
            "insert or replace into lease values (?,?,?,?,?)",
            (mine.name, mine.pid, mine.host, mine.boot_id, mine.expires_us),
        )
        return None
    finally:
        db.execute("commit")


def give_back(db: sqlite3.Connection, name: str) -> None:
    """End this process's lease `name`, if it has it."""
    db.execute("delete from lease where name=? and pid=? and host=?", (name, os.getpid(), socket.gethostname()))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and nobody has looked: in a container without an init it stays so for ever."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
