"""The journal's second copy: every transaction again, as lines with checksums, in the file `journal.copy` beside it.

SQLite neither notices a byte that a disk changed inside of a row nor mends what it notices. `verify` compares the
journal with its copy, and makes either anew from the other (`restore.py`).

The lines of a transaction are appended before it is committed, under the journal's write lock. They carry its number,
which the journal keeps in `meta`; where a transaction came to nothing, the next one has the same number and supersedes
it. Killed in between, the copy is one transaction ahead, never behind.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

FILE: Final = "journal.copy"
NOT_COPIED: Final = ("lease",)
"""Tables that say who does what just now."""
_NUMBER: Final = "written"
_ROWS: Final = 1_000

Statement = tuple[str, Sequence[Sequence[Any]]]  # Any: SQLite's own types
"""SQL, and the rows of values that it is executed with."""
Put = Callable[[str, Iterable[Sequence[object]]], sqlite3.Cursor]
"""`Transaction.put`: the one way to write into the journal."""


@dataclass(frozen=True, slots=True)
class Line:
    """Part `part` of `parts` of transaction `number`; its statements are for a journal of version `schema`."""

    number: int
    part: int
    parts: int
    schema: int
    statements: Sequence[Statement]


class Transaction:
    """What is put into the journal within one `BEGIN IMMEDIATE`. Nothing may be written any other way."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._statements: list[Statement] = []
        self._changes = db.total_changes

    def put(self, sql: str, rows: Iterable[Sequence[object]]) -> sqlite3.Cursor:
        """`executemany`."""
        values = [tuple(row) for row in rows]
        cursor = self._db.executemany(sql, values)
        if values:
            self._statements.append((sql, values))
            self._changes += cursor.rowcount
        return cursor

    @contextmanager
    def copied(self, path: Path, schema: int) -> Generator[None]:
        """Append to the copy what was put, for a commit in the block; take it back if that fails."""
        assert self._db.total_changes == self._changes, "something was written past `put`: the copy lacks it"
        if not self._statements:
            yield
            return
        number = number_of(self._db) + 1
        self._db.execute("insert or replace into meta values (?,?)", (_NUMBER, number))
        if not path.exists():
            write_whole(self._db, path, number, schema)
            yield
            return
        with _appended(path, _encoded(Line(number, 0, 1, schema, self._statements))):
            yield


def number_of(db: sqlite3.Connection) -> int:
    """The number of the last transaction that the journal holds."""
    rows = db.execute("select value from meta where name=?", (_NUMBER,)).fetchall()
    return int(rows[0][0]) if rows else 0


def set_number(db: sqlite3.Connection, number: int) -> None:
    db.execute("insert or replace into meta values (?,?)", (_NUMBER, number))


def write_whole(db: sqlite3.Connection, path: Path, number: int, schema: int) -> None:
    """Make the copy anew from all that the journal holds. Hold the journal's write lock."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    parts = sum(-(-_count(db, table) // _ROWS) for table in tables(db))
    try:
        with temporary.open("wb") as file:
            for part, statement in enumerate(_everything(db)):
                file.write(_encoded(Line(number, part, parts, schema, [statement])))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_heads(path: Path) -> Iterator[tuple[int, tuple[int, int, int] | None]]:
    """(place in the file, (number, part, parts) or None where a line was torn or a disk changed it) in order."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    place = 0
    with file:
        for line in file:
            yield place, _head(line)
            place += len(line)


def read_at(path: Path, places: Iterable[int]) -> Iterator[Line]:
    """The lines at these places."""
    with path.open("rb") as file:
        for place in places:
            file.seek(place)
            yield Line(*json.loads(file.readline()[9:]))


def tables(db: sqlite3.Connection) -> list[str]:
    """The tables that are copied."""
    rows = db.execute("select name from sqlite_master where type='table' and name not like 'sqlite_%' order by name")
    return [name for (name,) in rows if name not in NOT_COPIED]


def _everything(db: sqlite3.Connection) -> Iterator[Statement]:
    for table in tables(db):
        cursor = db.execute(f"select * from {table}")
        marks = ",".join("?" * len(cursor.description))
        while rows := cursor.fetchmany(_ROWS):
            yield f"insert or replace into {table} values ({marks})", rows


def _count(db: sqlite3.Connection, table: str) -> int:
    return db.execute(f"select count(*) from {table}").fetchone()[0]


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _encoded(line: Line) -> bytes:
    body = _encode([line.number, line.part, line.parts, line.schema, line.statements])
    data = body.encode()
    return b"%08x %b\n" % (crc32(data), data)


def _head(line: bytes) -> tuple[int, int, int] | None:
    data = line[9:].rstrip(b"\n")
    try:
        if int(line[:8], 16) != crc32(data):
            return None
        number, part, parts, _ = data[1:].split(b",", 3)
        return int(number), int(part), int(parts)
    except ValueError:
        return None


@contextmanager
def _appended(path: Path, line: bytes) -> Generator[None]:
    """Append a line, and take it back if the block fails. The file's end may be what a killed or full one left."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        try:
            torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
            _write(descriptor, b"\n" + line if torn else line)
            yield
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
