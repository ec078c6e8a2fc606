"""A launch on its way: which step run it is, and what its live file has said so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .ids import StepRunId
from .scheduler.assignment import Outcome
from .scheduler.instructions import Launch
from .scheduler.live import Record, read_live
from .snapshots.artifact import Artifact

MAX_LINES = 200
"""Log lines of a step passed on at one look; all of them are in the log."""


@dataclass(slots=True)
class Flight:
    """`metrics` has the last value of every name, `by_item` those of each item of a fan-out, `attached` what
    `log.text`, `log.table` and `log.figure` gave."""

    launch: Launch
    step_run_id: StepRunId
    live: Path
    started_us: int
    node: str = ""
    outcome: Outcome | None = None
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    by_item: dict[int, dict[str, float]] = field(default_factory=dict[int, dict[str, float]])
    attached: list[Artifact] = field(default_factory=list[Artifact])
    _offset: int = 0

    def look(self, *, to_the_end: bool = False) -> list[dict[str, Any]]:  # Any: JSON messages
        """Messages for who follows the run, of what came since the last look."""
        told: list[dict[str, Any]] = []
        while True:
            records, offset = read_live(str(self.live), self._offset)
            moved, self._offset = offset > self._offset, offset
            told += self._tell(records)
            if not moved or not to_the_end:
                return told

    def _tell(self, records: list[Record]) -> list[dict[str, Any]]:  # Any: JSON messages
        lines = [one for one in records if one["k"] == "log"]
        progress: Mapping[str, Any] = {}  # Any: a record of the live file
        measured = False
        for one in records:
            match one["k"]:
                case "metric":
                    measured = True
                    name, value, item = str(one["n"]), float(str(one["v"])), one.get("i")
                    self.metrics[name] = value
                    if isinstance(item, int):
                        self.by_item.setdefault(item, {})[name] = value
                case "progress":
                    progress = one
                case "attach":
                    artifact = one["artifact"]
                    assert isinstance(artifact, dict), "the worker wrote one"
                    self.attached.append(Artifact.from_json(artifact))
                case _:
                    pass
        told: list[dict[str, Any]] = []
        if lines:
            more = max(0, len(lines) - MAX_LINES)
            told.append({"t": "log", "step": self.launch.step, "lines": lines[-MAX_LINES:], "more": more})
        if progress or measured:
            counted = {"done": progress["done"], "total": progress["total"]} if progress else {}
            told.append({"t": "progress", "step": self.launch.step, "metrics": dict(self.metrics), **counted})
        return told
