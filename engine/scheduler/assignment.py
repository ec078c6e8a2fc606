"""What an executor gives a worker and what it gets back: plain frozen values that pickle anywhere.

A worker gets hashes, never values: it reads code and inputs from the store, writes outputs there, and returns what is
known of them. Nothing of the user's types crosses the border.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import Problem
from ..ids import Digest, Json, LaunchId, StepName
from ..snapshots.artifact import Artifact, ItemRef
from ..snapshots.objects import StoredObject


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task asks for and what an executor has. `memory` is bytes; `labels` are those its node must have, which
    counts on clusters only."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    custom: Mapping[str, float] = field(default_factory=dict[str, float])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class FileValue:
    """A file input as the step gets it: absolute paths; `many` says that it was a glob."""

    paths: tuple[str, ...]
    many: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One call of a step. `index` is None where the step has no `Each`; `fan` maps an `Each` argument to its item;
    `seed` (64 bits) is derived from the item's key."""

    index: int | None
    key: Digest
    seed: int
    fan: Mapping[str, ItemRef] = field(default_factory=dict[str, ItemRef])

    def __reduce__(self) -> tuple[Any, ...]:
        return Item, (self.index, self.key, self.seed, self.fan)  # as `ItemRef`: there are 20,000


@dataclass(frozen=True, slots=True)
class Assignment:
    """One launch: a step, one attempt, one or many items.

    `store` is the absolute path of the folder with `objects/`; `root` the project's folder, which is the working
    folder while the step runs; `code` the hash of the code bundle; `live` the absolute path of the file to which the
    worker appends log lines, metrics, progress and attachments as they happen (one JSON object a line, see `live.py`);
    `static_modules` are the first-party modules that a static reading knows the step to reach: any other that it
    imports is reported as observed. `env` is how the asking person's environment differs from the worker's (None: not
    set there); it is in place while the step runs.
    """

    launch: LaunchId
    step: StepName
    module: str
    code: Digest
    store: str
    root: str
    live: str
    items: tuple[Item, ...]
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    inputs: Mapping[str, Artifact] = field(default_factory=dict[str, Artifact])
    files: Mapping[str, FileValue] = field(default_factory=dict[str, FileValue])
    arguments: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    static_modules: tuple[str, ...] = ()
    resources: Resources = Resources()
    isolate: bool = False
    env: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the user's own code in a traceback, with the line and what its locals looked like."""

    path: str
    line: int
    function: str
    source: str
    locals: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item failed. `kind` is how: it raised, its result cannot be kept, the worker died, time was up, it was
    cancelled, what it reads is not there, it changed an input while reading it, or the executor lost it."""

    kind: Literal["raised", "output", "died", "timeout", "cancelled", "lost", "input", "executor"]
    title: str
    message: str = ""
    mend: str = ""
    frames: tuple[Frame, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    traceback: str = ""

    def problem(self) -> Problem:
        from ..errors import Place

        place = Place(self.frames[-1].path, self.frames[-1].line) if self.frames else None
        return Problem(self.title, place, self.message, self.mend)


@dataclass(frozen=True, slots=True)
class Observed:
    """What running showed that reading could not: first-party modules beyond the static ones, project files opened
    for reading (relative paths), environment variables that the user's code read (name → digest of the value, None if
    unset)."""

    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    env: Mapping[str, Digest | None] = field(default_factory=dict[str, Digest | None])


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What became of one item. `outputs` has one entry per output name (`""` for the only one): an `Artifact` for a
    plain step, an `ItemRef` for an item of a fan-out; empty when it failed."""

    index: int | None
    started_us: int
    ended_us: int
    outputs: Mapping[str, Artifact | ItemRef] = field(default_factory=dict[str, Artifact | ItemRef])
    failure: Failure | None = None
    store_seconds: float = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return ItemOutcome, (
            *(self.index, self.started_us, self.ended_us, self.outputs, self.failure, self.store_seconds),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker returns for an assignment; `blocks` are the block objects it wrote for a fan-out's items, `objects`
    every file of the store that its outputs and attachments need."""

    launch: LaunchId
    items: tuple[ItemOutcome, ...]
    node: str = ""
    pid: int = 0
    rss_mb: float = 0.0
    observed: Observed = Observed()
    blocks: tuple[Artifact, ...] = ()
    objects: tuple[StoredObject, ...] = ()
