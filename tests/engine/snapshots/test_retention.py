"""`gc` frees what nothing refers to and never anything that something kept refers to."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.engine.errors import StoreBusy
from instep.engine.ids import Digest, RunId, StepName, StepRunId, new_id
from instep.engine.recorder import object_names
from instep.engine.scheduler.live import LiveFile
from instep.engine.snapshots import retention
from instep.engine.snapshots.artifact import Artifact
from instep.engine.snapshots.gate import OBJECTS, hold
from instep.engine.snapshots.journal import Basis, Cached, Writing
from instep.engine.snapshots.objects import ObjectStore, hash_bytes
from instep.engine.snapshots.records import (
    ArtifactStored,
    ItemsEnded,
    LiveClosed,
    RunContext,
    RunEnded,
    RunNoted,
    RunStarted,
    StepEnded,
)
from instep.engine.snapshots.retention import YOUNG, gc, plan
from instep.engine.snapshots.upkeep import Upkeep
from instep.engine.snapshots.verify import verify

DAY = 86_400.0


@dataclass(frozen=True)
class Made:
    """A step's part in a run: what it put out comes from `version`, so that runs share results."""

    step: int
    version: int
    fan: bool = False


class Filler:
    """A store whose runs and objects are as old as is said."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.objects = ObjectStore(store)
        self.journal = Upkeep(store / "journal.sqlite", actor="me@999999999")
        self.made_by: dict[str, StepRunId] = {}
        self.refers: dict[int, set[str]] = {}

    def close(self) -> None:
        self.journal.close()

    def put(self, writing: Writing, name: str, format: str) -> str:
        stored = self.objects.put(hash_bytes(name.encode()), format, name.encode())
        writing.objects.append((stored.content_hash, stored.format, stored.bytes, stored.file_hash))
        return f"{stored.content_hash}.{format}"

    def run(self, days: float, parts: list[Made], *, ended: bool = True, baseline: bool = False) -> int:
        """A run that started `days` ago; every table has one part of its own and one that all share."""
        run, number = self.journal.new_run()
        at = int((time.time() - days * DAY) * 1e6)
        writing = Writing()
        code = Digest(self.put(writing, "code", "src").partition(".")[0])
        bundle = Digest(self.put(writing, "bundle", "code").partition(".")[0])
        diff = self.put(writing, f"diff {number}", "diff")
        writing.events += [
            RunStarted(run, number, at, "local", {}, bundle, {"p.py": code}, {}, {}, Digest("e"), {}, "h", "u"),
            RunContext(run, None, True, Digest(diff.partition(".")[0])),
        ]
        names = {diff, f"{code}.src", f"{bundle}.code"}
        for one in parts:
            names |= self.step(writing, run, one)
        if ended:
            writing.events.append(RunEnded(run, "done", at + 5))
        if baseline:
            writing.events.append(RunNoted(run, baseline=True))
        self.journal.write(writing)
        with self.journal._transaction() as put:
            put("update run set started_us=? where run_id=?", [(at, run)])
        self.refers[number] = names
        return number

    def step(self, writing: Writing, run: RunId, one: Made) -> set[str]:
        name, label = StepName(f"step{one.step}"), f"{one.step}.{one.version}"
        parts = [self.put(writing, text, "parquet") for text in (f"part {label}", f"shared {one.version % 2}")]
        whole = self.put(writing, f"table {label}", "table")
        artifact = Artifact(
            Digest(whole.partition(".")[0]), "table", "table", "polars", 9,
            parts=tuple(Digest(part.partition(".")[0]) for part in parts),
        )  # fmt: skip
        input_file = self.put(writing, f"file {label}", "file")
        key, step_run = Digest(f"key {label}"), StepRunId(new_id())
        reused = self.made_by.get(key)
        writing.artifacts.append(artifact)
        writing.events.append(ArtifactStored(artifact.to_json()))
        if reused is None:
            self.made_by[key] = step_run
            body = {"outputs": {"": artifact.identity}, "objects": object_names(artifact), "metrics": {}}
            writing.cache.append(Cached(key, Digest("c"), step_run, body, {}))
        if one.fan:
            block = self.put(writing, f"block {label}", "block")
            item = {"item": {"": ["i", "json", "int", block.partition(".")[0], 0, None]}}
            writing.cache.append(Cached(Digest(f"item {label}"), Digest("c"), step_run, item, {}))
            row = [0, 1, "done", f"item {label}", None, 1, 2, {"": "i"}, None]
            writing.events.append(ItemsEnded(run, step_run, name, [row]))
            parts.append(block)
        writing.basis.append(Basis(name, reused or step_run, "done", key, {}))
        writing.events.append(
            StepEnded(
                run, step_run, name, "reused" if reused else "done", step_key=key, reused_from=reused,
                outputs={name: artifact.content_hash},
                files=[{"path": "f", "bytes": 1, "mtime_ns": 1, "content_hash": input_file.partition(".")[0]}],
            )
        )  # fmt: skip
        return {whole, *parts, input_file}

    def age(self, seconds: float = 2 * YOUNG) -> None:
        for _, _, path in self.objects.iter():
            os.utime(path, (time.time() - seconds,) * 2)

    def here(self) -> set[str]:
        return {path.name for _, _, path in self.objects.iter()}

    def results(self) -> set[str]:
        return {one.step_key for one in self.journal.cache_rows()}


@pytest.fixture
def filler(tmp_path):
    found = Filler(tmp_path / "store")
    yield found
    found.close()


def test_without_an_age_every_run_keeps_what_it_has(filler):
    for days in (900, 30, 0):
        filler.run(days, [Made(0, int(days)), Made(1, 0, fan=True)])
    orphan = filler.put(Writing(), "of a failed attempt", "json")
    filler.age()
    before = filler.here()
    assert gc(filler.store)["objects"] == 1
    assert filler.here() == before - {orphan}


def test_old_runs_keep_their_code_and_lose_their_data(filler):
    old = filler.run(40, [Made(0, 1)])
    new = filler.run(1, [Made(0, 2)])
    filler.age()
    dry = gc(filler.store, 30 * DAY, dry_run=True)
    assert dry | {"dry_run": False} == gc(filler.store, 30 * DAY)
    assert dry["runs"] == [old] and dry["results"] == 1
    assert filler.refers[new] <= filler.here()
    gone = {name.partition(".")[2] for name in filler.refers[old] - filler.here()}
    assert gone == {"table", "parquet", "file", "diff"}
    assert gc(filler.store, 30 * DAY)["objects"] == 0
    assert verify(filler.store).sound


def test_the_newest_result_of_a_step_stays_however_old(filler):
    filler.run(400, [Made(0, 1, fan=True)])
    filler.age()
    before = filler.results()
    gc(filler.store, DAY)
    assert filler.results() == before
    assert {name.partition(".")[2] for name in filler.here()} == {"table", "parquet", "block", "file", "src", "code"}


def test_what_a_kept_run_took_over_from_an_old_one_stays(filler):
    filler.run(40, [Made(0, 1)])
    kept = filler.run(1, [Made(0, 1)])
    filler.run(0, [Made(0, 2)])
    filler.age()
    gc(filler.store, 30 * DAY)
    assert filler.refers[kept] <= filler.here() and "key 0.1" in filler.results()


def test_the_baseline_and_what_is_pinned_stay(filler):
    baseline = filler.run(400, [Made(0, 1)], baseline=True)
    filler.run(300, [Made(0, 2)])
    filler.run(0, [Made(0, 3)])
    pinned = next(name for name in filler.refers[2] if name.endswith(".diff"))
    filler.journal._db.execute("insert into pin values (?, 'mine')", (pinned.partition(".")[0],))
    filler.age()
    gc(filler.store, DAY)
    assert filler.refers[baseline] <= filler.here() and pinned in filler.here()


def test_what_is_young_may_still_be_on_its_way_into_the_journal(filler):
    orphan = filler.put(Writing(), "just written", "json")
    assert gc(filler.store)["objects"] == 0 and orphan in filler.here()


def test_attachments_stay_with_their_run(filler):
    old, new = filler.run(40, [Made(0, 1)]), filler.run(1, [Made(0, 2)])
    names: list[str] = []
    for number in (old, new):
        name = filler.put(Writing(), f"figure of {number}", "png")
        names.append(name)
        live = LiveFile(str(filler.store / f"runs/{number}/a-0.jsonl"))
        live.attach("figure", "fit", {"content_hash": name.partition(".")[0], "parts": []})
        live.close()
        run = filler.journal.run_id(number)
        filler.journal.append(LiveClosed(run, StepRunId("s"), StepName("a"), f"runs/{number}/a-0.jsonl", 1))
    filler.age()
    gc(filler.store)
    assert set(names) <= filler.here()
    gc(filler.store, 30 * DAY)
    assert names[1] in filler.here() and names[0] not in filler.here()


def test_it_waits_for_runs(filler):
    filler.journal.actor = f"me@{os.getpid()}"
    filler.run(0, [Made(0, 1)], ended=False)
    with pytest.raises(StoreBusy, match="run 1 is going on"):
        gc(filler.store)
    with hold(filler.store, OBJECTS, exclusive=False), pytest.raises(StoreBusy, match="held by"):
        gc(filler.store)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_killed_half_way_it_leaves_a_sound_store_and_ends_the_next_time(filler, monkeypatch, after):
    filler.run(40, [Made(0, 1)])
    new = filler.run(1, [Made(0, 2)])
    filler.age()
    deleted: list[Digest] = []

    def dies(self: ObjectStore, content: Digest, format: str) -> None:
        if len(deleted) == after:
            raise KeyboardInterrupt
        deleted.append(content)
        self.path(content, format).unlink()

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            gc(filler.store, 30 * DAY)
    assert verify(filler.store).problems == ()
    gc(filler.store, 30 * DAY)
    assert not plan(filler.store, 30 * DAY).objects
    assert filler.refers[new] <= filler.here()


parts = st.lists(st.builds(Made, st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=3)
runs = st.lists(st.tuples(st.floats(0, 60), parts, st.booleans()), min_size=1, max_size=7)


@pytest.mark.timeout(900)  # each example is a store of its own: 6 s, and several minutes on a machine at its limit
@settings(max_examples=25)
@given(runs, st.floats(0, 60))
def test_nothing_goes_that_something_kept_refers_to(history, limit):
    folder = Path(tempfile.mkdtemp())
    filler = Filler(folder / "store")
    try:
        history = sorted(history, key=lambda one: -one[0])
        numbers = [filler.run(days, made, baseline=mark) for days, made, mark in history]
        filler.age()
        before = filler.here()
        freed = plan(filler.store, limit * DAY)
        assert filler.here() == before, "a plan changes nothing"
        gc(filler.store, limit * DAY)
        here, keys = filler.here(), filler.results()
        assert before - here == {name for name, _ in freed.objects}
        for number, (days, made, mark) in zip(numbers, history, strict=True):
            if days < limit - 0.01 or mark:
                assert filler.refers[number] <= here
                assert {f"key {one.step}.{one.version}" for one in made} <= keys
        for step, (_, key) in filler.journal.last_keys().items():
            assert key in keys, step
        for row in filler.journal.cache_rows():
            assert set(row.object_names()) <= here
        rows = {row.name for row in filler.journal.object_rows()}
        assert rows <= here
        assert verify(filler.store, mend=False).sound
    finally:
        filler.close()
        shutil.rmtree(folder)


def test_there_is_nothing_to_free_where_nothing_is(tmp_path):
    assert gc(tmp_path)["objects"] == 0
    assert retention.Freed().bytes == 0
