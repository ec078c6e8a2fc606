"""Sending a run to a cluster: freeze it, write down that it goes, put what it needs there, start the job.

Each part may be done again: the run's id is the job's, packages are put under fixed names, objects are known by hash.
So a laptop that is closed half way through takes up where it was.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..engine.ids import Digest, Json, RunId, StepName
from ..engine.origin import Origin
from ..engine.plan import Facts, Plan, outputs_of
from ..engine.requests import RunRequest
from ..engine.scheduler.bundle import SOURCE
from ..engine.session import Session
from ..engine.snapshots.journal import Followed, Journal, Writing
from ..engine.snapshots.objects import ObjectStore
from ..engine.snapshots.records import ItemsEnded, RunStarted, StepEnded
from .jobs import JobsPort
from .outbox import put
from .package import ensure_package
from .places import package, slug, submission_id
from .request import FileAt, Request, Row, code_rows, files_of, known_for, row_of

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
    inputs = [row_of(objects.describe(one.content_hash, one.format)) for one in files if one.needed]
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
    rows = [row_of(objects.put_file(one.content_hash, one.format, root / one.path)) for one in lacking]
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
