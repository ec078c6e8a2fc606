"""What nothing refers to any more, and freeing it.

Computing is apart from doing: `plan` says what would go, `gc` does it. What a kept run, a pin, or the newest result of
a step refers to never goes; nor does anything of the last minutes, which a run that is going on may be about to use.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..ids import Digest, Json
from .objects import ObjectStore
from .records import ItemsEnded, RunContext, RunStarted, StepEnded
from .upkeep import CacheRow, Upkeep

YOUNG: Final = 600
"""Seconds for which an object that nothing refers to may still be on its way into the journal."""
_PARTS: Final = {"table": "parquet", "sequence": "block"}


@dataclass(frozen=True, slots=True)
class Freed:
    """`objects` are file names with their bytes; `results` the cache entries that go with them."""

    objects: tuple[tuple[str, int], ...] = ()
    results: tuple[CacheRow, ...] = ()
    runs: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.objects)


@dataclass(slots=True)
class _Referred:
    """Names of object files."""

    names: set[str] = field(default_factory=set[str])

    def add(self, *names: str) -> None:
        self.names.update(names)


def plan(store: Path, older_than: float | None = None, now: float | None = None) -> Freed:
    """What `gc` would free. `older_than` is in seconds: results of runs that started longer ago go too."""
    moment = time.time() if now is None else now
    with Upkeep(store / "journal.sqlite") as journal:
        started = journal.run_started_at()
        limit = None if older_than is None else (moment - older_than) * 1e6
        old = {
            run_id
            for run_id, (_, state, started_us) in started.items()
            if limit is not None and state != "running" and started_us < limit
        }
        names = _object_names(journal)
        kept = _Referred()
        step_runs_of_old: set[str] = set()
        at = 0
        while True:
            page = journal.page(at, 5_000)
            for _, event in page.events:
                match event:
                    case RunStarted():
                        # Code is small, and what a run was is worth keeping: only outputs and inputs go.
                        kept.add(f"{event.code_hash}.code", *(f"{one}.src" for one in event.code.values()))
                    case RunContext(diff=diff) if diff is not None:
                        kept.add(f"{diff}.diff")
                    case StepEnded() if event.run_id in old:
                        step_runs_of_old.add(event.step_run_id)
                    case StepEnded():
                        _keep_outputs(kept, names, (*event.outputs.values(), *event.inputs.values()))
                        kept.add(*(f"{file['content_hash']}.file" for file in event.files))
                    case ItemsEnded() if event.run_id in old:
                        step_runs_of_old.add(event.step_run_id)
                    case _:
                        pass
            if page.last == at:
                break
            at = page.last
        newest = journal.basis_ids()
        dropped: list[CacheRow] = []
        for row in journal.cache_rows():
            if row.step_run_id in step_runs_of_old and row.step_run_id not in newest:
                dropped.append(row)
            else:
                kept.add(*row.object_names())
        pinned = journal.pinned()
        attached = _attached(names, old, started)
    kept.add(*attached)
    return Freed(
        tuple(_free_objects(ObjectStore(store), kept.names, pinned, moment)),
        tuple(dropped),
        tuple(sorted(started[one][0] for one in old)),
    )


def gc(store: Path, older_than: float | None = None, *, dry_run: bool = False) -> dict[str, Json]:
    """Free it. The journal forgets first, so that being killed in between leaves objects that the next call frees."""
    if not (store / "journal.sqlite").is_file():
        return {"dry_run": dry_run, "objects": 0, "bytes": 0, "results": 0}
    freed = plan(store, older_than)
    if not dry_run:
        objects = ObjectStore(store)
        pairs = [(Digest(name.partition(".")[0]), name.partition(".")[2]) for name, _ in freed.objects]
        with Upkeep(store / "journal.sqlite") as journal:
            journal.drop(cache=freed.results, objects=pairs)
        for content, format in pairs:
            objects.delete(content, format)
        for path in (store / "objects" / "quarantine").glob("*"):
            path.unlink(missing_ok=True)
    return {"dry_run": dry_run, "objects": len(freed.objects), "bytes": freed.bytes, "results": len(freed.results)}


def _object_names(journal: Upkeep) -> dict[Digest, list[str]]:
    """Content hash → the files that hold it."""
    found: dict[Digest, list[str]] = {}
    for body in journal.artifact_bodies():
        format = body["format"]
        ending = _PARTS.get(format, format)
        own = [] if body["inline"] is not None else [f"{body['content_hash']}.{format}"]
        found[Digest(body["content_hash"])] = [*own, *(f"{part}.{ending}" for part in body["parts"])]
    return found


def _keep_outputs(kept: _Referred, names: dict[Digest, list[str]], contents: Iterable[Digest]) -> None:
    for content in contents:
        kept.add(*names.get(content, ()))


def _attached(names: dict[Digest, list[str]], old: set[str], started: dict[str, tuple[int, str, int]]) -> Iterable[str]:
    """Figures and texts that steps attached are outputs of no step: they stay as long as any run does."""
    if old and len(old) == len(started):
        return ()
    return (name for files in names.values() for name in files if name.endswith((".png", ".json", ".bytes")))


def _free_objects(objects: ObjectStore, kept: set[str], pinned: set[Digest], now: float) -> Iterable[tuple[str, int]]:
    for content, format, path in objects.iter():
        if path.name in kept or content in pinned:
            continue
        if format == "arrow" and f"{content}.table" in kept:
            continue  # the copy of a table that is kept; the table's own removal takes it along
        try:
            stat = path.stat()
        except OSError:
            continue
        if now - stat.st_mtime >= YOUNG:
            yield path.name, stat.st_size
