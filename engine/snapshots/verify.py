"""Is the store sound? And what is not, mended where that loses nothing but the time to make it again.

A damaged or lost object makes the results that need it stale. The catalog is made anew from the journal. The journal is
the truth, and has a second copy: either is made anew from the other (`restore.py`); what both have lost is told.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from .. import wire
from ..errors import InstepError, StoreError
from ..files import hash_file
from ..ids import Json
from . import projector, second_copy
from .duck import Damaged, FileHeld, attached, in_memory
from .gate import reading
from .objects import ObjectStore
from .records import ItemsEnded, RunEnded, RunStarted, StepEnded, StepStarted, item_run_id
from .restore import compare, restore_copy, restore_journal
from .tables import TABLES
from .upkeep import CacheRow, ObjectRow, Upkeep

_LEFT_OVER: Final = 600
"""Seconds after which a temporary file is nobody's any more."""
_PAGE: Final = 2_000

Kind = Literal["damaged", "missing", "left_over", "interrupted", "journal", "catalog"]


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    subject: str
    mended: bool


@dataclass(frozen=True, slots=True)
class Report:
    problems: tuple[Found, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether the store is sound now: whatever was found is mended."""
        return all(one.mended for one in self.problems)

    def to_json(self) -> dict[str, Json]:
        """The document `verify` of docs/json.md."""
        return {"sound": self.sound, "problems": [asdict(one) for one in self.problems]}


def verify(store: Path, *, mend: bool = True) -> Report:
    """Check everything. Without `mend` nothing is changed, and what is found counts as unsound."""
    if not (store / "journal.sqlite").is_file() and not (store / second_copy.FILE).is_file():
        return Report(tuple(_left_over(store, mend=mend)))
    problems = list(_journal(store, mend=mend))
    if not all(one.mended for one in problems):
        return Report(tuple(problems))
    try:
        with Upkeep(store / "journal.sqlite") as journal:
            problems += [
                *(Found("journal", f"event {seq} cannot be read", False) for seq in _unreadable(journal)),
                *_interrupted(journal, mend=mend),
                *_objects(journal, ObjectStore(store), mend=mend),
            ]
    except StoreError as error:
        return Report((Found("journal", error.problems[0].what, False),))
    return Report((*problems, *_catalog(store, mend=mend), *_left_over(store, mend=mend)))


def _journal(store: Path, *, mend: bool) -> Iterator[Found]:
    """The journal against its second copy."""
    difference = compare(store)
    if difference is None:
        return
    if difference.mend == "copy":
        if mend:
            restore_copy(store)
        yield Found("journal", difference.what, mend)
    elif difference.mend == "nothing" or not mend:
        yield Found("journal", difference.what, False)
    elif _engine_lives(store):
        yield Found("journal", f"{difference.what}; `instep stop` the engine, then it can be made anew", False)
    else:
        restore_journal(store)
        yield Found("journal", difference.what, True)


def _engine_lives(store: Path) -> bool:
    """Asked at its socket: the lease is in the journal."""
    channel = wire.connect(str(store.parent))
    if channel is not None:
        channel.close()
    return channel is not None


def quarantined(store: Path) -> list[str]:
    """The names of the objects in the quarantine."""
    return sorted(path.name for path in (store / "objects" / "quarantine").glob("*"))


def _unreadable(journal: Upkeep) -> Iterator[int]:
    at = 0
    while True:
        page = journal.page(at, _PAGE)
        yield from page.unread
        if page.last == at:
            return
        at = page.last


def _interrupted(journal: Upkeep, *, mend: bool) -> Iterator[Found]:
    """Runs whose engine died without a word."""
    now = time.time_ns() // 1000
    going = journal.going_on()
    for run_id, number in journal.unfinished():
        if (run_id, number) in going:
            continue
        if mend:
            journal.append(*journal.started_not_ended(run_id), RunEnded(run_id, "interrupted", now))
        yield Found("interrupted", f"run {number}", mend)


# Objects


def _objects(journal: Upkeep, objects: ObjectStore, *, mend: bool) -> Iterator[Found]:
    """Damaged objects go to the quarantine, and every result that needs one is forgotten: its step is stale again."""
    wrong = _wrong(journal, objects)
    bad = {row.name for row, _ in wrong}
    there = {path.name for _, _, path in objects.iter()} | journal.away_names()
    results = [row for row in journal.cache_rows() if any(one in bad or one not in there for one in row.object_names())]
    if mend and (wrong or results):
        _forget(journal, objects, wrong, results)
    for row, here in wrong:
        yield Found("damaged" if here else "missing", row.name, mend)
    unheard = {one for row in results for one in row.object_names() if one not in there and one not in bad}
    for name in sorted(unheard):
        yield Found("missing", name, mend)


def _wrong(journal: Upkeep, objects: ObjectStore) -> list[tuple[ObjectRow, bool]]:
    """(object, whether it is there) for every object that is not what it was."""

    def check(row: ObjectRow) -> tuple[ObjectRow, bool] | None:
        path = objects.path(row.content_hash, row.format)
        try:
            same = path.stat().st_size == row.bytes and hash_file(path) == row.file_hash
            return None if same else (row, True)
        except FileNotFoundError:
            return row, False
        except OSError:  # a disk that cannot read it any more
            return row, True

    with ThreadPoolExecutor(os.cpu_count() or 2) as threads:
        return [found for found in threads.map(check, journal.object_rows()) if found is not None]


def _forget(
    journal: Upkeep, objects: ObjectStore, wrong: list[tuple[ObjectRow, bool]], results: list[CacheRow]
) -> None:
    """The journal first: killed in between, the next check finds the object still there and still damaged."""
    journal.drop(cache=results, objects=[(row.content_hash, row.format) for row, here in wrong if not here])
    for row, here in wrong:
        if here:
            objects.quarantine(row.content_hash, row.format)
        objects.delete(row.content_hash, "arrow")
    journal.drop(quarantined=[(row.content_hash, row.format) for row, here in wrong if here])


# The catalog


def _catalog(store: Path, *, mend: bool) -> Iterator[Found]:
    """The catalog can be read to its last block and holds what the journal says; else it is made anew."""
    try:
        done = projector.project(store, wait=2.0)
        wrong = "" if done.behind else _difference(store)
    except Damaged as error:
        wrong = error.problems[0].what
    except InstepError as error:  # of a newer version, or a store that cannot be written: nothing to make anew
        yield Found("catalog", error.problems[0].what, False)
        return
    if not wrong:
        return
    if mend:
        projector.set_aside(store, f"damaged-{time.time_ns() // 1_000_000}")
        projector.project(store, wait=2.0)
    yield Found("catalog", wrong, mend)


def _difference(store: Path) -> str:
    """How the catalog differs from the journal; empty where it does not."""
    import duckdb

    with Upkeep(store / "journal.sqlite") as journal:
        runs, step_runs = _counts(journal)
    with in_memory(store) as db, reading(store):
        try:
            with attached(db, store):
                try:
                    for name in TABLES:  # every block has a checksum, which reading it checks
                        db.execute(f"select count(*), max(hash(t)) from catalog.{name} t").fetchall()
                    count = "select count(distinct {}) from catalog.{} where {} is not null"
                    found = [
                        db.execute(count.format(key, table, held)).fetchall()[0][0]
                        for table, key, held in (("run", "run_id", "number"), ("step_run", "step_run_id", "step"))
                    ]
                except duckdb.Error as error:
                    return f"it cannot be read ({str(error).splitlines()[0][:200]})"
        except FileHeld:
            return ""  # who has it open is not wrong
    if found != [runs, step_runs]:
        return f"{found[0]} runs and {found[1]} step runs, and the journal has {runs} and {step_runs}"
    return ""


def _counts(journal: Upkeep) -> tuple[int, int]:
    """How many runs and step runs the catalog must have."""
    runs: set[str] = set()
    steps: set[str] = set()
    at = 0
    while True:
        page = journal.page(at, _PAGE)
        for _, record in page.events:
            match record:
                case RunStarted():
                    runs.add(record.run_id)
                case StepStarted() | StepEnded():
                    steps.add(record.step_run_id)
                case ItemsEnded():
                    steps |= {
                        item_run_id(record.step_run_id, int(str(row[0])), int(str(row[1]))) for row in record.rows
                    }
                case _:
                    pass
        if page.last == at:
            return len(runs), len(steps)
        at = page.last


def _left_over(store: Path, *, mend: bool) -> Iterator[Found]:
    """What a process that was killed while writing left behind."""
    now = time.time()
    for path in (*store.glob(".*.tmp"), *(store / "objects").glob("*/.*.tmp")):
        try:
            if now - path.stat().st_mtime > _LEFT_OVER:
                if mend:
                    path.unlink()
                yield Found("left_over", path.name, mend)
        except OSError:
            continue
