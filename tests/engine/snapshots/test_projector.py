"""The catalog holds every event exactly once: however it is batched, whoever else is at it, whenever it is killed."""

import math
import random
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from instep.engine.errors import StoreError
from instep.engine.ids import Digest, RunId, StepName, StepRunId
from instep.engine.scheduler.live import LiveFile
from instep.engine.snapshots import projector
from instep.engine.snapshots.artifact import Artifact
from instep.engine.snapshots.duck import FILE, Damaged, attached, in_memory
from instep.engine.snapshots.gate import hold
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.projector import project
from instep.engine.snapshots.records import (
    ArtifactStored,
    ItemsEnded,
    LiveClosed,
    RunEnded,
    RunNoted,
    RunStarted,
    StepEnded,
    StepStarted,
)
from instep.engine.snapshots.tables import TABLES

PROJECT = """
import sys
from pathlib import Path
from instep.engine.snapshots import projector
projector.EVENTS = int(sys.argv[2])
projector.project(Path(sys.argv[1]), wait=10)
"""


def started(number: int, run: str) -> RunStarted:
    return RunStarted(
        RunId(run), number, number * 1_000_000, "local", {"a": {"n": number}}, Digest(f"code{number % 2}"),
        {"p.py": Digest("src")}, {}, {}, Digest("env"), {"python": "3.11", "packages": {}, "hardware": {}}, "h", "u",
    )  # fmt: skip


def fill(store: Path, runs: int) -> None:
    """`runs` runs of one step, one fan-out of three items and one output each; every third of them fails."""
    with Journal(store / "journal.sqlite") as journal:
        for at in range(1, runs + 1):
            run, step, fan = RunId(f"r{at}"), StepRunId(f"s{at}"), StepRunId(f"f{at}")
            artifact = Artifact(Digest(f"h{at % 4}"), "value", "json", "dict", 2, summary={"metrics": {"m": at % 4}})
            rows = [[item, 1, "done", f"k{at}.{item}", None, 1, 2, {"": f"i{item}"}, None] for item in range(3)]
            state = "failed" if at % 3 == 0 else "done"
            journal.append(started(at, run), StepStarted(run, step, StepName("a"), None, 1, "local", "", 5))
            journal.append(
                ArtifactStored(artifact.to_json()),
                StepEnded(run, step, StepName("a"), state, started_us=5, outputs={"a": artifact.content_hash}),
            )
            journal.append(ItemsEnded(run, fan, StepName("each"), rows), RunEnded(run, state, at * 1_000_001))


def fill_more(store: Path) -> None:
    with Journal(store / "journal.sqlite") as journal:
        journal.append(RunNoted(RunId("r1"), note="new"))


def content(store: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, in an order of its own."""
    with in_memory(store) as db, attached(db, store):
        return {name: sorted(db.execute(f"from catalog.{name}").fetchall(), key=repr) for name in TABLES}


@pytest.fixture
def store(tmp_path):
    fill(tmp_path, 6)
    return tmp_path


def test_every_event_is_there_once_and_a_second_call_does_nothing(store):
    first = project(store)
    rows = content(store)
    assert (first.applied, first.behind) == (6 * 6, 0)
    assert [len(rows[name]) for name in ("run", "step_run", "output", "artifact", "environment")] == [6, 24, 24, 4, 1]
    assert project(store).applied == 0
    assert content(store) == rows


def test_the_batches_do_not_matter(store, monkeypatch):
    project(store)
    wanted = content(store)
    for events, rows in ((1, 1), (2, 50_000), (7, 3), (5_000, 4)):
        monkeypatch.setattr(projector, "EVENTS", events)
        monkeypatch.setattr(projector, "ROWS", rows)
        monkeypatch.setattr(projector, "_PAGE", 3)
        (store / FILE).unlink()
        project(store)
        assert content(store) == wanted


def test_cut_off_in_its_transaction_it_has_done_nothing(store, monkeypatch):
    project(store)
    wanted = content(store)
    fill_more(store)

    def dies(moves):
        def killed(table: str, mark: int) -> list[str]:
            return [*moves(table, mark), "select error('killed')"]

        return killed

    with monkeypatch.context() as patched:
        patched.setattr(projector, "_moves", dies(projector._moves))
        with pytest.raises(duckdb.Error):
            project(store)
    assert content(store) == wanted
    assert project(store).applied == 1


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path):
    fill(tmp_path, 60)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", PROJECT, str(tmp_path), "5"])
        time.sleep(random.uniform(0.3, 0.8))  # interpreter and DuckDB take 0.3 s
        process.kill()
        process.wait()
    project(tmp_path, wait=5)
    rows = content(tmp_path)
    assert [len(rows[name]) for name in ("run", "step_run", "output")] == [60, 240, 240]


def test_projectors_and_readers_in_parallel_lose_and_double_nothing(tmp_path):
    fill(tmp_path, 60)
    processes = [subprocess.Popen([sys.executable, "-c", PROJECT, str(tmp_path), "10"]) for _ in range(3)]
    reads = 0
    while any(one.poll() is None for one in processes):
        if (tmp_path / FILE).exists():
            try:
                with hold(tmp_path, exclusive=False, wait=5), in_memory(tmp_path) as db, attached(db, tmp_path):
                    mark = db.execute("select seq from catalog.applied").fetchall()
                    events = db.execute("select count(*) from catalog.step_run").fetchall()[0][0]
                    assert not mark or events <= 240
                    reads += 1
            except (StoreError, duckdb.CatalogException):
                pass  # it is being made
    assert [one.wait() for one in processes] == [0, 0, 0] and reads
    assert [len(rows) for name, rows in content(tmp_path).items() if name in ("run", "step_run")] == [60, 240]


def test_who_holds_the_file_is_told_and_the_next_call_catches_up(store):
    with hold(store, exclusive=True):
        done = project(store, wait=0.01)
    assert (done.applied, done.behind) == (0, 36)
    assert done.held_by is not None
    assert project(store).applied == 36


def test_a_shell_that_has_the_file_open_stops_nothing(store):
    project(store)
    fill_more(store)
    script = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(store / FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None and shell.stdout.readline() == "open\n"
        done = project(store)
        assert (done.applied, done.behind, done.held_by) == (0, 1, shell.pid)
        shell.kill()
    assert project(store).applied == 1


def test_a_newer_catalog_is_left_alone(store):
    project(store)
    with in_memory(store) as db, attached(db, store, write=True):
        db.execute("update catalog.applied set version = 99")
    fill_more(store)
    with pytest.raises(StoreError, match="newer instep"):
        project(store)


def test_a_damaged_catalog_is_said_to_be(store):
    (store / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(Damaged):
        project(store)


def test_a_catalog_of_another_journal_is_kept_aside(store, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    fill(other, 1)
    project(other)
    (store / FILE).write_bytes((other / FILE).read_bytes())
    project(store)
    assert len(content(store)["run"]) == 6
    assert [path.name for path in store.glob("catalog-*.duckdb")]


def test_a_live_file_becomes_lines_and_metrics(store):
    live = LiveFile(str(store / "runs/1/a-0.jsonl"))
    live.start("a", "here")
    live.log("stdout", "", "bad \ud800 text")
    live.log("stdout", "", "10 %", replaced=True)
    live.log("stdout", "", "90 %", replaced=True)
    for value in (1.0, math.nan, math.inf):
        live.metrics({"loss": value})
    live.close()
    size = (store / "runs/1/a-0.jsonl").stat().st_size
    with Journal(store / "journal.sqlite") as journal:
        journal.append(LiveClosed(RunId("r1"), StepRunId("s1"), StepName("a"), "runs/1/a-0.jsonl", size))
    project(store)
    rows = content(store)
    assert sorted(str(row[-1]) for row in rows["log_line"]) == ["90 %", "bad ? text"]
    assert [(row[3], str(row[4])) for row in sorted(rows["metric"], key=lambda row: row[3])] == [
        (0, "1.0"), (1, "nan"), (2, "inf"),
    ]  # fmt: skip
    assert [row[-1] for row in rows["metric_last"]] == [3]


@pytest.mark.parametrize("path", ["runs/1/gone.jsonl", "../../etc/passwd"])
def test_a_live_file_that_cannot_be_read_leaves_a_gap(store, path):
    with Journal(store / "journal.sqlite") as journal:
        journal.append(LiveClosed(RunId("r1"), StepRunId("s1"), StepName("a"), path, 10))
    project(store)
    assert [row[3] for row in content(store)["gap"]] == [path]


def test_what_was_said_last_of_a_run_counts(store):
    with Journal(store / "journal.sqlite") as journal:
        journal.append(RunNoted(RunId("r1"), note="one", baseline=True), RunNoted(RunId("r2"), baseline=True))
        journal.append(RunNoted(RunId("r1"), note="two"), RunNoted(RunId("r2"), baseline=False))
    project(store)
    rows = {row[2]: dict(zip(TABLES["run"], row, strict=True)) for row in content(store)["run"]}
    assert (rows[1]["note"], rows[1]["state"], rows[1]["number"]) == ("two", "done", 1)
    assert rows[2]["baseline_seq"] < 0 < rows[1]["baseline_seq"]
