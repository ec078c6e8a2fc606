"""What the journal's events say: the facts of a run as frozen values, and back from their JSON.

An event is appended once and never changed; the catalog is a pure function of the events in order (and of the live
files and objects they name). Times are microseconds since 1970 in UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from ..ids import Digest, Json, RunId, StepName, StepRunId

RunState = Literal["running", "done", "failed", "cancelled", "interrupted"]
HIDDEN = "hidden/"
"""What the name of a run begins with that was made to explain others (`engine/compare/hybrids.py`)."""
StepState = Literal["reused", "done", "failed", "blocked", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class _Record:
    kind: ClassVar[str]

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Its fields as they are: all of them hold JSON already, and a copy of 20,000 rows takes a second."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:  # Any: JSON whose shape this class wrote
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in body.items() if name in known})


@dataclass(frozen=True, slots=True)
class RunStarted(_Record):
    """All that determines a run, frozen when it starts.

    `params` holds the effective params of every step; `code` maps paths to the hashes of their bytes (objects
    `<hash>.src`), `code_hash` is their bundle; `environment` is {"python", "packages", "hardware"}; `requested` the
    steps asked for (empty: all). `replay_of` is the number of the run whose snapshot this one executes.
    """

    kind: ClassVar[str] = "run_started"
    run_id: RunId
    number: int
    started_us: int
    target: str
    params: Mapping[str, Mapping[str, Json]]
    code_hash: Digest
    code: Mapping[str, Digest]
    modules: Mapping[str, str]
    config: Mapping[str, Json]
    env_hash: Digest
    environment: Mapping[str, Json]
    host: str
    user_name: str
    requested: Sequence[str] = ()
    name: str = ""
    note: str = ""
    replay_of: int | None = None


@dataclass(frozen=True, slots=True)
class RunContext(_Record):
    """What git said of the folder when the run started; `diff` is the content hash of the text of the dirty diff."""

    kind: ClassVar[str] = "run_context"
    run_id: RunId
    git_commit: str | None
    dirty: bool | None
    diff: Digest | None = None


@dataclass(frozen=True, slots=True)
class RunNoted(_Record):
    """A person changed a run's note or name, or marked it; a hidden run is left out of lists."""

    kind: ClassVar[str] = "run_noted"
    run_id: RunId
    note: str | None = None
    name: str | None = None
    baseline: bool | None = None
    hidden: bool | None = None


def hide(run_id: RunId, why: str) -> RunNoted:
    """Leave a run out of lists; `why` is its name."""
    return RunNoted(run_id, name=f"{HIDDEN}{why}", hidden=True)


@dataclass(frozen=True, slots=True)
class RunEnded(_Record):
    kind: ClassVar[str] = "run_ended"
    run_id: RunId
    state: RunState
    ended_us: int
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class StepStarted(_Record):
    kind: ClassVar[str] = "step_started"
    run_id: RunId
    step_run_id: StepRunId
    step: StepName
    item: int | None
    attempt: int
    target: str
    node: str
    started_us: int


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a step read: `path` is relative to the project; `argument` is "" where it was observed."""

    path: str
    bytes: int
    mtime_ns: int
    content_hash: Digest
    argument: str = ""


@dataclass(frozen=True, slots=True)
class StepEnded(_Record):
    """One step run, whole. `inputs` and `outputs` map names to content hashes; `error` is a `Failure` as JSON;
    `reasons` are those of the plan that made it run. `metrics` and `groups` (`fan_groups.py`) are those of a whole
    fan-out: what a step without items logged is in its live file."""

    kind: ClassVar[str] = "step_ended"
    run_id: RunId
    step_run_id: StepRunId
    step: StepName
    state: StepState
    attempt: int = 1
    item: int | None = None
    step_key: Digest | None = None
    fingerprint: Digest | None = None
    params_hash: Digest | None = None
    reused_from: StepRunId | None = None
    target: str = "local"
    node: str = ""
    started_us: int | None = None
    ended_us: int | None = None
    seconds: float | None = None
    rss_mb: float | None = None
    reasons: Sequence[Mapping[str, Json]] = ()
    error: Mapping[str, Json] | None = None
    inputs: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    outputs: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    files: Sequence[Mapping[str, Json]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    groups: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ItemsEnded(_Record):
    """Many items of one fan-out in one event. Each row is [index, attempt, state, step_key, reused_from, started_us,
    ended_us, content hashes by output name or None, error or None]; an item's step run id is
    `item_run_id(step_run_id, index, attempt)`."""

    kind: ClassVar[str] = "items_ended"
    run_id: RunId
    step_run_id: StepRunId
    step: StepName
    rows: Sequence[Sequence[Json]]
    fingerprint: Digest | None = None
    params_hash: Digest | None = None
    target: str = "local"
    node: str = ""
    rss_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Definitions(_Record):
    """The code that a fingerprint stands for; each unit is {"id", "kind", "digest", "path", "line", "source"}."""

    kind: ClassVar[str] = "definitions"
    fingerprint: Digest
    step: StepName
    units: Sequence[Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class ArtifactStored(_Record):
    """An artifact as `Artifact.to_json` wrote it; appended when it is first seen."""

    kind: ClassVar[str] = "artifact"
    artifact: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class LiveClosed(_Record):
    """A live file is complete: its log lines and metrics can be read. `path` is relative to the store; records with an
    item index belong to `item_run_id(step_run_id, index, attempt)`, the others to `step_run_id`."""

    kind: ClassVar[str] = "live_closed"
    run_id: RunId
    step_run_id: StepRunId
    step: StepName
    path: str
    bytes: int
    attempt: int = 1


Record = (
    RunStarted
    | RunContext
    | RunNoted
    | RunEnded
    | StepStarted
    | StepEnded
    | ItemsEnded
    | Definitions
    | ArtifactStored
    | LiveClosed
)
RECORDS: Mapping[str, type[Record]] = {
    one.kind: one
    for one in (
        RunStarted,
        RunContext,
        RunNoted,
        RunEnded,
        StepStarted,
        StepEnded,
        ItemsEnded,
        Definitions,
        ArtifactStored,
        LiveClosed,
    )
}


def item_run_id(step_run_id: StepRunId, index: int | None, attempt: int) -> StepRunId:
    """The id of one item's step run, derived so that 20,000 of them need not be sent one by one."""
    if index is None:
        return step_run_id
    return StepRunId(f"{step_run_id}.{index}" if attempt == 1 else f"{step_run_id}.{index}.{attempt}")
