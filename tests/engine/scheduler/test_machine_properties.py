"""Laws of the scheduler, over random graphs, resources and orders of events, with everything that can go wrong."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instep.engine.ids import LaunchId, StepName
from instep.engine.scheduler.assignment import Failure, Resources
from instep.engine.scheduler.events import (
    CancelRequested,
    CapacityChanged,
    Decided,
    DecideFailed,
    Event,
    LaunchFailed,
    LaunchLost,
    RunStarted,
    TaskFinished,
    TaskStarted,
    TaskStoring,
    TimerFired,
    TimerId,
)
from instep.engine.scheduler.instructions import (
    AttemptFailed,
    Cancel,
    Decide,
    Instruction,
    Keep,
    Launch,
    Report,
    RunEnded,
    StartTimer,
    StopTimer,
)
from instep.engine.scheduler.invariants import validate
from instep.engine.scheduler.resources import amount
from instep.engine.scheduler.state import Machine
from instep.engine.scheduler.transitions import TERMINAL, State
from instep.engine.scheduler.work import Node

RAISED = Failure("raised", "ValueError", "")
DIED = Failure("died", "killed", "")
LOST = Failure("lost", "gone", "")
CANCELLED = Failure("cancelled", "", "")
NO_START = Failure("executor", "would not start", "")

requests = st.sampled_from([
    Resources(cpus=1), Resources(cpus=2), Resources(cpus=0), Resources(cpus=1, gpus=0.5),
    Resources(cpus=0.5, memory=2**30), Resources(cpus=3, custom={"disk": 1}),
])  # fmt: skip
capacities = st.sampled_from([
    Resources(cpus=1), Resources(cpus=2, gpus=1, memory=2**31),
    Resources(cpus=4, gpus=1, memory=2**30, custom={"disk": 1}),
])  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> dict[StepName, Node]:
    nodes: dict[StepName, Node] = {}
    for index in range(draw(st.integers(1, 7))):
        name = StepName(f"s{index}")
        needs = draw(st.lists(st.sampled_from(sorted(nodes)), unique=True, max_size=3)) if nodes else []
        nodes[name] = Node(
            name,
            tuple(needs),
            fan=draw(st.booleans()),
            resources=draw(requests),
            retries=draw(st.integers(0, 2)),
            timeout=draw(st.sampled_from([None, 5.0])),
            isolate=draw(st.integers(0, 4)) == 0,
        )
    return nodes


@dataclass
class World:
    """A session and an executor as the machine sees them, which keep their own account of what they are told."""

    nodes: dict[StepName, Node]
    capacity: Resources
    machine: Machine = field(init=False)
    born: Resources = field(init=False)
    events: list[Event] = field(default_factory=list)
    said: list[list[Instruction]] = field(default_factory=list)
    asked: list[StepName] = field(default_factory=list)
    air: dict[LaunchId, Launch] = field(default_factory=dict)
    started: set[LaunchId] = field(default_factory=set)
    politely: set[LaunchId] = field(default_factory=set)
    forced: set[LaunchId] = field(default_factory=set)
    timers: dict[TimerId, float] = field(default_factory=dict)
    kept: Counter[tuple[StepName, int]] = field(default_factory=Counter)
    final: dict[tuple[StepName, int], State] = field(default_factory=dict)
    counted: dict[tuple[StepName, int], list[int]] = field(default_factory=dict)
    cancelled: set[StepName] = field(default_factory=set)
    ends: list[str] = field(default_factory=list)
    at_us: int = 0

    def __post_init__(self) -> None:
        self.machine, self.born = Machine(self.nodes, self.capacity), self.capacity

    def tell(self, event: Event) -> None:
        over = self._over(event)
        ignored = sum(self.machine.ignored.values())
        if isinstance(event, CancelRequested):
            self._note_cancel(event)
        said = self.machine.handle(event)
        self.events.append(event)
        self.said.append(said)
        validate(self.machine)
        if sum(self.machine.ignored.values()) > ignored:
            assert not said
        for launch in over:
            self.air.pop(launch, None)
        assert not self.ends or not said, "the run goes on after its end"
        for one in said:
            self._hear(one)
        self._reconcile()
        assert sum(isinstance(one, Report) for one in said) == len(
            {one.step for one in said if isinstance(one, Report)}
        )

    def _note_cancel(self, event: CancelRequested) -> None:
        for name in self.nodes:
            asked = event.steps is None or name in event.steps
            if asked or any(need in self.cancelled for need in self.nodes[name].needs):
                self.cancelled.add(name)

    def _over(self, event: Event) -> list[LaunchId]:
        match event:
            case TaskFinished(launch=launch) | LaunchFailed(launch=launch) | LaunchLost(launch=launch):
                return [launch]
            case TimerFired(timer=timer):
                self.timers.pop(timer, None)
                launch = LaunchId(timer.removesuffix(":forced"))
                return [launch] if launch in self.forced and launch != timer else []
            case CapacityChanged(capacity=capacity):
                self.capacity = capacity
        return []

    def _hear(self, one: Instruction) -> None:
        match one:
            case Decide(step):
                assert all(self.machine.state(need) in {"done", "reused"} for need in self.nodes[step].needs)
                assert step not in self.cancelled
                self.asked.append(step)
            case Launch():
                assert one.step not in self.cancelled
                assert one.launch not in self.air
                assert one.attempt <= self.nodes[one.step].retries + 1
                assert all(self.machine.state(need) in {"done", "reused"} for need in self.nodes[one.step].needs)
                assert one.items is None or len(set(one.items)) == len(one.items) > 0
                assert not (self.nodes[one.step].isolate and one.items is not None and len(one.items) > 1)
                flying = {(each.step, item) for each in self.air.values() for item in each.items or (0,)}
                assert flying.isdisjoint((one.step, item) for item in one.items or (0,))
                self.air[one.launch] = one
                self._check_room(one)
            case Cancel(launch, force):
                assert launch in self.air
                assert force == (launch in self.politely), "polite first, then forced"
                assert launch not in self.forced
                (self.forced if force else self.politely).add(launch)
            case StartTimer(timer, seconds):
                assert seconds > 0
                assert timer not in self.timers
                self.timers[timer] = seconds
            case StopTimer(timer):
                self.timers.pop(timer)
            case Keep(step=step, items=items):
                self.kept.update((step, item) for item in items or (0,))
            case AttemptFailed(step=step, items=items, attempt=attempt, retry=retry):
                assert step not in self.cancelled
                for item in items or (0,):
                    before = self.counted.setdefault((step, item), [])
                    assert before == list(range(1, attempt)), "attempts are counted one by one"
                    before.append(attempt)
                    assert attempt <= self.nodes[step].retries + 1
                    assert not (retry and attempt > self.nodes[step].retries)
            case Report(step, state, counts):
                assert (state, counts) == (self.machine.state(step), self.machine.counts(step))
            case RunEnded(state):
                assert one is self.said[-1][-1]
                self.ends.append(state)

    def _check_room(self, launched: Launch) -> None:
        """What is in the air never exceeds the capacity in anything that was just launched."""
        used = Counter[str]()
        for each in self.air.values():
            used.update(amount(each.resources))
        capacity = amount(self.capacity)
        assert all(used[name] <= capacity.get(name, 0) for name in amount(launched.resources))

    def _reconcile(self) -> None:
        """Ends are final, and a task is done exactly where one result was kept."""
        assert set(self.air) == set(self.machine.launches.flights)
        for name in self.nodes:
            for item, state in enumerate(self.machine.item_states(name)):
                key = (name, item)
                assert self.final.get(key, state) == state
                if state in TERMINAL and (self.machine.works[name].decided or self.machine.works[name].closed):
                    self.final[key] = state
                assert self.kept[key] == (state == "done")

    def now(self) -> int:
        self.at_us += 1_000
        return self.at_us

    def answer(self, launch: Launch) -> None:
        """The executor does what it was asked: finishes, or obeys a cancel."""
        if launch.launch in self.politely:
            self.tell(LaunchFailed(self.now(), launch.launch, CANCELLED))
        else:
            self.tell(TaskFinished(self.now(), launch.launch, launch.items or (None,)))

    def drain(self) -> None:
        """From now on everybody answers; the run must end."""
        for _ in range(100_000):
            if self.ends:
                return
            if self.asked:
                step = self.asked.pop()
                total = 3 if self.nodes[step].fan else 1
                self.tell(Decided(self.now(), step, total, range(total)))
            elif self.air:
                self.answer(next(iter(self.air.values())))
            elif self.timers:
                self.tell(TimerFired(self.now(), next(iter(self.timers))))
            else:
                pytest.fail(f"stuck: { {name: self.machine.counts(name) for name in self.nodes} }")
        pytest.fail("the run does not end")


def misbehave(world: World, draw: st.DrawFn) -> None:
    """One random thing happens."""
    choices = ["junk", "again", "cancel", "capacity"]
    choices += ["decide"] * 6 if world.asked else []
    choices += ["start", "store", "finish", "finish", "finish", "died", "lost", "no start"] * 2 if world.air else []
    choices += ["timer"] * 4 if world.timers else []
    launch = draw(st.sampled_from(list(world.air.values()))) if world.air else None
    at_us = world.now()
    match draw(st.sampled_from(choices)), launch:
        case "decide", _:
            step = world.asked.pop(draw(st.integers(0, len(world.asked) - 1)))
            total = draw(st.integers(0, 40)) if world.nodes[step].fan else 1
            if draw(st.integers(0, 9)) == 0:
                world.tell(DecideFailed(at_us, step, RAISED))
            else:
                run = (
                    draw(st.sets(st.sampled_from(range(total)))) if total and draw(st.booleans()) else set(range(total))
                )
                world.tell(Decided(at_us, step, total, tuple(run)))
        case "start", Launch(launch=name):
            world.tell(TaskStarted(at_us, name, "node", 1))
        case "store", Launch(launch=name):
            world.tell(TaskStoring(at_us, name))
        case "finish", Launch(launch=name, items=items):
            fates = draw(st.lists(st.sampled_from("ddddfm"), min_size=len(items or (0,)), max_size=len(items or (0,))))
            mentioned = list(zip(items or (None,), fates, strict=True))
            world.tell(TaskFinished(
                at_us, name,
                tuple(item for item, fate in mentioned if fate == "d"),
                tuple((item, RAISED) for item, fate in mentioned if fate == "f"),
                busy_us=draw(st.sampled_from([0, 10, 10_000_000])),
            ))  # fmt: skip
        case "died", Launch(launch=name):
            world.tell(LaunchFailed(at_us, name, draw(st.sampled_from([DIED, CANCELLED]))))
        case "no start", Launch(launch=name):
            world.tell(LaunchFailed(at_us, name, NO_START))
        case "lost", Launch(launch=name):
            world.tell(LaunchLost(at_us, name, LOST))
        case "timer", _:
            world.tell(TimerFired(at_us, draw(st.sampled_from(sorted(world.timers)))))
        case "cancel", _:
            if draw(st.integers(0, 3)) == 0:
                steps = draw(st.none() | st.frozensets(st.sampled_from(sorted(world.nodes)), min_size=1, max_size=2))
                world.tell(CancelRequested(at_us, steps))
        case "capacity", _:
            if draw(st.integers(0, 2)) == 0:
                world.tell(CapacityChanged(at_us, draw(capacities)))
        case "again", _:
            stale = [one for one in world.events if not isinstance(one, CancelRequested | CapacityChanged)]
            stale = [one for one in stale if not _means_something(world, one)]
            if stale:
                world.tell(draw(st.sampled_from(stale)))
        case _:
            world.tell(TaskFinished(at_us, LaunchId("s0/9999"), (None, 0, 1)))


def _means_something(world: World, event: Event) -> bool:
    """Whether an old event could still be taken for a new one: same launch in the air, same timer running, …"""
    match event:
        case Decided(step=step) | DecideFailed(step=step):
            return step in world.asked
        case TimerFired(timer=timer):
            return timer in world.timers
        case RunStarted():
            return False
        case CancelRequested() | CapacityChanged():
            return True
        case _:
            return event.launch in world.air


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World(draw(graphs()), draw(capacities))
    world.tell(RunStarted(world.now()))
    for _ in range(draw(st.integers(0, 60))):
        if world.ends:
            break
        misbehave(world, draw)
    world.drain()
    return world


def ancestors(nodes: dict[StepName, Node], name: StepName) -> Iterator[StepName]:
    for need in nodes[name].needs:
        yield need
        yield from ancestors(nodes, need)


THOROUGH = settings(max_examples=200, suppress_health_check=[*HealthCheck])


@given(worlds())
@THOROUGH
def test_whatever_happens_every_law_holds(world: World) -> None:
    machine, nodes = world.machine, world.nodes
    assert len(world.ends) == 1
    assert not world.timers
    states = {name: machine.state(name) for name in nodes}
    assert set(states.values()) <= TERMINAL
    bad = {"failed", "cancelled", "blocked"}
    for name, state in states.items():
        missing = [need for need in nodes[name].needs if states[need] in bad]
        if missing:
            assert state in {"blocked", "cancelled"}
        if state == "blocked":
            cause = machine.cause(name)
            assert missing
            assert cause in set(ancestors(nodes, name))
            assert states[cause] in {"failed", "cancelled"}
        else:
            assert machine.cause(name) is None
        if state == "cancelled":
            assert name in world.cancelled
        assert (state == "failed") == bool(machine.failures(name))
    if world.ends == ["done"]:
        assert bad.isdisjoint(states.values())
    else:
        assert world.ends[0] in states.values()


@given(worlds())
@settings(THOROUGH, max_examples=60)
def test_the_same_events_give_the_same_instructions(world: World) -> None:
    replayed = Machine(world.nodes, world.born)
    assert [replayed.handle(event) for event in world.events] == world.said


@given(
    st.integers(2, 300),
    st.sets(st.integers(0, 299), min_size=1, max_size=4),
    st.integers(0, 2),
    st.sampled_from(["died", "timeout", "lost"]),
)
@settings(max_examples=100)
def test_only_items_that_bring_their_worker_down_fail(total: int, killers: set[int], retries: int, how: str) -> None:
    killers = {item for item in killers if item < total}
    name = StepName("many")
    world = World({name: Node(name, fan=True, retries=retries, timeout=5.0)}, Resources(cpus=2))
    world.tell(RunStarted(0))
    work = world.machine.works[name]
    work.pace = work.pace.after(2_000, 2_000)
    world.tell(Decided(0, name, total, range(total)))
    while not world.ends:
        launch = next(iter(world.air.values()))
        assert launch.items is not None
        if killers.isdisjoint(launch.items):
            world.tell(TaskFinished(world.now(), launch.launch, launch.items))
        elif how == "died":
            world.tell(LaunchFailed(world.now(), launch.launch, DIED))
        elif how == "lost":
            world.tell(LaunchLost(world.now(), launch.launch, LOST))
        else:
            world.tell(TaskStarted(world.now(), launch.launch))
            world.tell(TimerFired(world.now(), TimerId(f"{launch.launch}:time")))
            world.tell(LaunchFailed(world.now(), launch.launch, CANCELLED))
    assert set(world.machine.failures(name)) == killers
    assert set(world.counted) == {(name, item) for item in killers}
    assert all(attempts == list(range(1, retries + 2)) for attempts in world.counted.values())


@given(graphs(), st.data())
@settings(THOROUGH, max_examples=60)
def test_without_trouble_everything_is_done_once(nodes: dict[StepName, Node], data: st.DataObject) -> None:
    world = World(nodes, Resources(cpus=4, gpus=1, memory=2**30, custom={"disk": 1}))
    world.tell(RunStarted(0))
    while not world.ends:
        if world.asked and (not world.air or data.draw(st.booleans())):
            step = world.asked.pop()
            total = 5 if nodes[step].fan else 1
            world.tell(Decided(world.now(), step, total, range(total)))
        else:
            world.answer(data.draw(st.sampled_from(list(world.air.values()))))
    assert world.ends == ["done"]
    assert all(world.machine.state(name) == "done" for name in nodes)
    assert set(world.kept.values()) == {1}
    assert not world.machine.ignored
