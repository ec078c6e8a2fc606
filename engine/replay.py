"""Running the snapshot of an earlier run again: its code, params and input data, whatever the folder holds now.

The snapshot is laid out in a folder of the store and every step of it is run there; nothing is taken from the cache
and nothing is put into it. The verdict compares content hashes, output by output, in graph order.
"""

import os
import shutil
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config_text import config_toml
from .documents import Document
from .errors import StoreError, UsageError, nearest
from .files import is_inside
from .graph import FileInput
from .ids import Digest, RunId, StepName
from .knowledge import Recorded
from .plan import Facts, Plan, file_states, make_plan
from .planner import Planner, Wishes
from .snapshots.artifact import Artifact
from .snapshots.journal import Journal, Writing
from .snapshots.objects import ObjectStore
from .snapshots.records import RunStarted, StepEnded

if TYPE_CHECKING:
    from .run import Notify
    from .session import RunRequest, Session

KEPT_BYTES = 1 << 30
"""An input file up to this size is kept with the run; a larger one must still be in the folder to be replayed."""


def keep_inputs(objects: ObjectStore, journal_path: Path, facts: Facts, selected: Iterable[StepName]) -> None:
    """Put the bytes of every declared input file of these steps into the store, once per content."""
    rows: list[tuple[Digest, str, int, Digest]] = []
    for name in selected:
        for one in facts.graph.steps[name].inputs:
            if not isinstance(one, FileInput):
                continue
            for state in file_states(one, facts):
                if state.bytes <= KEPT_BYTES and not objects.has(state.content_hash, "file"):
                    stored = objects.put_file(state.content_hash, "file", facts.project.root / state.path)
                    rows.append((stored.content_hash, stored.format, stored.bytes, stored.file_hash))
    if rows:
        with Journal(journal_path) as journal:
            journal.write(Writing(objects=rows))


def replay(session: "Session", request: "RunRequest", notify: "Notify", cancel: threading.Event) -> Document:
    """Run the snapshot of run `request.replay`. Raises UsageError for an unknown run, StoreError for lost bytes."""
    began = time.monotonic()
    assert request.replay is not None
    with snapshot(session, request.replay, request.env) as old:
        run_id, fresh_number = session.journal.new_run()
        setting = session.begin(
            run_id,
            fresh_number,
            replace(request, note=request.note or f"replay of run {old.number}"),
            old.facts,
            old.code,
            notify,
            replay_of=old.number,
            record=False,
        )
        document = session.execute(
            setting, old.facts, old.plan, old.selected, request, notify, cancel, began, frozenset(old.selected)
        )
        told, same = verdict(session, old, run_id)
    return document | {"verdict": told, "diverged": not same and document["state"] == "done"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An earlier run, laid out in a folder as it was, with everything planned as to be run."""

    number: int
    original: RunStarted
    ends: list[StepEnded]
    facts: Facts
    plan: Plan
    selected: list[StepName]
    code: dict[str, bytes]


@contextmanager
def snapshot(session: "Session", number: int, env: Mapping[str, str]) -> Generator[Snapshot]:
    """The snapshot of run `number` for the block. Raises UsageError for an unknown run, StoreError for lost bytes."""
    original, ends = _recorded(session.journal, number)
    place = session.store / "replay" / str(number)
    shutil.rmtree(place, ignore_errors=True)
    folder = place.joinpath(*["up"] * _ups(ends))
    folder.mkdir(parents=True)
    try:
        _lay_out(session.objects, original, ends, folder, session.root)
        with Journal(session.journal.path) as journal:
            planner = Planner(folder, Recorded(journal, session.store))
            wishes = Wishes(
                {f"{step}.{name}": value for step, values in original.params.items() for name, value in values.items()}
            )
            facts = planner.facts(env, wishes)
            wanted = {one.step for one in ends}
            selected = [name for name in facts.graph.steps if name in wanted]
            plan = make_plan(facts, planner.known, frozenset(selected))
            code = {**planner.code, **planner.sources.data}
            yield Snapshot(number, original, ends, facts, plan, selected, code)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _recorded(journal: Journal, number: int) -> tuple[RunStarted, list[StepEnded]]:
    run_id = journal.run_id(number)
    if run_id is None:
        numbers = [str(one[0]) for one in journal.runs(20)]
        hint = nearest(str(number), numbers) if numbers else "There are no runs yet."
        raise UsageError(f"there is no run {number}", mend=hint[:1].upper() + hint[1:])
    events = journal.events_of(run_id)
    started = next((one for one in events if isinstance(one, RunStarted)), None)
    if started is None:
        raise UsageError(f"run {number} was interrupted before its snapshot was taken", mend="Replay another run.")
    ends = [
        one for one in events if isinstance(one, StepEnded) and one.state in ("done", "reused") and one.item is None
    ]
    if not ends:
        raise UsageError(
            f"no step of run {number} finished, so there is nothing to compare", mend="Replay another run."
        )
    return started, ends


def _lay_out(objects: ObjectStore, original: RunStarted, ends: list[StepEnded], folder: Path, root: Path) -> None:
    """Code, configuration and input files of the snapshot, at the places they had."""
    for path, content in original.code.items():
        if is_inside(path):
            _write(folder / path, objects.read(content, "src"))
    _write(folder / "instep.toml", config_toml(original.config).encode())
    for end in ends:
        for one in end.files:
            path, content = str(one["path"]), Digest(str(one["content_hash"]))
            target = folder / path
            if target.exists() and not path.startswith("/"):
                continue
            if path.startswith("/"):
                _is_as_it_was(target, content, path)
            elif objects.has(content, "file"):
                _write(target, None)
                shutil.copyfile(objects.path(content, "file"), target)
            else:
                _from_folder(root / path, content, target, path)


def _from_folder(source: Path, content: Digest, target: Path, path: str) -> None:
    """A file too large to be kept may still lie in the project as it was."""
    if path.endswith("/"):
        return
    _is_as_it_was(source, content, path)
    _write(target, None)
    target.symlink_to(source)


def _is_as_it_was(source: Path, content: Digest, path: str) -> None:
    """Raises StoreError for a file that is not what the run read. One with a full path can be read where it is, and
    nowhere else; it is never written."""
    from .files import hash_file

    if not source.is_file() or hash_file(source) != content:
        raise StoreError(
            f"the bytes of `{path}` as the run read it are gone",
            mend="Put that version of the file back, then replay again.",
        )


def _ups(ends: list[StepEnded]) -> int:
    """How many folders above the project's an input lies (`../shared/data.csv`): as many are made for the replay, so
    that what is laid out stays in its own."""
    found = [os.path.normpath(str(one["path"])).split("/") for end in ends for one in end.files]
    return max((len(list(takewhile(lambda part: part == "..", parts))) for parts in found), default=0)


def _write(path: Path, data: bytes | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        path.write_bytes(data)


def verdict(session: "Session", old: Snapshot, run_id: RunId) -> tuple[str, bool]:
    """Every output identical, or the first step in graph order where it differs and by what."""
    again = {
        one.step: one for one in session.journal.events_of(run_id) if isinstance(one, StepEnded) and one.item is None
    }
    before = {one.step: one for one in old.ends}
    compared = 0
    for name in old.selected:
        new, then = again.get(name), before.get(name)
        if new is None or then is None:
            continue
        if new.state not in ("done", "reused"):
            return f"replay of run {old.number}: {name} {new.state}, it had finished then", False
        for output, content in then.outputs.items():
            compared += 1
            if new.outputs.get(output) != content:
                told = difference(session, content, new.outputs.get(output))
                since = _surroundings(session, old, run_id)
                return f"replay of run {old.number}: first differs at {output}: {told}{since}", False
    return f"replay of run {old.number}: identical, all {compared} outputs have the same content", True


def difference(session: "Session", old: Digest, new: Digest | None) -> str:
    """What the stored summaries say of two outputs, without loading them."""
    if new is None:
        return "it is missing now"
    one, other = _artifact(session, old), _artifact(session, new)
    if one is None or other is None:
        return f"content {old[:8]} → {new[:8]}"
    if one.kind != other.kind:
        return f"{one.kind} → {other.kind}"
    if one.kind == "table":
        if one.rows != other.rows:
            return f"{one.rows:,} rows → {other.rows:,} rows"
        hashes = {column.name: column.hash for column in one.columns}
        changed = [column.name for column in other.columns if hashes.get(column.name) != column.hash]
        gone = [name for name in hashes if name not in {column.name for column in other.columns}]
        return "columns " + ", ".join([*changed, *(f"{name} (gone)" for name in gone)][:8])
    was, became = " ".join(one.preview.split())[:60], " ".join(other.preview.split())[:60]
    return f"{was} → {became}" if was != became else f"content {old[:8]} → {new[:8]}"


def _artifact(session: "Session", content: Digest) -> Artifact | None:
    return session.journal.artifact_of(content)


def _surroundings(session: "Session", old: Snapshot, run_id: RunId) -> str:
    """Packages and Python that are not as they were: the first thing to suspect when the same code differs."""
    started = next(one for one in session.journal.events_of(run_id)[::-1] if isinstance(one, RunStarted))
    now: Any = started.environment  # Any: JSON
    then: Any = old.original.environment
    changed = [f"Python {then['python']} → {now['python']}"] if then["python"] != now["python"] else []
    changed += [
        f"{name} {then['packages'].get(name, 'absent')} → {now['packages'].get(name, 'absent')}"
        for name in sorted(then["packages"].keys() | now["packages"].keys())
        if then["packages"].get(name) != now["packages"].get(name)
    ]
    return f"\n  then and now: {', '.join(changed)}" if changed else ""
