"""DuckDB in memory, and the catalog's file attached to it for as long as it takes: nothing else opens that file.

No extension is ever loaded or looked for: they cannot be had offline, and none is needed.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreBusy, StoreError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Error

FILE = "catalog.duckdb"
_MEMORY = "512MB"
_SPILL = "spill"


class FileHeld(Exception):
    """A process that does not know the gate (the `duckdb` shell, a notebook) has the catalog open."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"open in process {pid}" if pid else "open in another process")
        self.pid = pid


class Damaged(StoreError):
    """The catalog's file is not one that DuckDB can read; it can be made anew from the journal."""


def in_memory(store: Path) -> "DuckDBPyConnection":
    """An empty database; what does not fit in memory goes to a folder of the store, never to the current one."""
    import duckdb

    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": _MEMORY,
            "temp_directory": str(store / _SPILL),
            "threads": "2",
            "enable_external_file_cache": "false",
        },
    )


@dataclass(slots=True)
class Warm:
    """A database in memory that outlives its use: `fresh` in its first, `spent` if this is to be its last."""

    db: "DuckDBPyConnection"
    fresh: bool = True
    spent: bool = False


_idle: dict[str, Warm] = {}


@contextmanager
def warm(store: Path, purpose: str) -> Generator[Warm]:
    """A database that was used for this purpose before, where there is one: to make one takes longer than most uses of
    it. What was made in it is still there; after an error it is thrown away."""
    import duckdb

    found = _idle.pop(purpose, None)
    if found is not None:
        try:
            found.db.execute(f"set temp_directory={quoted(str(store / _SPILL))}")
        except duckdb.Error:  # it holds something in the folder it had
            found.db.close()
            found = None
    if found is None:
        found = Warm(in_memory(store))
    try:
        yield found
    except BaseException:
        found.db.close()
        raise
    found.fresh = False
    if found.spent or _idle.setdefault(purpose, found) is not found:
        found.db.close()


@contextmanager
def attached(db: "DuckDBPyConnection", store: Path, *, write: bool = False) -> Generator[None]:
    """The catalog as the database `catalog`; hold the gate around it. Every result must be fetched inside the block.

    Raises FileHeld, Damaged, or StoreError.
    """
    import duckdb

    path = store / FILE
    try:
        db.execute(f"attach {quoted(str(path))} as catalog{'' if write else ' (read_only)'}")
    except duckdb.Error as error:
        raise _explained(error, path) from error
    try:
        yield
    except duckdb.Error as error:
        if is_damage(error):
            raise _explained(error, path) from error
        raise
    finally:
        try:
            db.execute("detach catalog")
        except duckdb.Error as error:
            raise _explained(error, path) from error


def is_damage(error: "Error") -> bool:
    """Whether it is the file that is wrong, not the question. A block's checksum is looked at when a query needs it."""
    import duckdb

    return isinstance(error, duckdb.FatalException) or "Corrupt database file" in str(error)


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def named(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def busy(store: Path, error: FileHeld) -> StoreBusy:
    return StoreBusy(f"{store / FILE} is {error}", mend="Close it there, or try again when it has ended.")


def _explained(error: "Error", path: Path) -> Exception:
    text = str(error).splitlines()[0] if str(error) else ""
    if "Could not set lock" in text:
        found = re.search(r"PID (\d+)", text)
        return FileHeld(int(found[1]) if found else None)
    if "does not exist" in text:
        return StoreError(f"{path} is not there", mend="Run `instep verify`: it is made anew from the journal.")
    if "ermission" in text or "ead-only" in text:
        return StoreError(f"cannot open {path}", mend="Make the store readable and writable for you.")
    if "No space left" in text:
        return StoreError(f"the disk with {path.parent} is full", mend="Free some space, or run `instep gc`.")
    return Damaged(f"{path} is damaged ({text})", mend="Run `instep verify`: it is made anew from the journal.")
