"""The journal's schema, as the ordered steps that lead from an empty file to what this version writes.

A new journal takes the same way as an old one, so that there is one text of every table and nothing to keep equal. A
step that was ever released is never edited: what changes is a new function at the end of `STEPS`, and a store of the
version before it in `tests/upgrade/stores` (CONTRIBUTING.md says how to make one).

How far a file is stands in its `PRAGMA user_version`. This is imported by every command, so it imports little.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from ..errors import Problem, StoreBusy, StoreError
from ..ids import new_id

Step = Callable[[sqlite3.Connection], None]
"""Brings a journal from one version to the next, inside a transaction that is not its own."""


def _first(db: sqlite3.Connection) -> None:
    """Version 1."""
    _execute(
        db,
        """
        create table event(seq integer primary key autoincrement, ts_us integer not null, actor text not null,
            run_id text, step_run_id text, kind text not null, body text not null);
        create index event_run on event(run_id);
        create table run(number integer primary key autoincrement, run_id text not null unique, state text not null,
            started_us integer not null, ended_us integer);
        create table cache(step_key text not null, candidate text not null, step_run_id text not null,
            outputs text not null, observed text not null, last_used_us integer not null,
            primary key(step_key, candidate)) without rowid;
        create table artifact(identity text primary key, content_hash text not null, body text not null) without rowid;
        create index artifact_content on artifact(content_hash);
        create table object(content_hash text not null, format text not null, bytes integer not null,
            file_hash text not null, state text not null, last_used_us integer not null,
            primary key(content_hash, format)) without rowid;
        create table basis(step text primary key, step_run_id text not null, state text not null,
            step_key text not null, body text not null) without rowid;
        create table history(step text not null, seconds real not null, ended_us integer not null);
        create index history_step on history(step, ended_us);
        create table fingerprint(fingerprint text primary key) without rowid;
        create table definition(digest text primary key, source text not null) without rowid;
        create table accepted(step text not null, step_key text not null, primary key(step, step_key)) without rowid;
        create table pin(content_hash text not null, reason text not null,
            primary key(content_hash, reason)) without rowid;
        create table lease(name text primary key, pid integer not null, host text not null, boot_id text not null,
            expires_us integer not null) without rowid;
        create table meta(name text primary key, value text not null) without rowid
        """,
    )
    db.execute("insert into meta values ('journal_id', ?)", (new_id(),))


def _runs_elsewhere(db: sqlite3.Connection) -> None:
    """Version 2: runs on clusters. `feed` is what the cluster's side has for home, `followed` what home knows of it."""
    _execute(
        db,
        """
        create table feed(seq integer primary key autoincrement, run_id text not null, body text not null);
        create index feed_run on feed(run_id, seq);
        create table followed(run_id text primary key, cluster text not null, submission text not null,
            state text not null, seq integer not null, node text not null, seen_us integer not null) without rowid;
        alter table history add column target text not null default 'local'
        """,
    )


def _with_a_second_copy(db: sqlite3.Connection) -> None:
    """Version 3: `second_copy.py` holds all that is written, so an instep that does not know it may not write."""
    db.execute("insert into meta values ('written', '0')")


def _results_as_they_come(db: sqlite3.Connection) -> None:
    """Version 4: rows of `cache` lie in the order in which they come. In that of their keys, which are random, each of
    20,000 items rewrote a page of its own, and writing them took three times as long."""
    _execute(
        db,
        """
        alter table cache rename to cache_by_key;
        create table cache(step_key text not null, candidate text not null, step_run_id text not null,
            outputs text not null, observed text not null, last_used_us integer not null,
            primary key(step_key, candidate));
        insert into cache select * from cache_by_key;
        drop table cache_by_key
        """,
    )


STEPS: Final[tuple[Step, ...]] = (_first, _runs_elsewhere, _with_a_second_copy, _results_as_they_come)
"""`STEPS[n]` brings version n to n + 1; version 0 is an empty file."""

SCHEMA: Final = len(STEPS)
"""The version that this instep writes."""


def version_of(db: sqlite3.Connection) -> int:
    return db.execute("pragma user_version").fetchone()[0]


def bring_up(db: sqlite3.Connection, folder: str, steps: Sequence[Step] = STEPS) -> None:
    """Take every step that this journal has not taken, each in a transaction of its own: killed at any moment, a step
    was taken or it was not, and of two processes at once one takes it.

    Raises StoreError for a journal that a newer instep wrote, StoreBusy for one that an engine of an older instep is
    writing. `folder` is what messages call the store.
    """
    while (version := version_of(db)) != len(steps):
        if version > len(steps):
            raise StoreError(
                Problem(
                    f"{folder} was written by a newer instep (store version {version}, known: {len(steps)})",
                    mend="Upgrade instep, or move that folder away to start with an empty store.",
                )
            )
        if version == 0:
            db.execute("pragma journal_mode=wal")
        db.execute("begin immediate")
        try:
            if version_of(db) == version:  # nobody was quicker
                _require_no_engine(db, folder, version)
                steps[version](db)
                db.execute(f"pragma user_version={version + 1}")
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise


def _require_no_engine(db: sqlite3.Connection, folder: str, version: int) -> None:
    """An engine that runs knows only the tables that it found."""
    if version == 0:
        return
    import time

    from .lease import Lease

    for row in db.execute("select name, pid, host, boot_id, expires_us from lease where name='engine'"):
        engine = Lease(*row)
        if engine.holds(time.time_ns() // 1000):
            raise StoreBusy(
                f"an engine of an older instep (process {engine.pid} on {engine.host}) is at work in {folder}",
                mend="Let its run end, then `instep stop`; the store is brought up to date by the next command.",
            )


def _execute(db: sqlite3.Connection, statements: str) -> None:
    """Unlike `executescript`, this commits nothing."""
    for statement in statements.split(";"):
        db.execute(statement)
