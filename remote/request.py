"""What is sent to a cluster to have a run done there: the snapshot, by hashes, and what is known already.

It is all that determines the run. The bytes behind the hashes are sent only where the cluster lacks them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ..engine.errors import ProjectError
from ..engine.graph import Fan, FileInput, Step, Upstream
from ..engine.ids import Digest, Json, RunId, StepName, StepRunId
from ..engine.plan import Facts, Plan, file_states, needs, outputs_of
from ..engine.recorder import object_names
from ..engine.scheduler.bundle import MANIFEST, SOURCE
from ..engine.snapshots.artifact import Artifact
from ..engine.snapshots.journal import Cached, Journal
from ..engine.snapshots.objects import ObjectStore, StoredObject
from ..engine.snapshots.writing_json import cached_from_json, cached_to_json

VERSION = 1
Row = tuple[Digest, str, int, Digest]
"""An object: content hash, format, bytes, file hash."""


@dataclass(frozen=True, slots=True)
class FileAt:
    """A file of the snapshot; `path` is relative to the project. One that no step will read there (`needed` False) is
    represented by its hash alone."""

    path: str
    content_hash: Digest
    format: str
    bytes: int
    mtime_ns: int
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """`steps` are those selected, `forced` those to be run whatever is known; `env` has the declared variables that are
    set, and only those. `before` has the step runs of this run that had finished when it was cut off, `begun` the
    fan-outs of which some items had. `cache` and
    `artifacts` are results known here that the run may build on, `known` the objects behind them, `objects` those whose
    bytes must be there before the run starts; `share` is how much of a fan-out is run."""

    run_id: RunId
    number: int
    project: str
    target: str
    user_name: str
    host: str
    started_us: int
    config: Mapping[str, Json]
    params: Mapping[str, Mapping[str, Json]]
    steps: Sequence[StepName]
    forced: Sequence[StepName]
    code: Digest
    files: Sequence[FileAt]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    replay_of: int | None = None
    requested: Sequence[str] = ()
    cache: Sequence[Cached] = ()
    artifacts: Sequence[Artifact] = ()
    known: Sequence[Row] = ()
    objects: Sequence[Row] = ()
    before: Mapping[StepName, StepRunId] = field(default_factory=dict[StepName, StepRunId])
    begun: Mapping[StepName, StepRunId] = field(default_factory=dict[StepName, StepRunId])
    share: float = 1.0
    storage: str | None = None

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        body = {name: getattr(self, name) for name in self.__slots__}
        return body | {
            "v": VERSION,
            "files": [asdict(one) for one in self.files],
            "cache": [cached_to_json(one) for one in self.cache],
            "artifacts": [one.to_json() for one in self.artifacts],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:  # Any: JSON that `to_json` wrote
        made: dict[str, Any] = {name: value for name, value in body.items() if name in cls.__slots__}
        made["files"] = [FileAt(**one) for one in body["files"]]
        made["cache"] = [cached_from_json(one) for one in body["cache"]]
        made["artifacts"] = [Artifact.from_json(one) for one in body["artifacts"]]
        made["known"] = [tuple(one) for one in body["known"]]
        made["objects"] = [tuple(one) for one in body["objects"]]
        return cls(**made)


@dataclass(frozen=True, slots=True)
class Known:
    """Results to send along: `objects` are the files behind those that a step which will run takes in."""

    cache: tuple[Cached, ...]
    artifacts: tuple[Artifact, ...]
    names: frozenset[str]
    needed: frozenset[str]


def files_of(
    facts: Facts, plan: Plan, selected: Iterable[StepName], forced: frozenset[StepName], journal: Journal
) -> list[FileAt]:
    """Every data file that these steps declare, name in their code, or were seen to read.

    Raises ProjectError for one that lies outside of the project's folder, because it cannot be put in the same place.
    """
    found: dict[str, FileAt] = {}
    for name in selected:
        step = facts.graph.steps[name]
        runs = name in forced or plan.steps[name].state != "fresh"
        declared = [state for one in step.inputs if isinstance(one, FileInput) for state in file_states(one, facts)]
        for state in declared:
            if _outside(state.path) and not Path(state.path).is_absolute():
                raise ProjectError(
                    f"step `{name}` reads `{state.path}`, which is outside of the project's folder",
                    place=step.place,
                    mend="Put it into the project (a link will do), so that it can be sent along.",
                )
        seen = [facts.files.state(path) for path in (*facts.fingerprints[name].literals, *_observed(name, journal))]
        for state in (*declared, *(one for one in seen if one is not None)):
            if _outside(state.path):
                continue
            needed = runs or (state.path in found and found[state.path].needed)
            found[state.path] = FileAt(state.path, state.content_hash, "file", state.bytes, state.mtime_ns, needed)
    return list(found.values())


def known_for(
    facts: Facts, plan: Plan, selected: Iterable[StepName], forced: frozenset[StepName], journal: Journal
) -> Known:
    """What the journal knows that spares the cluster a step, or an item of one."""
    cache: list[Cached] = []
    needed: set[str] = set()
    chosen = list(selected)
    runs = {name for name in chosen if name in forced or plan.steps[name].state != "fresh"}
    for name in chosen:
        hit = plan.steps[name].hit
        if name not in runs and hit is not None:
            cache += [one for one in journal.lookup([hit.key]).get(hit.key, ()) if one.step_run_id == hit.step_run_id]
        elif facts.graph.steps[name].fans and name not in forced:
            basis = journal.basis([name]).get(name)
            items = [one for one in (journal.cached_of([basis.step_run_id]) if basis else ()) if _item(one)]
            cache += items
            needed |= {one for each in items for one in each.object_names()}
    identities = {Digest(one) for each in cache for one in outputs_of(each).values()}
    artifacts = journal.artifacts(identities)
    for name in runs:
        for artifact in _arriving(facts.graph.steps[name], plan, artifacts):
            needed |= set(object_names(artifact))
    names = frozenset(name for one in cache for name in one.object_names())
    return Known(tuple(cache), tuple(artifacts.values()), names, frozenset(needed))


def _arriving(step: Step, plan: Plan, artifacts: Mapping[Digest, Artifact]) -> Iterable[Artifact]:
    for one in step.inputs:
        if isinstance(one, Upstream | Fan):
            hit = plan.steps[one.step].hit
            artifact = artifacts.get(hit.outputs[one.output]) if hit else None
            if artifact is not None:
                yield artifact


def code_rows(code: Digest, files: Iterable[FileAt], objects: ObjectStore) -> list[Row]:
    """The objects of a bundle: its manifest and its sources."""
    names = [(code, MANIFEST), *((one.content_hash, SOURCE) for one in files if one.format == SOURCE)]
    return [row_of(objects.describe(content, format)) for content, format in dict.fromkeys(names)]


def row_of(one: StoredObject) -> Row:
    return one.content_hash, one.format, one.bytes, one.file_hash


def upstream_of(facts: Facts, wanted: Iterable[StepName]) -> list[StepName]:
    """These steps and all that they need, in the order of the graph."""
    found: set[StepName] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += needs(facts.graph.steps[name])
    return [name for name in facts.graph.steps if name in found]


def _observed(name: StepName, journal: Journal) -> Iterable[str]:
    """The files that the last result of a step was seen to depend on."""
    basis = journal.basis([name]).get(name)
    for one in journal.cached_of([basis.step_run_id])[:1] if basis else ():
        yield from (path for path in one.observed.get("files", {}) if not path.endswith("/"))


def _outside(path: str) -> bool:
    return Path(path).is_absolute() or path == ".." or path.startswith("../")


def _item(one: Cached) -> bool:
    return isinstance(one.outputs, dict) and "item" in one.outputs
