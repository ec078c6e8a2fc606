"""What became of a run's steps, gathered while it goes: the content of the `run` document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .ids import StepName, StepRunId
from .scheduler.assignment import Failure
from .snapshots.artifact import Artifact

EndState = Literal["reused", "done", "failed", "blocked", "cancelled"]


@dataclass(slots=True)
class StepResult:
    """How one step ended. `seconds` is what it took here, None where it did not run."""

    step: StepName
    step_run_id: StepRunId
    state: EndState
    seconds: float | None = None
    outputs: Mapping[str, Artifact] = field(default_factory=dict[str, Artifact])
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    failure: Failure | None = None
    cause: str = ""

    def error_json(self) -> dict[str, Any] | None:  # Any: JSON
        """What a failed step says of itself, or what blocked it."""
        if self.failure is None:
            return {"title": f"blocked by {self.cause}"} if self.cause else None
        one = self.failure
        frames = [
            {
                "path": frame.path,
                "line": frame.line,
                "function": frame.function,
                "source": frame.source,
                "locals": dict(frame.locals),
            }
            for frame in one.frames
        ]
        place = f"{frames[-1]['path']}:{frames[-1]['line']}" if frames else None
        return {
            "kind": one.kind,
            "title": one.title,
            "message": one.message,
            "mend": one.mend,
            "place": place,
            "frames": frames,
            "arguments": dict(one.arguments),
            "traceback": one.traceback,
        }


class Results:
    """The ends of the steps of one run."""

    def __init__(self, steps: Iterable[StepName]) -> None:
        self.order = list(steps)
        self.steps: dict[StepName, StepResult] = {}

    def reused(
        self, step: StepName, step_run_id: StepRunId, outputs: Mapping[str, Artifact], metrics: Mapping[str, float]
    ) -> None:
        self.steps[step] = StepResult(step, step_run_id, "reused", None, outputs, metrics)

    def done(
        self,
        step: StepName,
        step_run_id: StepRunId,
        seconds: float,
        outputs: Mapping[str, Artifact],
        metrics: Mapping[str, float],
    ) -> None:
        self.steps[step] = StepResult(step, step_run_id, "done", seconds, outputs, dict(metrics))

    def failed(self, step: StepName, step_run_id: StepRunId, failure: Failure, seconds: float | None) -> None:
        state: EndState = "cancelled" if failure.kind == "cancelled" else "failed"
        self.steps[step] = StepResult(step, step_run_id, state, seconds, failure=failure)

    def stopped(self, step: StepName, step_run_id: StepRunId, state: EndState, cause: str) -> None:
        self.steps[step] = StepResult(step, step_run_id, state, cause=cause)

    def metrics(self) -> dict[str, float]:
        """`step.name` → final value: what was logged, and outputs that are flat dicts of numbers."""
        found: dict[str, float] = {}
        for name in self.order:
            one = self.steps.get(name)
            if one is None:
                continue
            found |= {f"{name}.{metric}": value for metric, value in one.metrics.items()}
            for output, artifact in one.outputs.items():
                found |= {f"{output or name}.{metric}": value for metric, value in output_metrics(artifact).items()}
        return found


def output_metrics(artifact: Artifact) -> dict[str, float]:
    """The numbers of an output that is a flat dict of numbers; empty for any other."""
    summary = artifact.summary
    found = summary.get("metrics") if isinstance(summary, dict) else None
    if not isinstance(found, dict):
        return {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
