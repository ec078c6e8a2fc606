"""Sending a run to a cluster: freeze it, write down that it goes, put what it needs there, start the job.

Each part may be done again: the run's id is the job's, packages are put under fixed names, objects are known by hash.
So a laptop that is closed half way through takes up where it was.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..engine.errors import ClusterError, StoreError
from ..engine.ids import Digest, Json, RunId, StepName
from ..engine.origin import Origin
from ..engine.plan import Facts, Plan, outputs_of
from ..engine.requests import RunRequest
from ..engine.scheduler.bundle import SOURCE
from ..engine.session import Session
from ..engine.snapshots.journal import Followed, Journal, Writing
from ..engine.snapshots.objects import ObjectStore, StoredObject
from ..engine.snapshots.records import ItemsEnded, RunStarted, StepEnded
from .jobs import JobsPort
from .outbox import put
from .package import ensure_package
from .packs import packed, pieces
from .places import package, slug, submission_id
from .request import FileAt, Request, Row, code_rows, files_of, known_for
from .storage import storage_of

Message = dict[str, Any]  # Any: JSON
WINDOW = 3
"""Packages that may be on their way: the cluster keeps them in memory until the agent has taken them."""
ENTRY = "-m instep.remote.job"
WORKER_ENV: Mapping[str, Json] = {
    # Sets of strings iterate in the order of their hashes: with one seed everywhere they do so alike.
    "PYTHONHASHSEED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is to be run, as it was when it was asked for."""

    facts: Facts
    plan: Plan
    selected: list[StepName]
    forced: frozenset[StepName]
    code: Mapping[str, bytes]
    replay_of: int | None = None
    share: float = 1.0


def freeze(session: Session, frozen: Frozen, asked: RunRequest, target: str, storage: str | None = None) -> Request:
    """Begin the run here: its number, its snapshot, its bytes in the store; the request to send. From now on it is in
    the history, as on its way. Raises ProjectError for input files that cannot be sent, StoreError."""
    facts, plan, selected, forced = frozen.facts, frozen.plan, frozen.selected, frozen.forced
    objects = session.objects
    with Journal(session.journal.path) as journal:
        files = files_of(facts, plan, selected, forced, journal)
        keep_bytes(files, facts.project.root, objects, journal)
        known = known_for(facts, plan, selected, forced, journal)
        rows = {f"{row[0]}.{row[1]}": row[:4] for row in journal.objects_named(known.names | known.needed)}
    run_id, number = session.journal.new_run()
    session.journal.follow(Followed(run_id, target, submission_id(run_id), "sending"))
    origin = Origin(target, Origin.here().host, Origin.here().user_name)
    setting = session.begin(
        run_id, number, asked, facts, frozen.code, lambda _: None, replay_of=frozen.replay_of, origin=origin
    )
    started = next(one for one in session.journal.events_of(run_id) if isinstance(one, RunStarted))
    sources = [FileAt(path, content, SOURCE, len(frozen.code[path]), 0) for path, content in started.code.items()]
    needed = [row for name, row in rows.items() if name in known.needed]
    inputs = [_row(objects.describe(one.content_hash, one.format)) for one in files if one.needed]
    declared = {name for step in selected for name in facts.graph.steps[step].options.env}
    return Request(
        run_id=run_id,
        number=number,
        project=facts.project.name,
        target=target,
        user_name=origin.user_name,
        host=origin.host,
        started_us=started.started_us,
        config=started.config,
        params={name: dict(facts.params[name]) for name in facts.graph.steps},
        steps=selected,
        forced=sorted(forced),
        code=setting.code,
        files=[*sources, *files],
        env={name: asked.env[name] for name in sorted(declared) if name in asked.env},
        note=asked.note,
        replay_of=frozen.replay_of,
        requested=asked.steps,
        share=frozen.share,
        storage=storage,
        cache=known.cache,
        artifacts=known.artifacts,
        known=list(rows.values()),
        objects=unique([*code_rows(setting.code, sources, objects), *inputs, *needed]),
    )


def resumed(request: Request, journal: Journal) -> Request:
    """The request for an agent that may find nothing of what the last one did: what came home of it goes back."""
    events = journal.events_of(request.run_id)
    ends = [one for one in events if isinstance(one, StepEnded) and one.item is None]
    done = {one.step: one.step_run_id for one in ends if one.state in ("done", "reused")}
    items = {one.step: one.step_run_id for one in events if isinstance(one, ItemsEnded)}
    begun = {step: step_run_id for step, step_run_id in items.items() if step not in done}
    cached = journal.cached_of([*done.values(), *begun.values()])
    identities = {Digest(identity) for one in cached for identity in outputs_of(one).values()}
    names = {name for one in cached for name in one.object_names()}
    rows = [row[:4] for row in journal.objects_named(names) if row[4] == "here"]
    return replace(
        request,
        cache=[*request.cache, *cached],
        artifacts=[*request.artifacts, *journal.artifacts(identities).values()],
        known=unique([*request.known, *rows]),
        objects=unique([*request.objects, *rows]),
        before=done,
        begun=begun,
    )


def keep_bytes(files: Iterable[FileAt], root: Path, objects: ObjectStore, journal: Journal) -> None:
    """Put the input files that will be read into the store, whatever their size."""
    lacking = [one for one in files if one.needed and not objects.has(one.content_hash, one.format)]
    rows = [_row(objects.put_file(one.content_hash, one.format, root / one.path)) for one in lacking]
    if rows:
        journal.write(Writing(objects=rows))


@dataclass(frozen=True, slots=True)
class Place:
    """By what a run is done there: the interpreter as a shell takes it, and what its workers need of an environment."""

    interpreter: str
    runtime_env: Mapping[str, Json] = field(default_factory=dict[str, Json])


def submit(port: JobsPort, request: Request, place: Place, *, attempt: int = 1) -> str:
    """Put the request and start the job that drives it; its submission id. Doing it twice starts one job."""
    port.put_package(package(request.run_id, "request"), json.dumps(request.to_json()).encode())
    name = submission_id(request.run_id, attempt)
    project = slug(request.project)
    port.submit(
        name,
        f"{place.interpreter} {ENTRY} {request.run_id} {project}",
        runtime_env={"working_dir": ensure_package(port), "env_vars": dict(WORKER_ENV), **place.runtime_env},
        metadata={"instep": project, "run": request.run_id, "by": request.user_name, "from": request.host},
    )
    return name


class Shipper:
    """Sends the objects that an agent says it lacks; one transfer of a run at a time, in a thread of its own."""

    def __init__(self, port: JobsPort, request: Request, objects: ObjectStore, say: Callable[[Message], None]) -> None:
        self._port, self._request, self._objects, self._say = port, request, objects, say
        self._thread: threading.Thread | None = None
        self._number = 0
        self._tried_storage = False
        self.ended = threading.Event()

    def need(self, have: Mapping[str, int]) -> None:
        """The agent lacks these; of each it has so many bytes. While a transfer goes on it is on its way already."""
        if self._thread is not None and self._thread.is_alive():
            return
        rows = {f"{row[0]}.{row[1]}": row for row in self._request.objects}
        wanted = [(StoredObject(*rows[name]), size) for name, size in have.items() if name in rows]
        self._thread = threading.Thread(target=self._ship, args=(wanted,), name="shipper", daemon=True)
        self._thread.start()

    def _ship(self, wanted: Sequence[tuple[StoredObject, int]]) -> None:
        total = sum(one.bytes - have for one, have in wanted)
        sent = 0
        try:
            wanted = self._stored(wanted)
            for pack in pieces(wanted):
                while not self._room() and not self.ended.wait(0.05):
                    pass
                if self.ended.is_set():
                    return
                self._number += 1
                self._port.put_package(self._pack_name(self._number), packed(pack, self._objects))
                sent += sum(one.size for one in pack)
                self._say({"t": "shipping", "sent": sent, "of": total})
        except (ClusterError, StoreError) as error:  # the agent asks again for what has not come
            self._say({"t": "note", "text": f"sending stopped: {error.problems[0].what}"})
        except OSError as error:
            self._say({"t": "note", "text": f"cannot read what is to be sent: {error}"})

    def _stored(self, wanted: Sequence[tuple[StoredObject, int]]) -> Sequence[tuple[StoredObject, int]]:
        """Put large objects into the store of both sides, once; what is left to be sent otherwise. What the agent could
        not get from there, it asks for again, and then it is sent."""
        storage = storage_of(self._request.storage)
        if storage is None or self._tried_storage:
            return wanted
        self._tried_storage = True
        large = [one for one, _ in wanted if storage.takes(one)]
        for one in large:
            if not storage.has(one):
                storage.put(one, self._objects)
        if large:
            told = {"t": "stored", "objects": [_row(one) for one in large]}
            self._port.put_package(package(self._request.run_id, "say", 0), json.dumps(told).encode())
        return [(one, have) for one, have in wanted if not storage.takes(one)]

    def _room(self) -> bool:
        oldest = self._number - WINDOW + 1
        return oldest < 1 or not self._port.has_package(self._pack_name(oldest))

    def _pack_name(self, number: int) -> str:
        return package(self._request.run_id, "pack", number)


def keep_request(store: Path, request: Request, place: Place) -> None:
    """Remember what was sent and by what it is run there, for the process after this one."""
    folder = store / "sent"
    folder.mkdir(mode=0o700, exist_ok=True)
    put(folder / f"{request.run_id}.json", json.dumps(request.to_json() | {"place": asdict(place)}).encode())


def kept_place(store: Path, run_id: RunId) -> Place | None:
    path = store / "sent" / f"{run_id}.json"
    place = json.loads(path.read_bytes()).get("place") if path.exists() else None
    return Place(**place) if place else None


def kept_request(store: Path, run_id: RunId) -> Request | None:
    """What was sent from here; None for a run of somebody else's."""
    path = store / "sent" / f"{run_id}.json"
    return Request.from_json(json.loads(path.read_bytes())) if path.exists() else None


def unique(rows: Iterable[Row]) -> list[Row]:
    return list(dict.fromkeys(rows))


def _row(one: StoredObject) -> Row:
    return one.content_hash, one.format, one.bytes, one.file_hash
