"""The steps of the journal's schema: each is taken once and whole, whoever opens the file and whenever it is killed."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from instep.engine.errors import StoreBusy, StoreError
from instep.engine.snapshots import lease
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.schema import SCHEMA, STEPS, bring_up, version_of


def _with_color(db: sqlite3.Connection) -> None:
    db.execute("alter table run add column color text")
    db.execute("update run set color = 'grey'")


def _with_shape(db: sqlite3.Connection) -> None:
    db.execute("create table shape(name text)")
    db.execute("insert into shape select color from run")


MORE = (*STEPS, _with_color, _with_shape)
"""What later versions could add."""

OPEN_AND_DIE = """
import os, signal, sqlite3, sys
from instep.engine.snapshots.schema import STEPS, bring_up
def killed(db):
    db.execute("create table half(a)")
    db.execute("insert into half values (1)")
    os.kill(os.getpid(), signal.SIGKILL)
bring_up(sqlite3.connect(sys.argv[1], isolation_level=None), "store", (*STEPS, killed))
"""
OPEN_AT_ONCE = """
import sqlite3, sys, time
from instep.engine.snapshots.schema import STEPS, bring_up
def slowly(db):
    db.execute("create table once(a)")
    time.sleep(0.3)
    db.execute("insert into once values (1)")
sys.stdin.readline()
bring_up(sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None), "store", (*STEPS, slowly))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of this version with a run in it."""
    found = tmp_path / "store" / "journal.sqlite"
    with Journal(found) as journal:
        journal.new_run()
    return found


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as found:
        yield found


def tables(db: sqlite3.Connection) -> dict[str, str]:
    return dict(db.execute("select name, sql from sqlite_master where sql is not null order by name").fetchall())


def test_a_journal_says_its_version(db: sqlite3.Connection) -> None:
    assert version_of(db) == SCHEMA


def test_an_older_journal_takes_the_steps_that_it_lacks_and_keeps_what_it_has(db: sqlite3.Connection) -> None:
    bring_up(db, "store", MORE)
    assert version_of(db) == SCHEMA + 2
    assert db.execute("select number, color from run").fetchall() == [(1, "grey")]
    assert db.execute("select name from shape").fetchall() == [("grey",)]
    bring_up(db, "store", MORE)
    assert db.execute("select count(*) from shape").fetchall() == [(1,)], "a step was taken twice"


def test_a_new_journal_has_the_tables_of_one_that_was_brought_up(db: sqlite3.Connection, tmp_path: Path) -> None:
    bring_up(db, "store", MORE)
    with closing(sqlite3.connect(tmp_path / "new.sqlite", isolation_level=None)) as new:
        bring_up(new, "store", MORE)
        assert tables(new) == tables(db)


def test_a_step_that_fails_leaves_the_journal_as_it_was(db: sqlite3.Connection) -> None:
    def fails(db: sqlite3.Connection) -> None:
        db.execute("create table half(a)")
        db.execute("insert into nowhere values (1)")

    before = tables(db)
    with pytest.raises(sqlite3.OperationalError):
        bring_up(db, "store", (*STEPS, _with_color, fails))
    assert version_of(db) == SCHEMA + 1, "the step before it was whole"
    assert tables(db).keys() == before.keys()
    bring_up(db, "store", MORE)
    assert version_of(db) == SCHEMA + 2


def test_killed_in_a_step_it_is_taken_by_the_next_who_opens(path: Path, db: sqlite3.Connection) -> None:
    before = tables(db)
    died = subprocess.run([sys.executable, "-c", OPEN_AND_DIE, str(path)], check=False)
    assert died.returncode == -9
    assert (version_of(db), tables(db)) == (SCHEMA, before)
    bring_up(db, "store", MORE)
    assert version_of(db) == SCHEMA + 2


def test_of_processes_at_once_one_takes_the_step(path: Path, db: sqlite3.Connection) -> None:
    command = [sys.executable, "-c", OPEN_AT_ONCE, str(path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for one in processes:
        assert one.stdin is not None
        one.stdin.close()  # they have waited for each other
    assert [one.wait(60) for one in processes] == [0, 0, 0, 0]
    assert db.execute("select count(*) from once").fetchall() == [(1,)]


def test_a_journal_that_an_engine_of_an_older_instep_writes_is_left_alone(db: sqlite3.Connection) -> None:
    assert lease.take(db, "engine") is None  # this process is that engine
    with pytest.raises(StoreBusy, match=f"older instep .process {os.getpid()}"):
        bring_up(db, "store", MORE)
    assert version_of(db) == SCHEMA
    lease.give_back(db, "engine")
    bring_up(db, "store", MORE)
    assert version_of(db) == SCHEMA + 2


def test_a_journal_of_a_newer_instep_is_left_alone(db: sqlite3.Connection) -> None:
    bring_up(db, "store", MORE)
    with pytest.raises(StoreError, match="newer instep"):
        bring_up(db, "store", MORE[:-1])
    assert version_of(db) == SCHEMA + 2
