"""The protocol of what runs assignments, and the events it answers with.

An executor reports everything as an event, from any thread, and never raises into the scheduler's loop. For each
launch it emits `Started` at most once and then exactly one of `Finished` and `Crashed`; nothing after that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ..ids import LaunchId
from .assignment import Assignment, Failure, Outcome, Resources


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has begun; `node` names the machine, `pid` the process the step runs in."""

    launch: LaunchId
    at_us: int
    node: str
    pid: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker has answered; each item of the outcome may have failed for itself."""

    launch: LaunchId
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Crashed:
    """No answer will come: the process died, was ended, or never ran. `last_lines` are the last it printed."""

    launch: LaunchId
    failure: Failure
    pid: int
    last_lines: tuple[str, ...]
    at_us: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the executor has in all is not what it was: nodes came or went."""

    now: Resources


ExecutorEvent: TypeAlias = Started | Finished | Crashed | Capacity
Emit: TypeAlias = Callable[[ExecutorEvent], None]


class Executor(Protocol):
    """Runs assignments."""

    def capacity(self) -> Resources:
        """What it has in all, whether in use or not."""
        ...

    def launch(self, assignment: Assignment) -> None: ...

    def cancel(self, launch: LaunchId, *, force: bool) -> None:
        """Ask a step to stop (KeyboardInterrupt between two of its instructions), or with `force` end its process.

        Unknown and ended launches are ignored.
        """
        ...

    def close(self) -> None:
        """Stop everything that runs; no event is emitted after it returns."""
        ...
