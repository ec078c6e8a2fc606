"""What the scheduler asks for: the session carries these out, in order, and tells what came of them as events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..ids import LaunchId, StepName
from .assignment import Failure, Resources
from .events import TimerId
from .transitions import State

RunEnd = Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Decide:
    """Everything that the step needs is there: compute its keys, look for results, answer with `Decided`."""

    step: StepName


@dataclass(frozen=True, slots=True)
class Launch:
    """Give the executor one task. `items` is None where the step has no `Each`; `attempt` counts from 1 and is the
    same when items are launched again by no fault of theirs, `launch` never is."""

    launch: LaunchId
    step: StepName
    items: tuple[int, ...] | None
    attempt: int
    resources: Resources


@dataclass(frozen=True, slots=True)
class Cancel:
    """Interrupt the task (`force=False`: so that user code may clean up) or end its process."""

    launch: LaunchId
    force: bool


@dataclass(frozen=True, slots=True)
class StartTimer:
    timer: TimerId
    seconds: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """A timer that has fired meanwhile does no harm: its event is ignored."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class Keep:
    """These results of the launch count: record them. Results without a `Keep` came too late and must be dropped."""

    launch: LaunchId
    step: StepName
    items: tuple[int, ...] | None
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """Record this failure of these items. `retry` says that another attempt follows; `launch` is None for a failure
    before any launch."""

    launch: LaunchId | None
    step: StepName
    items: tuple[int, ...] | None
    attempt: int
    failure: Failure
    retry: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A step as it now is, at most one for each event: `counts` has the states that tasks are in; `cause` is the step
    whose failure blocked this one."""

    step: StepName
    state: State
    counts: Mapping[State, int]
    cause: StepName | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Every task is in a terminal state; the last instruction of the last event, exactly once."""

    state: RunEnd


Instruction: TypeAlias = Decide | Launch | Cancel | StartTimer | StopTimer | Keep | AttemptFailed | Report | RunEnded
