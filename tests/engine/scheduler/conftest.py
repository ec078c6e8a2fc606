"""A project in a temporary folder whose steps run as they would in a run, without a plan."""

import json
import queue
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from instep.engine.digest import digest
from instep.engine.first_party import module_table_of
from instep.engine.ids import Digest, LaunchId, StepName, new_id
from instep.engine.project import Project
from instep.engine.scheduler.assignment import Assignment, Failure, Item, Outcome
from instep.engine.scheduler.bundle import write_bundle
from instep.engine.scheduler.executor import Crashed, Executor, ExecutorEvent, Finished, Started
from instep.engine.scheduler.live import Record, read_live
from instep.engine.scheduler.worker import execute
from instep.engine.snapshots.objects import ObjectStore


class Bench:
    """`write` puts files into the folder and into a new bundle; `run` executes a step of the newest in this process."""

    def __init__(self, root: Path, roots: tuple[str, ...] = (".", "src")) -> None:
        self.root = root
        self.roots = roots
        self.store = root / ".instep"
        self.objects = ObjectStore(self.store)
        self.files: dict[str, bytes] = {}
        self.code = Digest("")
        self.live = ""

    def write(self, files: Mapping[str, str]) -> Digest:
        for path, text in files.items():
            self.files[path] = dedent(text).encode()
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.files[path])
        modules = module_table_of(Project(self.root, "bench", roots=self.roots), self.files)
        self.code = write_bundle(self.objects, self.files, modules).code
        return self.code

    def step(self, source: str) -> "Bench":
        self.write({"steps/work.py": source})
        return self

    def assign(self, step: str = "work", module: str = "steps.work", run: str = "1", **more: object) -> Assignment:
        launch = LaunchId(new_id())
        self.live = str(self.store / "runs" / run / f"{launch}.jsonl")
        items = more.pop("items", (Item(None, digest("test"), 7),))
        more.setdefault("static_modules", (module,))
        return Assignment(
            launch,
            StepName(step),
            module,
            self.code,
            str(self.store),
            str(self.root),
            self.live,
            items,
            **more,  # type: ignore[arg-type]
        )

    def run(self, step: str = "work", **more: object) -> Outcome:
        return execute(self.assign(step, **more), shared=True)

    def value(self, step: str = "work", **more: object) -> object:
        """The JSON of a step's only output."""
        outcome = self.run(step, **more)
        assert outcome.items[0].failure is None, outcome.items[0].failure
        return self.value_of(outcome)

    def failure(self, step: str = "work", **more: object) -> Failure:
        failure = self.run(step, **more).items[0].failure
        assert failure is not None
        return failure

    def records(self, kind: str = "log") -> list[Record]:
        """The live file's records of the last launch."""
        records, offset = read_live(self.live)
        while (more := read_live(self.live, offset))[1] > offset:
            records, offset = records + more[0], more[1]
        return [one for one in records if one["k"] == kind]

    def lines(self, *streams: str) -> list[str]:
        return [str(one["m"]) for one in self.records() if not streams or one["s"] in streams]

    @staticmethod
    def value_of(outcome: Outcome) -> object:
        artifact = outcome.items[0].outputs[""]
        assert artifact.inline is not None
        return json.loads(artifact.inline)


class Launcher:
    """An executor and the events it emitted."""

    def __init__(self, make: Callable[[Callable[[ExecutorEvent], None]], Executor]) -> None:
        self.events: queue.Queue[ExecutorEvent] = queue.Queue()
        self.last: dict[LaunchId, Finished | Crashed] = {}
        self.executor = make(self.events.put)

    def run(self, assignment: Assignment) -> Finished | Crashed:
        """Launch and wait for the last event."""
        self.executor.launch(assignment)
        return self.ended(assignment)

    def ended(self, assignment: Assignment, seconds: float = 60) -> Finished | Crashed:
        while assignment.launch not in self.last:
            event = self.events.get(timeout=seconds)
            if not isinstance(event, Started):
                self.last[event.launch] = event
        return self.last[assignment.launch]

    def started(self, assignment: Assignment) -> Started:
        self.executor.launch(assignment)
        event = self.events.get(timeout=60)
        assert isinstance(event, Started)
        return event

    def inside(self, assignment: Assignment) -> Started:
        """Launch and wait for the step's own code, which comes after "started" and prints something at once."""
        event = self.started(assignment)
        deadline = time.monotonic() + 60
        while not any(one["k"] == "log" for one in read_live(assignment.live)[0]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return event

    def outcome(self, assignment: Assignment) -> Outcome:
        event = self.run(assignment)
        assert isinstance(event, Finished), event
        return event.outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "project")


@pytest.fixture(scope="session")
def launcher() -> type[Launcher]:
    return Launcher
