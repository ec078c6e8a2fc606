"""A worker on a node that does not share the agent's disk: it works in a store of its node, fed by the keeper.

What was once brought to a node stays there by hash, so the next step that needs it waits for nothing.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..engine.errors import MissingObject
from ..engine.recorder import object_names
from ..engine.scheduler.assignment import Assignment, Failure, FileValue, Outcome
from ..engine.scheduler.bundle import MANIFEST, SOURCE, read_bundle
from ..engine.snapshots.objects import ObjectStore, StoredObject
from .laid_out import lay_out
from .packs import Receiver, packed, pieces
from .places import There, cluster_home
from .ray_here import ray_module
from .request import Request

PAUSE = 0.1
"""Seconds between looks at a live file that is passed on."""
_LIVE_BYTES = 1 << 20


def shares_disk(base: str, mark: str) -> bool:
    """Whether the agent's folder can be seen here, and is the same."""
    try:
        return There.at(Path(base)).read_mark() == mark
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Here:
    """An assignment as it is on this node."""

    assignment: Assignment
    objects: ObjectStore
    keeper: Any  # Any: an actor's handle

    def send_back(self, answer: Outcome | Failure) -> None:
        """Bring what the step wrote to the agent's store. Raises MissingObject if it cannot be brought there whole."""
        ray = ray_module()
        if isinstance(answer, Failure):
            return
        lacking: list[StoredObject] = ray.get(self.keeper.lacking.remote(list(answer.objects)))
        name = f"{os.uname().nodename}-{os.getpid()}"
        for pack in pieces([(one, 0) for one in lacking]):
            damaged: list[str] = ray.get(self.keeper.take.remote(packed(pack, self.objects), name))
            if damaged:
                raise MissingObject(f"{damaged[0]} was damaged on its way to the agent", mend="Run the step again.")


@contextlib.contextmanager
def away_from_home(assignment: Assignment, base: str, keeper: Any) -> Generator[Here]:  # Any: an actor's handle
    """Bring here what the assignment needs; while the block lasts, pass on what the step says as it says it."""
    there = There.at(cluster_home() / "nodes" / Path(base).name)
    run_id = Path(assignment.root).name
    there.make(run_id)
    objects = ObjectStore(there.store)
    root = there.work(run_id)
    with there.lock("node").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bring_all(assignment, run_id, there, objects, keeper)
    live = there.store / "runs" / run_id / Path(assignment.live).name
    live.parent.mkdir(parents=True, exist_ok=True)
    local = replace(
        assignment,
        store=str(there.store),
        root=str(root),
        live=str(live),
        files={name: _moved(value, assignment.root, root) for name, value in assignment.files.items()},
    )
    with _passed_on(live, assignment.live, keeper):
        yield Here(local, objects, keeper)


def _bring_all(assignment: Assignment, run_id: str, there: There, objects: ObjectStore, keeper: Any) -> None:
    ray = ray_module()
    bring = _Bringer(there, objects, keeper)
    bring([f"{assignment.code}.{MANIFEST}"])
    bring(f"{one}.{SOURCE}" for one in read_bundle(objects, assignment.code).files.values())
    bring(name for artifact in assignment.inputs.values() for name in object_names(artifact))
    bring(f"{ref.block}.block" for item in assignment.items for ref in item.fan.values() if ref.block)
    request = Request.from_json(ray.get(keeper.request.remote(run_id)))
    bring(f"{one.content_hash}.{one.format}" for one in request.files if one.needed)
    lay_out(request, there.work(run_id), there.store, objects)


class _Bringer:
    """Gets objects from the keeper, those that are not on this node."""

    def __init__(self, there: There, objects: ObjectStore, keeper: Any) -> None:
        self._objects, self._keeper = objects, keeper
        self._receiver = Receiver(there.partial, objects)

    def __call__(self, names: Iterable[str]) -> None:
        ray = ray_module()
        wanted = [one for one in dict.fromkeys(names) if not self._here(one)]
        if not wanted:
            return
        found: list[StoredObject] = ray.get(self._keeper.describe.remote(wanted))
        if len(found) < len(wanted):
            gone = set(wanted) - {f"{one.content_hash}.{one.format}" for one in found}
            raise MissingObject(f"the agent's store lacks {sorted(gone)[0]}", mend="Run the step again.")
        for one in found:
            name = f"{one.content_hash}.{one.format}"
            while not self._here(name):
                self._receiver.take(ray.get(self._keeper.pack.remote(one, self._receiver.have(name))))
                if self._receiver.damaged:
                    raise MissingObject(f"{name} is damaged in the agent's store", mend="Run the step again.")

    def _here(self, name: str) -> bool:
        return (self._objects.folder / name[:2] / name).exists()


def _moved(value: FileValue, before: str, root: Path) -> FileValue:
    """The paths of a file input as they are below this node's folder."""
    return replace(value, paths=tuple(str(root / os.path.relpath(path, before)) for path in value.paths))


@contextlib.contextmanager
def _passed_on(live: Path, target: str, keeper: Any) -> Generator[None]:  # Any: an actor's handle
    ray = ray_module()
    ended = threading.Event()
    sent = 0

    def send() -> bool:
        nonlocal sent
        with contextlib.suppress(FileNotFoundError), live.open("rb") as file:
            file.seek(sent)
            data = file.read(_LIVE_BYTES)
            if data:
                ray.get(keeper.append.remote(target, sent, data))
                sent += len(data)
                return True
        return False

    def follow() -> None:
        while not ended.wait(PAUSE):
            send()

    thread = threading.Thread(target=follow, name="live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        while send():
            pass
