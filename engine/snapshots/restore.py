"""The journal beside its second copy: how they differ, and the one made anew from the other.

Where every line of the copy is whole, the copy is right: its lines have checksums. Where one is not, and SQLite finds
nothing wrong with the journal, the copy is made anew. Nothing is guessed: what both have lost is told.
"""

import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import second_copy
from .schema import SCHEMA, STEPS, bring_up

_JOURNAL = "journal.sqlite"
_REBUILT = "journal.rebuilt"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong, and which of the two is to be made anew; "nothing" where neither can be."""

    what: str
    mend: Literal["journal", "copy", "nothing"]


@dataclass(frozen=True, slots=True)
class _Copy:
    """Where in the file the lines are that count, in order; `last` is the number of the last transaction, and `whole`
    says that no line is missing."""

    places: tuple[int, ...]
    last: int
    whole: bool


def compare(store: Path) -> Difference | None:
    """How the journal and its copy differ; None where they do not. Others may go on writing meanwhile."""
    copy = _read_copy(store)
    wrong = ""
    try:
        with closing(_opened(store / _JOURNAL)) as db:
            wrong = _broken(db)
            db.execute("begin")  # what others write from here on is not looked at
            number = second_copy.number_of(db)
            if not wrong and (copy.last < number or not copy.whole):
                copy = _read_copy(store)  # it may have been written while it was read
                if copy.last < number or not copy.whole:
                    return Difference("its second copy is damaged", "copy") if number else None
            if not wrong:
                wrong = _differing(db, store, copy, number) or _behind(store)
    except (sqlite3.Error, ValueError) as error:
        wrong = str(error)
    return Difference(wrong, "journal" if copy.whole else "nothing") if wrong else None


def restore_journal(store: Path) -> None:
    """Make the journal anew from its copy; what was there is kept beside it. Nobody may have it open."""
    copy = _read_copy(store)
    with _rebuilt(store, copy, copy.last) as db:
        db.execute("pragma journal_mode=wal")
    kept = f"journal-damaged-{time.time_ns() // 1_000_000}.sqlite"
    for ending in ("-shm", "-wal", ""):
        with suppress(FileNotFoundError):
            (store / f"{_JOURNAL}{ending}").replace(store / f"{kept}{ending}")
    (store / _REBUILT).replace(store / _JOURNAL)


def restore_copy(store: Path) -> None:
    """Make the copy anew from the journal."""
    with closing(_opened(store / _JOURNAL)) as db:
        db.text_factory = str
        db.execute("begin immediate")
        second_copy.write_whole(db, store / second_copy.FILE, second_copy.number_of(db), SCHEMA)
        db.execute("commit")


def _opened(path: Path) -> sqlite3.Connection:
    """As bytes: a damaged text need not be text."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=30, isolation_level=None, uri=True)
    db.text_factory = bytes
    return db


def _read_copy(store: Path) -> _Copy:
    places: dict[tuple[int, int], int] = {}
    parts: dict[int, int] = {}
    for place, head in second_copy.read_heads(store / second_copy.FILE):
        if head is not None:
            number, part, count = head
            places.pop((number, part), None)  # superseded: the transaction before had the same number
            places[number, part] = place
            parts[number] = count
    last = max(parts, default=0)
    whole = bool(parts) and len(parts) == last - min(parts) + 1 and len(places) == sum(parts.values())
    return _Copy(tuple(places.values()), last, whole)


def _broken(db: sqlite3.Connection) -> str:
    """What SQLite itself finds wrong."""
    found = [text.decode() for (text,) in db.execute("pragma integrity_check(5)")]
    return "" if found == ["ok"] else found[0]


def _behind(store: Path) -> str:
    """Whether the journal has lost what was committed last. Nobody writes while this is looked at."""
    with closing(_opened(store / _JOURNAL)) as db:
        db.execute("begin immediate")
        number, last = second_copy.number_of(db), _read_copy(store).last
        db.execute("rollback")
    return f"{last - number} transactions are missing" if last > number else ""


def _differing(db: sqlite3.Connection, store: Path, copy: _Copy, number: int) -> str:
    """The first row that is not what was written."""
    try:
        with _rebuilt(store, copy, number) as right:
            names = second_copy.tables(right)
            right.text_factory = bytes
            for name in names:
                if any(row != wanted for row, wanted in _side_by_side(db, right, name)):
                    return f"a row of the table {name} is not what was written"
    finally:
        (store / _REBUILT).unlink(missing_ok=True)
    return ""


def _side_by_side(
    one: sqlite3.Connection, other: sqlite3.Connection, table: str
) -> Iterator[tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]]:  # Any: SQLite's own types
    """Rows in the order in which they lie: by row id, or by primary key."""
    rows, wanted = (db.execute(f"select * from {table}") for db in (one, other))
    while True:
        row, right = rows.fetchone(), wanted.fetchone()
        if row is None and right is None:
            return
        yield row, right


@contextmanager
def _rebuilt(store: Path, copy: _Copy, last: int) -> Generator[sqlite3.Connection]:
    """The journal as the copy has it up to the transaction `last`, in a file of its own."""
    path = store / _REBUILT
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma synchronous=off")
        version = 0
        for line in second_copy.read_at(store / second_copy.FILE, copy.places):
            if line.number > last:
                break
            if line.schema != version:
                _end(db)
                version = line.schema
                bring_up(db, str(store), STEPS[:version])
            if not db.in_transaction:
                db.execute("begin")
            for sql, rows in line.statements:
                db.executemany(sql, rows)
            second_copy.set_number(db, line.number)
        _end(db)
        bring_up(db, str(store))
        yield db


def _end(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("commit")
