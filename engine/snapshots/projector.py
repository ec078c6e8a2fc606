"""Journal → catalog, exactly once.

Rows are made from a batch of events in an in-memory DuckDB, without holding anything. Then the catalog's file is opened
for as long as one transaction takes that copies them and moves the `applied` mark; if the mark is not where the batch
begins, somebody else was quicker and the batch is made again. Killed at any moment, the transaction is there or not.

Text goes into DuckDB as one JSON array a column: as quick as Arrow, without the 50 MB that importing it costs.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Problem, StoreError
from .duck import FILE, FileHeld, attached, warm
from .gate import CATALOG, Held, hold, say
from .records import LiveClosed
from .rows import LiveRows, Row, rows_of
from .tables import NEWEST, ONCE, TABLES, VERSION, ddl
from .upkeep import Upkeep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVENTS = 5_000
"""Events in a batch, at most."""
ROWS = 50_000
"""A batch ends with the event that brings it to so many rows; so many are in Python's memory at most."""
_PAGE = 500
_BLOCK = 10_000


@dataclass(frozen=True, slots=True)
class Projected:
    """`applied` events were copied; `behind` are not in the catalog yet because process `held_by` (None: unknown) has
    its file."""

    applied: int
    behind: int = 0
    held_by: int | None = None


class _Overtaken(Exception):
    """Another projector moved the mark."""


def project(store: Path, *, wait: float = 0.2) -> Projected:
    """Copy every event that is not in the catalog of `store` yet.

    It is no error if another process has the file for longer than `wait` seconds: the next call catches up. Raises
    StoreError for a damaged file, or one that a newer instep wrote.
    """
    path = store / "journal.sqlite"
    if not path.is_file():
        return Projected(0)
    applied = 0
    with Upkeep(path) as journal, warm(store, "projector") as kept:
        db, mark = kept.db, 0
        if kept.fresh:
            _make_stage(db)
        try:
            with hold(store, exclusive=True, wait=wait):
                mark = _open(db, store, journal)
            while journal.last_seq() > mark:
                staged = _Stage(db, store, journal)
                last = staged.fill(mark)
                try:
                    with hold(store, exclusive=True, wait=wait):
                        _copy(db, store, journal.journal_id, mark, last, staged.filled)
                        say(store, last)
                except _Overtaken:
                    with hold(store, exclusive=True, wait=wait):
                        mark = _open(db, store, journal)
                    continue
                finally:
                    staged.clear()
                applied += staged.events
                mark = last
        except (Held, FileHeld) as error:
            known = mark or said_mark(store)
            return Projected(applied, journal.count_after(known), error.pid)
    return Projected(applied)


def said_mark(store: Path) -> int:
    """The mark as the last projector wrote it down beside the catalog; for showing only."""
    try:
        words = (store / CATALOG).read_text().split()
        return int(words[1]) if len(words) > 1 else 0
    except (OSError, ValueError):
        return 0


def _open(db: "DuckDBPyConnection", store: Path, journal: Upkeep) -> int:
    """Make the catalog fit for this journal; return its mark."""
    state = _state(db, store)
    if state is not None:
        journal_id, mark, version = state
        if version > VERSION:
            raise StoreError(
                Problem(
                    f"{store / FILE} was written by a newer instep (version {version}, this one knows {VERSION})",
                    mend="Upgrade instep, or move that file away: it is made anew from the journal.",
                )
            )
        if journal_id == journal.journal_id and version == VERSION and mark <= journal.last_seq():
            return mark
        set_aside(store, f"{journal_id}-{mark}")
    with attached(db, store, write=True):
        db.execute("begin")
        db.execute(ddl("catalog"))
        db.execute("insert into catalog.applied values (?, 0, ?)", (journal.journal_id, VERSION))
        db.execute("commit")
    return 0


def _state(db: "DuckDBPyConnection", store: Path) -> tuple[str, int, int] | None:
    """(journal id, mark, version) of the catalog there is; None for none, or one whose making was cut off."""
    if not (store / FILE).exists():
        return None
    with attached(db, store, write=True):
        tables = db.execute(
            "select 1 from duckdb_tables() where database_name='catalog' and table_name='applied'"
        ).fetchall()
        rows = db.execute("select journal_id, seq, version from catalog.applied").fetchall() if tables else []
    return rows[0] if rows else None


def set_aside(store: Path, name: str) -> Path:
    """Move the catalog's file out of the way, keeping it: it may hold what a lost journal said."""
    target = store / f"catalog-{name}.duckdb"
    for ending in ("", ".wal"):
        source = Path(f"{store / FILE}{ending}")
        if source.exists():
            source.replace(f"{target}{ending}")
    return target


class _Stage:
    """The rows of one batch, in tables of the in-memory database."""

    def __init__(self, db: "DuckDBPyConnection", store: Path, journal: Upkeep) -> None:
        self.events = 0
        self.filled: set[str] = set()
        self._db, self._store, self._journal = db, store, journal
        self._rows: dict[str, list[Row]] = {}
        self._count = 0
        self._seen: set[tuple[str, object]] = set()

    def fill(self, mark: int) -> int:
        """Stage the events after `mark`; return the sequence number of the last one."""
        while self.events < EVENTS and self._count < ROWS:
            page = self._journal.page(mark, _PAGE)
            for seq in page.unread:
                self._add("gap", (seq, None, None, "", "an event that cannot be read"))
            for seq, record in page.events:
                self._event(seq, record)
                if self._count >= ROWS and seq < page.last:
                    self._flush()
                    return seq
            if page.last == mark:
                break
            mark = page.last
        self._flush()
        return mark

    def _event(self, seq: int, record: Any) -> None:  # Any: a Record, told apart by rows_of
        self.events += 1
        rows = self._live(seq, record) if isinstance(record, LiveClosed) else rows_of(seq, record)
        mine: set[tuple[str, object]] = set()
        staged: list[tuple[str, Row]] = []
        try:
            for table, row in rows:
                if table not in ONCE:
                    staged.append((table, row))
                elif (table, row[0]) not in self._seen:
                    mine.add((table, row[0]))
                    staged.append((table, row))
                if len(staged) >= _BLOCK:
                    self._take(staged)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"a {record.kind} event that cannot be read: {type(error).__name__}: {error}"
            self._add("gap", (seq, getattr(record, "run_id", None), None, "", reason))
            return
        self._take(staged)
        self._seen |= mine

    def _take(self, staged: list[tuple[str, Row]]) -> None:
        for table, row in staged:
            self._add(table, row)
        staged.clear()

    def _live(self, seq: int, record: LiveClosed) -> Iterator[tuple[str, Row]]:
        """The rows of a live file, block by block; a file that is gone leaves a gap, not a failure."""
        from ..scheduler.live import read_live

        path = self._store / record.path
        inside = path.resolve().is_relative_to(self._store.resolve())
        if not inside or not path.is_file():
            reason = "the file is gone" if inside else "a path outside the store"
            yield "gap", (seq, record.run_id, record.step_run_id, record.path, reason)
            return
        live = LiveRows(seq, record.run_id, record.step_run_id, record.step, record.attempt)
        offset = 0
        while offset < record.bytes:
            records, after = read_live(str(path), offset)
            if after == offset:
                break
            yield from live.rows(records)
            offset = after
        yield from live.end()

    def _add(self, table: str, row: Row) -> None:
        waiting = self._rows.setdefault(table, [])
        waiting.append(row)
        self._count += 1
        if len(waiting) >= _BLOCK:
            self._insert(table, waiting)

    def _flush(self) -> None:
        for table, waiting in self._rows.items():
            if waiting:
                self._insert(table, waiting)

    def _insert(self, table: str, waiting: list[Row]) -> None:
        import duckdb

        columns = TABLES[table]
        if any(len(row) != len(columns) for row in waiting):
            raise AssertionError(f"a row of {table} is not as long as its table is wide")
        statement = f"insert into stage.{table} select {', '.join(map(_unnested, columns.values()))}"
        values = [list(column) for column in zip(*waiting, strict=True)]
        try:
            self._db.execute(statement, [json.dumps(column) for column in values])
        except duckdb.InvalidInputException:
            # Names and output are the user's: a lone surrogate is text for Python and not for anybody else.
            self._db.execute(statement, [json.dumps([_encodable(value) for value in column]) for column in values])
        self.filled.add(table)
        waiting.clear()

    def clear(self) -> None:
        for table in self.filled:
            self._db.execute(f"truncate stage.{table}")


def _unnested(kind: str) -> str:
    plain = {"TIMESTAMP": "BIGINT", "JSON": "VARCHAR"}.get(kind, kind)
    column = f"unnest(from_json(?, '[\"{plain}\"]'))"
    return f"make_timestamp({column})" if kind == "TIMESTAMP" else column


def _encodable(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _make_stage(db: "DuckDBPyConnection") -> None:
    db.execute("create schema stage")
    db.execute(ddl("stage"))


def _copy(db: "DuckDBPyConnection", store: Path, journal_id: str, mark: int, last: int, filled: set[str]) -> None:
    """One transaction: everything that is staged, and the mark."""
    with attached(db, store, write=True):
        db.execute("begin")
        try:
            rows = db.execute("select seq from catalog.applied where journal_id=?", (journal_id,)).fetchall()
            if rows != [(mark,)]:
                raise _Overtaken
            for table in sorted(filled):
                for statement in _moves(table, mark):
                    db.execute(statement)
            db.execute("update catalog.applied set seq=? where journal_id=?", (last, journal_id))
            db.execute("commit")
        except BaseException:
            db.execute("rollback")
            raise


def _moves(table: str, mark: int) -> list[str]:
    """What brings a table's staged rows into the catalog. Only the catalog may be written in its transaction."""
    staged = f"select * from stage.{table}"
    if table in ONCE:
        key = ONCE[table]
        return [f"insert into catalog.{table} {staged} where {key} not in (select {key} from catalog.{table})"]
    if table not in NEWEST:
        return [f"insert into catalog.{table} {staged}"]
    key = NEWEST[table]
    # Everything that is staged came after the mark, and everything that is there before it.
    drop = f"delete from catalog.{table} where seq <= {mark} and {key} in (select {key} from stage.{table})"
    if table == "run":
        both = f"{staged} union all select * from catalog.{table} where {key} in (select {key} from stage.{table})"
        merged = ", ".join(
            "max(seq)" if name == "seq" else name if name == key else f"arg_max({name}, seq)" for name in TABLES[table]
        )
        return [f"insert into catalog.{table} select {merged} from ({both}) group by {key}", drop]
    # Two events may speak of one step run (its start and its end): the later one says all that the earlier one did.
    newest = f"qualify row_number() over (partition by {key} order by seq desc) = 1"
    return [drop, f"insert into catalog.{table} {staged} {newest}"]
