"""What the scheduler's machine itself costs, on a simulated executor: `python tests/bench/bench_scheduler.py`.

Times are for `handle` alone, in microseconds a task; the ratio is against a floor measured in the same process: one
push and one pop of a heap a task, which any scheduler needs. The second
half of a run must not cost more than the first.
"""

import heapq
import time
from collections import deque
from dataclasses import dataclass, field

from instep.engine.ids import LaunchId, StepName
from instep.engine.scheduler.assignment import Failure, Resources
from instep.engine.scheduler.events import (
    Decided,
    Event,
    LaunchFailed,
    RunStarted,
    TaskFinished,
    TaskStarted,
    TimerFired,
    TimerId,
)
from instep.engine.scheduler.instructions import Decide, Launch, RunEnded, StartTimer
from instep.engine.scheduler.state import Machine
from instep.engine.scheduler.work import Node

RAISED = Failure("raised", "ValueError", "")
DIED = Failure("died", "killed", "")


@dataclass
class Pool:
    """An executor whose every item takes `item_us`. `bad` fails one item in a thousand, `deadly` kills its worker."""

    machine: Machine
    items: int
    item_us: int = 1_000
    bad: bool = False
    deadly: int | None = None
    now_us: int = 0
    spent: float = 0.0
    handled: int = 0
    halves: list[float] = field(default_factory=list)
    agenda: list[tuple[int, int, Event]] = field(default_factory=list)
    timers: deque[TimerId] = field(default_factory=deque)
    ended: str = ""

    def run(self) -> "Pool":
        self._tell(RunStarted(0))
        while not self.ended:
            if self.agenda:
                self.now_us, _, event = heapq.heappop(self.agenda)
            else:
                event = TimerFired(self.now_us, self.timers.popleft())
            self._tell(event)
        return self

    def _tell(self, event: Event) -> None:
        begun = time.perf_counter()
        said = self.machine.handle(event)
        took = time.perf_counter() - begun
        self.spent += took
        self.halves.append(took)
        for one in said:
            match one:
                case Decide(step):
                    total = self.items if self.machine.works[step].node.fan else 1
                    self._at(self.now_us, Decided(self.now_us, step, total, range(total)))
                case Launch():
                    self._launch(one)
                case StartTimer(timer):
                    self.timers.append(timer)
                case RunEnded(state):
                    self.ended = state
                case _:
                    pass

    def _launch(self, one: Launch) -> None:
        items = one.items or (None,)
        busy_us = self.item_us * len(items)
        end_us = self.now_us + 450 + busy_us
        self._at(self.now_us, TaskStarted(self.now_us, one.launch, "node", 1))
        if self.deadly is not None and self.deadly in items:
            self._at(end_us, LaunchFailed(end_us, one.launch, DIED))
            return
        wrong = {item for item in items if self.bad and item is not None and item % 1_000 == 7}
        done = tuple(item for item in items if item not in wrong)
        self._at(end_us, TaskFinished(end_us, one.launch, done, tuple((item, RAISED) for item in wrong), busy_us))

    def _at(self, when_us: int, event: Event) -> None:
        self.handled += 1
        heapq.heappush(self.agenda, (when_us, self.handled, event))


def chain_of_fans(fans: int, **options: object) -> dict[StepName, Node]:
    nodes = [Node(StepName("first"))]
    for index in range(fans):
        nodes.append(Node(StepName(f"fan{index}"), (nodes[-1].name,), fan=True, **options))  # type: ignore[arg-type]
        nodes.append(Node(StepName(f"join{index}"), (nodes[-1].name,)))
    return {node.name: node for node in nodes}


def side_by_side(fans: int, **options: object) -> dict[StepName, Node]:
    names = [StepName(f"fan{index}") for index in range(fans)]
    return {name: Node(name, fan=True, **options) for name in names}  # type: ignore[arg-type]


def plain(steps: int, wide: int) -> dict[StepName, Node]:
    """Layers of `wide` steps, each of which needs three of the layer before."""
    nodes: dict[StepName, Node] = {}
    for index in range(steps):
        layer, place = divmod(index, wide)
        needs = {(layer - 1) * wide + (place + shift) % wide for shift in range(3)} if layer else set[int]()
        resources = Resources(cpus=1 + index % 3, gpus=0.5 * (index % 5 == 0))
        name = StepName(f"s{index}")
        nodes[name] = Node(name, tuple(StepName(f"s{need}") for need in sorted(needs)), resources=resources, retries=1)
    return nodes


def floor(tasks: int) -> float:
    begun = time.perf_counter()
    heap: list[tuple[int, str]] = []
    for index in range(tasks):
        heapq.heappush(heap, (-index, LaunchId(f"s/{index}")))
    while heap:
        heapq.heappop(heap)
    return (time.perf_counter() - begun) / tasks * 1e6


def measure(title: str, nodes: dict[StepName, Node], items: int = 0, cpus: float = 16, **options: object) -> None:
    tasks = sum(items if node.fan else 1 for node in nodes.values())
    machine = Machine(nodes, Resources(cpus=cpus, gpus=8))
    pool = Pool(machine, items, **options).run()  # type: ignore[arg-type]
    middle = len(pool.halves) // 2
    growth = sum(pool.halves[middle:]) / max(sum(pool.halves[:middle]), 1e-9)
    launches = sum(work.launches for work in machine.works.values())
    cost = pool.spent / tasks * 1e6
    print(
        f"{title:44} {tasks:>8,} {launches:>8,} {pool.spent:>7.2f} {cost:>8.2f} {cost / floor(tasks):>7.1f} "
        f"{growth:>6.2f} {max(pool.halves) * 1e3:>8.1f}  {pool.ended}"
    )


def main() -> None:
    print(f"{'':44} {'tasks':>8} {'launches':>8} {'s':>7} {'µs/task':>8} {'×floor':>7} {'2nd/1st':>6} {'max ms':>8}")
    measure("25 fans of 4,000 items, 1 ms each", chain_of_fans(25), 4_000)
    measure("the same, 0.1 % of items fail, one retry", side_by_side(25, retries=1), 4_000, bad=True)
    measure("5 fans of 20,000, trivial, a deadly item", side_by_side(5), 20_000, item_us=5, deadly=12_345)
    measure("1 fan of 20,000, one item a launch", chain_of_fans(1, isolate=True), 20_000)
    measure("1 fan of 100,000, one item a launch", chain_of_fans(1, isolate=True), 100_000)
    measure("the same, with time limits", chain_of_fans(1, isolate=True, timeout=60.0), 100_000)
    measure("100,000 steps in layers of 100, 6 shapes", plain(100_000, 100))
    measure("100,000 steps in layers of 10,000", plain(100_000, 10_000))
    measure("100,000 steps in a row", plain(100_000, 1))


if __name__ == "__main__":
    main()
