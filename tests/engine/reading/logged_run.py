"""Runs with a log of any size, made without running a step: a live file a launch, and the events that name it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from instep.engine.ids import Digest, RunId, StepName, StepRunId, new_id
from instep.engine.project import STORE
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import (
    ItemsEnded,
    LiveClosed,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    StepState,
)

Said = tuple[int, str, str, str]
"""(µs, stream, level, text)"""


class LoggedRun:
    """One run of a project in `root`; `say` writes lines of a launch, `end` closes its file, `finish` ends the run."""

    def __init__(self, root: Path, began: int = 1_000_000, steps: Sequence[str] = ()) -> None:
        self.began = began
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
                began,
                "local",
                params={step: {} for step in steps},
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

    def took(
        self,
        step: str,
        start: float | None,
        end: float | None,
        needs: Sequence[str] = (),
        state: StepState = "done",
        *,
        attempt: int = 1,
        reused_from: str | None = None,
        error: str = "",
        step_run_id: str = "",
    ) -> str:
        """A step that ran from `start` to `end`, seconds after the run began; returns the id of its step run."""
        made = StepRunId(step_run_id or new_id())
        self.journal.append(
            StepEnded(
                self.run_id,
                made,
                StepName(step),
                state,
                attempt=attempt,
                reused_from=StepRunId(reused_from) if reused_from else None,
                started_us=None if start is None else self.moment(start),
                ended_us=None if end is None else self.moment(end),
                seconds=None if start is None or end is None else end - start,
                error={"title": error} if error else None,
                inputs={need: Digest(f"of {need}") for need in needs},
                outputs={step: Digest(f"of {step}")} if state in ("done", "reused") else {},
            )
        )
        return made

    def items(self, step: str, spans: Sequence[tuple[float, float]], state: str = "done") -> str:
        """Items of a fan-out that worked at these times; returns the id of its step run."""
        made = StepRunId(new_id())
        rows = [
            [index, 1, state, f"k{index}", None, self.moment(start), self.moment(end), None, None]
            for index, (start, end) in enumerate(spans)
        ]
        self.journal.append(ItemsEnded(self.run_id, made, StepName(step), rows))
        return made

    def starts(self, step: str, start: float) -> str:
        """A step that has started; returns the id of its step run."""
        made = StepRunId(new_id())
        self.journal.append(StepStarted(self.run_id, made, StepName(step), None, 1, "local", "", self.moment(start)))
        return made

    def moment(self, seconds: float) -> int:
        return self.began + round(seconds * 1e6)

    def finish(self, state: str = "done", *, close: bool = True, at: float = 2.0) -> None:
        self.journal.append(RunEnded(RunId(self.run_id), state, self.moment(at)))  # type: ignore[arg-type]
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
