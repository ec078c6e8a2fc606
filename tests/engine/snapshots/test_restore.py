"""The journal and its second copy say the same, whoever is killed over them, and each is mended by the other."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from small_project import project_in, run

from instep.engine.errors import StoreError
from instep.engine.ids import Digest, RunId, StepName
from instep.engine.snapshots import second_copy
from instep.engine.snapshots.catalog import Catalog
from instep.engine.snapshots.journal import Journal, Writing
from instep.engine.snapshots.records import RunEnded
from instep.engine.snapshots.restore import compare, restore_copy
from instep.engine.snapshots.retention import gc
from instep.engine.snapshots.upkeep import Upkeep
from instep.engine.snapshots.verify import verify

APPEND = """
import sys
from pathlib import Path
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import RunEnded
with Journal(Path(sys.argv[1])) as journal:
    print("open", flush=True)
    while True:
        journal.new_run()
        journal.append(*[RunEnded("r", "done", at) for at in range(20)])
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs, and no process that has its journal open."""
    root = tmp_path_factory.mktemp("recorded")
    run(project_in(root))
    run(root, score__weight=2.0)
    return root


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "p")
    return tmp_path / "p" / ".instep"


def rows(store: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(store / "journal.sqlite")) as db:
        return {name: db.execute(f"select * from {name}").fetchall() for name in second_copy.tables(db)}


def flipped(path: Path, random: Random, count: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def test_what_was_recorded_and_its_copy_say_the_same(store: Path) -> None:
    assert compare(store) is None


@pytest.mark.parametrize("seed", range(12))
def test_whatever_byte_of_the_journal_flips_it_is_found_and_mended(store: Path, seed: int) -> None:
    before, random = rows(store), Random(seed)
    flipped(store / "journal.sqlite", random, random.choice((1, 5, 50)))
    report = verify(store)
    assert report.sound
    assert rows(store) == before
    assert not verify(store).problems


def test_one_flipped_letter_in_a_row_which_sqlite_does_not_notice_is_mended(store: Path) -> None:
    before = rows(store)
    data = (store / "journal.sqlite").read_bytes()
    assert data.count(b'"sum"') and data.count(b'"weight"')
    (store / "journal.sqlite").write_bytes(data.replace(b'"weight"', b'"weigh4"'))
    with Upkeep(store / "journal.sqlite") as journal:
        assert journal.check() == []
    report = verify(store)
    assert report.sound and [one.kind for one in report.problems] == ["journal"]
    assert "not what was written" in report.problems[0].subject
    assert rows(store) == before
    assert list(store.glob("journal-damaged-*.sqlite")), "what was there is kept"


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"nothing" * 1000),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:20_000]),
        lambda path: path.unlink(),
    ],
    ids=["overwritten", "emptied", "cut", "removed"],
)
def test_a_journal_that_is_no_journal_any_more_is_made_anew(store: Path, harm: Callable[[Path], object]) -> None:
    before = rows(store)
    harm(store / "journal.sqlite")
    report = verify(store)
    assert report.sound and report.problems[0].kind == "journal"
    assert rows(store) == before
    assert [one["run"] for one in Catalog(store).runs()] == [2, 1]


def test_a_journal_that_is_gone_is_not_begun_anew_in_silence(store: Path) -> None:
    (store / "journal.sqlite").unlink()
    with pytest.raises(StoreError, match="gone"):
        Journal(store / "journal.sqlite")
    assert not (store / "journal.sqlite").exists()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_byte_of_the_copy_flips_the_journal_stays_and_the_copy_is_made_anew(store: Path, seed: int) -> None:
    before, random = rows(store), Random(seed)
    flipped(store / second_copy.FILE, random, random.choice((1, 5, 50)))
    assert verify(store).sound
    assert rows(store) == before
    assert not verify(store).problems


@pytest.mark.parametrize("how", ["removed", "cut"])
def test_a_copy_that_lost_its_end_is_made_anew(store: Path, how: str) -> None:
    path = store / second_copy.FILE
    if how == "removed":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    report = verify(store)
    assert [(one.kind, one.mended) for one in report.problems] == [("journal", True)]
    assert compare(store) is None


def test_what_both_have_lost_is_told(store: Path) -> None:
    (store / "journal.sqlite").write_bytes(b"nothing" * 1000)
    data = bytearray((store / second_copy.FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (store / second_copy.FILE).write_bytes(data)
    report = verify(store)
    assert not report.sound and [one.kind for one in report.problems] == ["journal"]


def test_a_log_of_sqlite_that_lost_its_end_is_made_good(store: Path) -> None:
    """The transactions in a write-ahead log with a wrong byte are dropped by SQLite without a word."""
    with Journal(store / "journal.sqlite") as journal:
        for at in range(5):
            journal.append(RunEnded(RunId("r"), "done", at))
        before = rows(store)
        log = store / "journal.sqlite-wal"
        kept = log.read_bytes()
    log.write_bytes(kept[:-2000] + bytes(1) + kept[-1999:])
    report = verify(store)
    assert report.sound
    assert rows(store) == before


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_the_copy_is_never_behind(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store" / "journal.sqlite"
    random = Random(seed)
    for _ in range(2):
        writers = [
            subprocess.Popen([sys.executable, "-c", APPEND, str(path)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        for one in writers:
            assert one.stdout is not None and one.stdout.readline()
        time.sleep(random.random() * 0.1)
        for one in writers:
            one.send_signal(signal.SIGKILL)
            one.communicate()
    difference = compare(path.parent)
    assert difference is None or difference.what == "1 transactions are missing", "only the last one is open"
    verify(path.parent)
    assert compare(path.parent) is None


def test_a_transaction_that_comes_to_nothing_leaves_the_copy_as_it_was(store: Path) -> None:
    before = (store / second_copy.FILE).read_bytes()
    with Journal(store / "journal.sqlite") as journal:
        with pytest.raises(StoreError, match="NOT NULL"), journal._transaction() as put:
            put("insert into pin values (?,?)", [("a", "b")])
            put("insert into pin values (?,?)", [("a", None)])
        assert (store / second_copy.FILE).read_bytes() == before
        journal.append(RunEnded(RunId("r"), "done", 1))
    assert compare(store) is None


def test_a_line_that_a_full_disk_cut_is_passed_over(store: Path) -> None:
    with (store / second_copy.FILE).open("ab") as file:
        file.write(b'0011aabb [99,0,1,3,[["insert into')
    with Journal(store / "journal.sqlite") as journal:
        journal.append(RunEnded(RunId("r"), "done", 1))
    assert compare(store) is None


def test_nothing_can_be_written_past_the_copy(store: Path) -> None:
    with (
        Journal(store / "journal.sqlite") as journal,
        pytest.raises(AssertionError, match="past `put`"),
        journal._transaction(),
    ):
        journal._db.execute("insert into pin values ('a', 'b')")
    assert compare(store) is None


def test_everything_that_the_journal_can_do_is_in_the_copy(store: Path) -> None:
    with Upkeep(store / "journal.sqlite") as journal:
        journal.write(Writing(objects=[(Digest("o"), "json", 1, Digest("f"))], definitions=[(Digest("d"), "é")]))
        journal.accept(StepName("table"), Digest("k"))
        journal.seen_fingerprint(Digest("f"))
        journal.drop(cache=list(journal.cache_rows())[:2], quarantined=[(Digest("o"), "json")])
        journal.forget([row.step_key for row in journal.cache_rows()][:1])
    assert compare(store) is None
    restore_copy(store)
    assert compare(store) is None


def test_gc_shortens_a_copy_that_is_mostly_of_the_past(store: Path) -> None:
    path = store / second_copy.FILE
    with Upkeep(store / "journal.sqlite") as journal:
        while path.stat().st_size < 2 * journal.path.stat().st_size:
            journal.write(Writing(objects=[(Digest("o"), "json", 1, Digest(f"{at}")) for at in range(100)]))
        before = path.stat().st_size
    gc(store)
    assert path.stat().st_size < before / 2
    assert compare(store) is None
