"""A run's snapshot read as a project: its graph and its definitions, from the code that was stored when it started.

Nothing is laid out in a folder and nothing is run; the same pure functions read it that read the working tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..fingerprint import Fingerprint
from ..graph import FileInput, Graph
from ..graph_reader import read_graph
from ..ids import Digest, StepName
from ..project import DEFAULT_STEPS, Project
from ..reach import fingerprint_steps
from ..snapshots.journal import Journal
from ..snapshots.objects import ObjectStore
from ..snapshots.records import RunStarted, StepEnded
from ..source_index import IndexCache


@dataclass(frozen=True)  # without slots: what is read from the code is read once
class Snapshot:
    """What run `number` was started with, and how its steps ended. `code` maps paths to the bytes that counted."""

    number: int
    started: RunStarted
    ends: tuple[StepEnded, ...]
    code: Mapping[str, bytes]

    @cached_property
    def project(self) -> Project:
        config: Mapping[str, Any] = self.started.config  # Any: JSON that `session.config_of` wrote
        return Project(
            Path(),
            str(config.get("name", "")),
            steps=tuple(config.get("steps", DEFAULT_STEPS)),
            roots=tuple(config.get("roots", (".", "src"))),
            mark=config.get("mark", "decorated"),
        )

    @cached_property
    def python(self) -> Mapping[str, bytes]:
        """The modules among `code`; the rest are files that belong to packages."""
        return {path: data for path, data in self.code.items() if path.endswith(".py")}

    @cached_property
    def index(self) -> IndexCache:
        return IndexCache()

    @cached_property
    def graph(self) -> Graph:
        return read_graph(self.project, self.python, self.index)

    @cached_property
    def fingerprints(self) -> Mapping[StepName, Fingerprint]:
        return fingerprint_steps(self.project, self.graph, self.python, self.index)

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """For each step those that it takes something from."""
        return {
            name: tuple(dict.fromkeys(one.step for one in step.inputs if not isinstance(one, FileInput)))
            for name, step in self.graph.steps.items()
        }


def read_snapshot(store: Path, number: int) -> Snapshot:
    """Raises UsageError for a run without a snapshot, MissingObject where its code is gone."""
    with Journal(store / "journal.sqlite") as journal:
        run_id = journal.run_id(number)
        events = journal.events_of(run_id) if run_id is not None else []
    started = next((one for one in events if isinstance(one, RunStarted)), None)
    if started is None:
        raise UsageError(f"run {number} was cut off before its snapshot was taken", mend="Take another run.")
    objects = ObjectStore(store)
    code = {path: objects.read(Digest(content), "src") for path, content in started.code.items()}
    ends = tuple(one for one in events if isinstance(one, StepEnded) and one.item is None)
    return Snapshot(number, started, ends, code)
