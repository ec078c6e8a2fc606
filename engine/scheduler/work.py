"""What the scheduler knows of one step of a run and of one launch in flight, and what it gathers during one event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..ids import LaunchId, StepName
from .assignment import Resources
from .events import TimerId
from .fanout import NOTHING_KNOWN, Pace
from .instructions import Instruction
from .resources import Amount, amount
from .tasks import Piece, Tasks
from .transitions import Flying

ONE_CPU = Resources()
Why = Literal["asked", "timeout", "stranded"]
"""Somebody asked for it, its time was up, or what it was launched for is not there any more."""

UNBOUNDED = 64
"""How many tasks of a fan-out that asks for no resources at all are in flight at once."""


@dataclass(frozen=True, slots=True)
class Node:
    """A step of a run as the scheduler sees it. `fan` says that it has `Each`; `timeout` is seconds for one item;
    `isolate` keeps items from sharing a launch."""

    name: StepName
    needs: tuple[StepName, ...] = ()
    fan: bool = False
    resources: Resources = ONE_CPU
    retries: int = 0
    timeout: float | None = None
    isolate: bool = False


@dataclass(slots=True, eq=False)
class Flight:
    """One launch that an executor has. `why` is set once it is being cancelled."""

    launch: LaunchId
    work: "Work"
    piece: Piece
    phase: Flying = "launched"
    started_us: int = 0
    why: Why | None = None
    timer: TimerId | None = None
    forced: bool = False


@dataclass(slots=True, eq=False)
class Work:
    """One step. `height` is the longest chain of steps below it, `order` its place in the graph; `unmet` counts the
    needs that have not succeeded yet; `cause` is the step whose failure blocked it."""

    node: Node
    order: int
    request: Amount
    shape: tuple[tuple[str, int], ...]
    height: int = 0
    unmet: int = 0
    below: list["Work"] = field(default_factory=list["Work"])
    tasks: Tasks = field(default_factory=Tasks)
    pace: Pace = NOTHING_KNOWN
    flights: dict[LaunchId, Flight] = field(default_factory=dict[LaunchId, Flight])
    launches: int = 0
    decided: bool = False
    asked: bool = False
    closed: bool = False
    queued: bool = False
    cause: StepName | None = None

    @property
    def name(self) -> StepName:
        return self.node.name

    @property
    def launchable(self) -> bool:
        return self.tasks.pending > 0 and (bool(self.request) or len(self.flights) < UNBOUNDED)

    def items(self, items: tuple[int, ...]) -> tuple[int, ...] | None:
        """Items as the session knows them: a step without `Each` has none."""
        return items if self.node.fan else None


@dataclass(slots=True)
class Turn:
    """What one event has led to so far: instructions, and the steps it touched."""

    out: list[Instruction] = field(default_factory=list[Instruction])
    touched: dict[StepName, Work] = field(default_factory=dict[StepName, Work])

    def touch(self, work: Work) -> None:
        self.touched[work.name] = work


def works(nodes: Mapping[StepName, Node]) -> dict[StepName, Work]:
    """Raises ValueError unless each node comes after the nodes that it needs."""
    made: dict[StepName, Work] = {}
    for name, node in nodes.items():
        request = amount(node.resources)
        work = Work(node, len(made), request, tuple(sorted(request.items())))
        for need in dict.fromkeys(node.needs):
            if need not in made:
                raise ValueError(f"{name} needs {need}, which does not come before it")
            made[need].below.append(work)
            work.unmet += 1
        made[name] = work
    for work in reversed(made.values()):
        work.height = max((below.height + 1 for below in work.below), default=0)
    return made
