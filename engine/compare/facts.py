"""What is known of one run (or of the working tree), read once: everything that a comparison looks at.

Reading is apart from comparing: two of these values are all that `runs.compare` takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..ids import Digest, Json
from ..snapshots.artifact import Column

NOW: Final = "now"
"""The label of the working tree."""
KNOWN: Final = frozenset(("done", "reused", "fresh"))
"""States of a step in which all that it puts out is known."""
_IMPORTS: Final = ("import ", "from ")


@dataclass(frozen=True, slots=True)
class Definition:
    """One function, class, constant, import or module init that a step's code reached. `id` is `module:name`; `steps`
    are those that reach it."""

    id: str
    kind: str
    digest: Digest
    path: str
    line: int
    source: str
    steps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.id.partition(":")[2]

    @property
    def is_import(self) -> bool:
        """Import statements count as constants; what they import is known by their text."""
        return self.kind == "constant" and self.source.startswith(_IMPORTS) and "\n" not in self.source


@dataclass(frozen=True, slots=True)
class FileFact:
    """An input file. `argument` is "" where no step declared it and one was seen to read it."""

    content_hash: Digest
    bytes: int
    steps: tuple[str, ...] = ()
    argument: str = ""


@dataclass(frozen=True, slots=True)
class StepFact:
    """How one step ended. `inputs` map arguments, `outputs` output names, to content hashes; `made_by` is the step run
    whose results these are (an earlier one's where it was reused)."""

    name: str
    state: str
    seconds: float | None = None
    target: str = ""
    node: str = ""
    attempt: int = 1
    step_key: Digest | None = None
    fingerprint: Digest | None = None
    made_by: str = ""
    inputs: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    outputs: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    items: Mapping[str, int] = field(default_factory=dict[str, int])
    error: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputFact:
    """An output and what is stored of it beside its bytes. `columns` are there for tables that the runs read together
    do not all have."""

    name: str
    step: str
    content_hash: Digest
    kind: str
    format: str
    carrier: str
    rows: int | None
    bytes: int
    schema: Json = None
    summary: Json = None
    preview: str = ""
    inline: str | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One side of a comparison. `params` are by `step.name`; `graph` names every step in graph order, `steps`
    those that the run had to do with. `keys` are those that steps declare for their tables, None where nobody looked.

    `about` is what is told of a run and compared with nothing: when, how long, git, the note.
    """

    label: str
    state: str
    target: str = "local"
    graph: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    definitions: Mapping[str, Definition] = field(default_factory=dict[str, Definition])
    files: Mapping[str, FileFact] = field(default_factory=dict[str, FileFact])
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    python: str = ""
    hardware: Mapping[str, Json] = field(default_factory=dict[str, Json])
    host: str = ""
    steps: Mapping[str, StepFact] = field(default_factory=dict[str, StepFact])
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    outputs: Mapping[str, OutputFact] = field(default_factory=dict[str, OutputFact])
    keys: Mapping[str, tuple[str, ...]] | None = None

    def knows(self, step: str) -> bool:
        """Whether what `step` puts out is known here: it ended well, or there is no such step at all."""
        one = self.steps.get(step)
        return step not in self.graph if one is None else one.state in KNOWN

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        from .differences import label_json

        return {"run": label_json(self.label), "state": self.state, "target": self.target, **self.about}
