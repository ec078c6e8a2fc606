"""What nothing refers to any more, and freeing it.

Computing is apart from doing: `plan` says what would go, `gc` does it. It looks at content hashes, not at file names:
an object stays if anything that is kept speaks of its content in whatever format.

What refers: runs that are kept (their code, inputs, outputs, attachments and git diffs), pins, and cache entries. A
cache entry stays while a kept run used its key, or it is the newest result of its step.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import StoreBusy
from ..ids import Digest, Json, RunId
from .gate import OBJECTS, Held, hold
from .objects import ObjectStore
from .records import ItemsEnded, LiveClosed, Record, RunContext, RunNoted, RunStarted, StepEnded
from .upkeep import CacheRow, Upkeep

YOUNG: Final = 600
"""Seconds for which an object that nothing refers to may still be on its way into the journal."""
_PAGE: Final = 2_000
_GOOD: Final = ("done", "reused")
_ATTACHMENT: Final = b'"k":"attach"'


@dataclass(frozen=True, slots=True)
class Freed:
    """`objects` are file names with their bytes; `results` the cache entries that go with them; `runs` the numbers of
    those whose results are not kept for their own sake."""

    objects: tuple[tuple[str, int], ...] = ()
    results: tuple[CacheRow, ...] = ()
    runs: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.objects)

    def to_json(self, *, dry_run: bool) -> dict[str, Json]:
        return {
            "dry_run": dry_run,
            "objects": len(self.objects),
            "bytes": self.bytes,
            "results": len(self.results),
            "runs": list(self.runs),
        }


@dataclass(slots=True)
class _Kept:
    """Content hashes, and the step keys whose results stay."""

    contents: set[str] = field(default_factory=set[str])
    keys: set[str] = field(default_factory=set[str])

    def take(self, store: Path, record: Record) -> None:
        """Everything that an event of a kept run speaks of."""
        match record:
            case RunContext(diff=diff) if diff is not None:
                self.contents.add(diff)
            case StepEnded():
                self.contents.update(record.inputs.values(), record.outputs.values())
                self.contents.update(str(file["content_hash"]) for file in record.files)
                if record.step_key is not None:
                    self.keys.add(record.step_key)
            case ItemsEnded():
                self.keys.update(str(row[3]) for row in record.rows)
                self.contents.update(content for row in record.rows for content in _values(row[7]))
            case LiveClosed():
                self.contents.update(_attached(store / record.path))
            case _:
                pass


def plan(store: Path, older_than: float | None = None, now: float | None = None) -> Freed:
    """What `gc` would free. `older_than` is in seconds: what only runs that started longer ago refer to goes too;
    without it every run keeps what it has."""
    moment = time.time() if now is None else now
    with Upkeep(store / "journal.sqlite") as journal:
        old = _old_runs(journal, older_than, moment)
        kept = _kept(journal, store, old)
        dropped: list[CacheRow] = []
        for row in journal.cache_rows():
            if row.step_key in kept.keys or not old:
                kept.contents.update(name.partition(".")[0] for name in row.object_names())
            else:
                dropped.append(row)
        kept.contents |= journal.pinned()
        parts = {one["content_hash"]: one["parts"] for one in journal.artifact_bodies() if one["parts"]}
        _add_parts(kept.contents, parts)
        numbers = sorted(journal.run_started_at()[one][0] for one in old)
    return Freed(tuple(_unreferred(ObjectStore(store), kept.contents, moment)), tuple(dropped), tuple(numbers))


def gc(store: Path, older_than: float | None = None, *, dry_run: bool = False) -> dict[str, Json]:
    """Free it, and what is in the quarantine. Raises StoreBusy while a run is going on.

    The journal forgets first: being killed in between leaves objects that nothing refers to, which the next call frees.
    """
    if not (store / "journal.sqlite").is_file():
        return Freed().to_json(dry_run=dry_run)
    if dry_run:
        return plan(store, older_than).to_json(dry_run=True)
    try:
        with hold(store, OBJECTS, exclusive=True):
            _refuse_while_running(store)
            freed = plan(store, older_than)
            _free(store, freed)
    except Held as error:
        raise StoreBusy(f"the objects of {store} are {error}", mend="Try again when the run has ended.") from None
    return freed.to_json(dry_run=False)


def _free(store: Path, freed: Freed) -> None:
    objects = ObjectStore(store)
    pairs = [(Digest(name.partition(".")[0]), name.partition(".")[2]) for name, _ in freed.objects]
    with Upkeep(store / "journal.sqlite") as journal:
        journal.drop(cache=freed.results, objects=pairs)
        journal.shorten_copy()
    for content, format in pairs:
        objects.delete(content, format)
    for path in (store / "objects" / "quarantine").glob("*"):
        path.unlink(missing_ok=True)


def _refuse_while_running(store: Path) -> None:
    with Upkeep(store / "journal.sqlite") as journal:
        going = journal.going_on()
        if going:
            raise StoreBusy(f"run {going[-1][1]} is going on", mend="Try again when it has ended.")


def _old_runs(journal: Upkeep, older_than: float | None, now: float) -> set[RunId]:
    """The runs that keep nothing alive by themselves; one that is going on or is the baseline always does."""
    if older_than is None:
        return set()
    limit = (now - older_than) * 1e6
    started = journal.run_started_at()
    old = {run for run, (_, state, started_us) in started.items() if state != "running" and started_us < limit}
    marked: dict[RunId, bool] = {}
    for record in journal.of_kind(RunNoted.kind):
        if isinstance(record, RunNoted) and record.baseline is not None:
            marked.pop(record.run_id, None)
            marked[record.run_id] = record.baseline
    return old - {run for run, on in marked.items() if on}


def _kept(journal: Upkeep, store: Path, old: set[RunId]) -> _Kept:
    newest: dict[str, RunId] = {}
    for record in journal.of_kind(StepEnded.kind) if old else ():  # else everything is kept anyway
        if isinstance(record, StepEnded) and record.item is None and record.state in _GOOD and record.step_key:
            newest[record.step] = record.run_id
    kept = _Kept(keys={key for _, key in journal.last_keys().values()})
    for _, record in _events(journal):
        if isinstance(record, RunStarted):
            # Code is small, and what a run was is worth keeping: only data goes.
            kept.contents.update((record.code_hash, *record.code.values()))
        elif getattr(record, "run_id", None) not in old or _is_newest(record, newest):
            kept.take(store, record)
    return kept


def _is_newest(record: Record, newest: Mapping[str, RunId]) -> bool:
    """Whether it is of the last good run of its step."""
    return isinstance(record, StepEnded | ItemsEnded) and newest.get(record.step) == record.run_id


def _add_parts(contents: set[str], parts: Mapping[str, Iterable[str]]) -> None:
    """What is made of parts needs them; a part may have parts itself."""
    todo = [one for one in contents if one in parts]
    while todo:
        new = set(parts[todo.pop()]) - contents
        contents |= new
        todo += [one for one in new if one in parts]


def _events(journal: Upkeep) -> Iterator[tuple[int, Record]]:
    at = 0
    while True:
        page = journal.page(at, _PAGE)
        yield from page.events
        if page.last == at:
            return
        at = page.last


def _attached(live: Path) -> Iterator[str]:
    """The contents of the figures, texts and tables that a step attached: its live file alone names them."""
    try:
        with live.open("rb") as file:
            for line in file:
                if _ATTACHMENT in line:
                    try:
                        artifact = json.loads(line)["artifact"]
                        yield from (str(artifact["content_hash"]), *map(str, artifact.get("parts", ())))
                    except (ValueError, KeyError, TypeError, AttributeError):
                        continue
    except OSError:
        return


def _values(found: Json) -> list[str]:
    return [str(one) for one in found.values()] if isinstance(found, Mapping) else []


def _unreferred(objects: ObjectStore, kept: set[str], now: float) -> Iterable[tuple[str, int]]:
    for content, _, path in objects.iter():
        if content in kept:
            continue
        try:
            found = path.stat()
        except OSError:
            continue
        if now - found.st_mtime >= YOUNG:
            yield path.name, found.st_size
