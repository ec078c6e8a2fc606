"""The journal appends all of a writing or nothing, from several processes at once, refuses what it does not know."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.errors import StoreError
from instep.engine.ids import Digest, RunId, StepName, StepRunId
from instep.engine.snapshots.journal import Basis, Cached, Followed, Journal, Writing
from instep.engine.snapshots.records import (
    RECORDS,
    Definitions,
    ItemsEnded,
    RunEnded,
    StepEnded,
    StepStarted,
    item_run_id,
)
from instep.engine.snapshots.upkeep import Upkeep

APPEND = """
import sys
from pathlib import Path
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import RunEnded
with Journal(Path(sys.argv[1])) as journal:
    for at in range(50):
        journal.append(RunEnded("r", "done", at))
        journal.new_run()
"""


@pytest.fixture
def journal(tmp_path):
    with Upkeep(tmp_path / "store" / "journal.sqlite") as found:
        yield found


def cached(key: str, run: str = "s") -> Cached:
    return Cached(Digest(key), Digest("c"), StepRunId(run), {"outputs": {}, "objects": []}, {})


def test_events_come_back_as_they_were(journal):
    first = StepStarted(RunId("r"), StepRunId("s"), StepName("model"), None, 1, "local", "", 5)
    second = StepEnded(
        RunId("r"), StepRunId("s"), StepName("model"), "done", outputs={"model": Digest("ab")}, reasons=[], files=[]
    )
    journal.append(first, second)
    assert journal.events_of(RunId("r")) == [first, second]
    assert [(seq, one) for seq, one in journal.page(0, 10).events] == [(1, first), (2, second)]


@given(st.text(max_size=40), st.integers(0, 2**62), st.sampled_from(["done", "failed"]))
def test_a_record_is_what_its_json_says(verdict, ended, state):
    record = RunEnded(RunId("r"), state, ended, verdict)
    assert RECORDS[record.kind].from_json(record.to_json()) == record


def test_a_kind_of_a_newer_version_is_passed_over(journal):
    with sqlite3.connect(journal.path) as db:
        db.execute("insert into event(ts_us,actor,kind,body) values (1,'x','from_the_future','{}')")
        db.execute("insert into event(ts_us,actor,kind,body) values (1,'x','run_ended','{\"odd\":1}')")
    db.close()
    page = journal.page(0, 10)
    assert (page.events, page.last, page.unread) == ((), 2, (2,))


def test_a_writing_that_cannot_be_written_leaves_nothing(journal):
    wrong = Writing(events=[RunEnded(RunId("r"), "done", 1)], cache=[cached("k")])
    wrong.basis.append(Basis(StepName("s"), StepRunId("x"), "done", Digest("k"), {"no JSON": object()}))
    with pytest.raises(TypeError):
        journal.write(wrong)
    assert journal.last_seq() == 0
    assert journal.lookup([Digest("k")]) == {}


def test_run_numbers_are_never_used_twice_by_processes_at_once(journal):
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, str(journal.path)]) for _ in range(3)]
    assert [one.wait(60) for one in processes] == [0, 0, 0]
    assert [number for number, *_ in journal.runs()] == list(range(150, 0, -1))
    assert journal.last_seq() == 150


def test_a_newer_journal_is_left_alone(tmp_path):
    path = tmp_path / "store" / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(StoreError, match="newer instep"):
        Journal(path)


def test_a_file_that_is_no_journal_is_explained(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="damaged"):
        Journal(tmp_path / "journal.sqlite")


def test_what_was_dropped_is_not_found_again(journal):
    journal.write(Writing(cache=[cached("a"), cached("b")], objects=[(Digest("o"), "json", 1, Digest("f"))]))
    row = next(one for one in journal.cache_rows() if one.step_key == "a")
    journal.drop(cache=[row], objects=[(Digest("o"), "json")])
    assert [one.step_key for one in journal.cache_rows()] == ["b"]
    assert journal.object_rows() == []


def test_a_run_goes_on_while_its_writer_lives(journal):
    run, number = journal.new_run()
    assert journal.going_on() == []
    with sqlite3.connect(journal.path) as db:
        sql = "insert into event(ts_us,actor,run_id,kind,body) values (1,?,?,'run_started','{}')"
        db.execute(sql, (f"me@{os.getpid()}", run))
    db.close()
    assert journal.going_on() == [(run, number)]


@pytest.mark.parametrize(
    ("index", "attempt", "wanted"), [(None, 1, "s"), (3, 1, "s.3"), (3, 2, "s.3.2"), (None, 2, "s")]
)
def test_items_have_ids_of_their_own(index, attempt, wanted):
    assert item_run_id(StepRunId("s"), index, attempt) == wanted


def test_many_items_are_one_event(journal):
    rows = [[index, 1, "done", f"k{index}", None, 1, 2, {"": f"h{index}"}, None] for index in range(1000)]
    journal.append(ItemsEnded(RunId("r"), StepRunId("s"), StepName("each"), rows))
    (found,) = journal.events_of(RunId("r"))
    assert isinstance(found, ItemsEnded) and len(found.rows) == 1000


def test_definitions_that_were_taken_in_are_not_lost_with_an_engine_killed_just_before(tmp_path: Path) -> None:
    told = Definitions(Digest("f" * 32), StepName("step"), [])
    with Journal(tmp_path / "journal.sqlite") as journal:
        run_id, _ = journal.new_run()
        journal.follow(Followed(run_id, "gpu", "job", "going"))
        assert journal.take_in(Writing(events=[told]), run_id, 1)
        assert not journal.take_in(Writing(events=[told]), run_id, 1)
        assert journal.take_in(Writing(events=[told]), run_id, 2)  # another agent tells it once more
        assert [one for *_, one in journal.events_after(0)] == [told]
        assert journal.seen_fingerprint(told.fingerprint)
