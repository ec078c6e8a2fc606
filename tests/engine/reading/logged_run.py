"""Runs with a log of any size, made without running a step: a live file a launch, and the events that name it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from instep.engine.ids import Digest, RunId, StepName, StepRunId, new_id
from instep.engine.project import STORE
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import LiveClosed, RunEnded, RunStarted, StepEnded, StepState

Said = tuple[int, str, str, str]
"""(µs, stream, level, text)"""


class LoggedRun:
    """One run of a project in `root`; `say` writes lines of a launch, `end` closes its file, `finish` ends the run."""

    def __init__(self, root: Path) -> None:
        self.store = root / STORE
        self.store.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(self.store / "journal.sqlite")
        self.run_id, self.number = self.journal.new_run()
        self.folder = self.store / "runs" / str(self.number)
        self.folder.mkdir(parents=True)
        self.journal.append(
            RunStarted(
                self.run_id,
                self.number,
                1_000_000,
                "local",
                params={},
                code_hash=Digest("c"),
                code={},
                modules={},
                config={},
                env_hash=Digest("e"),
                environment={"python": "3.11", "packages": {}, "hardware": {}},
                host="h",
                user_name="u",
            )
        )

    def path(self, step: str, launch: int = 1) -> Path:
        return self.folder / f"{step}-{launch}.jsonl"

    def say(self, step: str, said: Iterable[Said], launch: int = 1, item: int | None = None) -> None:
        with self.path(step, launch).open("a") as file:
            for t, stream, level, text in said:
                file.write(json.dumps({"k": "log", "t": t, "i": item, "s": stream, "l": level, "m": text}) + "\n")

    def end(self, step: str, launch: int = 1, state: StepState = "done") -> None:
        path, step_run_id = self.path(step, launch), StepRunId(new_id())
        self.journal.append(
            StepEnded(self.run_id, step_run_id, StepName(step), state, started_us=1_000_000, ended_us=2_000_000),
            LiveClosed(
                self.run_id, step_run_id, StepName(step), str(path.relative_to(self.store)), path.stat().st_size
            ),
        )

    def finish(self, state: str = "done", *, close: bool = True) -> None:
        self.journal.append(RunEnded(RunId(self.run_id), state, 3_000_000))  # type: ignore[arg-type]
        if close:
            self.journal.close()


def logged(root: Path, steps: Mapping[str, Sequence[Said]], state: str = "done") -> int:
    """A run that ended, with these lines; its number."""
    run = LoggedRun(root)
    for step, said in steps.items():
        run.say(step, said)
        run.end(step)
    run.finish(state)
    return run.number
