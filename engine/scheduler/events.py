"""What the scheduler is told: by the session, by an executor, by the clock that the session keeps for it.

Plain frozen values, so that a run can be written down and replayed. `at_us` is when it happened (microseconds since
the epoch); the machine has no other clock. An item's index is None where the step has no `Each`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType, TypeAlias

from ..ids import LaunchId, StepName
from .assignment import Failure, Outcome, Resources

TimerId = NewType("TimerId", str)
"""Names a timer of one purpose; a later timer of the same launch has another name, so a late one is recognised."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Always the first event that counts."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to `Decide`: of the step's `total` tasks, those in `run` have no result to reuse.

    `total` is 1 and `run` `(0,)` or `()` for a step without `Each`; for a fan-out `total` may be 0.
    """

    at_us: int
    step: StepName
    total: int
    run: Sequence[int]


@dataclass(frozen=True, slots=True)
class DecideFailed:
    """The other answer to `Decide`: the step's tasks cannot be known or keyed (its `Each` got no list, …)."""

    at_us: int
    step: StepName
    failure: Failure


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The launch has a process; from now on its time counts."""

    at_us: int
    launch: LaunchId
    node: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class TaskStoring:
    """The step's function has returned and its outputs are being written. Executors may leave this out."""

    at_us: int
    launch: LaunchId


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """The worker answered. Items of the launch in neither `done` nor `failed` were not reached.

    `busy_us` is how long it worked on the items; 0 has the machine use the time since `TaskStarted`.
    """

    at_us: int
    launch: LaunchId
    done: tuple[int | None, ...] = ()
    failed: tuple[tuple[int | None, Failure], ...] = ()
    busy_us: int = 0

    @classmethod
    def of(cls, at_us: int, outcome: Outcome) -> "TaskFinished":
        items = outcome.items
        return cls(
            at_us,
            outcome.launch,
            done=tuple(item.index for item in items if item.failure is None),
            failed=tuple((item.index, item.failure) for item in items if item.failure is not None),
            busy_us=max((one.ended_us for one in items), default=0) - min((one.started_us for one in items), default=0),
        )


@dataclass(frozen=True, slots=True)
class LaunchFailed:
    """There will be no answer: the worker died, or the executor could not start the task."""

    at_us: int
    launch: LaunchId
    failure: Failure


@dataclass(frozen=True, slots=True)
class LaunchLost:
    """There will be no answer, by no fault of the step: its node is gone, or the executor lost sight of it."""

    at_us: int
    launch: LaunchId
    failure: Failure


@dataclass(frozen=True, slots=True)
class TimerFired:
    at_us: int
    timer: TimerId


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Stop these steps and all that need them; None is the whole run."""

    at_us: int
    steps: frozenset[StepName] | None = None


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    """All that the executor has now, in use or not."""

    at_us: int
    capacity: Resources


Event: TypeAlias = (
    RunStarted
    | Decided
    | DecideFailed
    | TaskStarted
    | TaskStoring
    | TaskFinished
    | LaunchFailed
    | LaunchLost
    | TimerFired
    | CancelRequested
    | CapacityChanged
)
