"""Each rule of the scheduler, by an example."""

from collections.abc import Iterable

import pytest

from instep.engine.ids import LaunchId, StepName
from instep.engine.scheduler.assignment import Failure, ItemOutcome, Outcome, Resources
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
from instep.engine.scheduler.launches import CAPACITY_TIMER
from instep.engine.scheduler.ready import PATIENCE
from instep.engine.scheduler.state import Machine
from instep.engine.scheduler.tasks import Tasks
from instep.engine.scheduler.transitions import LEGAL, STATES, TERMINAL, IllegalMove
from instep.engine.scheduler.work import Node

TWO_CPUS = Resources(cpus=2)
RAISED = Failure("raised", "ValueError", "no")
DIED = Failure("died", "killed", "signal 9")
LOST = Failure("lost", "node gone", "node-2")
GONE = Failure("cancelled", "cancelled")


def node(name: str, *needs: str, **options: object) -> Node:
    return Node(StepName(name), tuple(map(StepName, needs)), **options)  # type: ignore[arg-type]


class Drive:
    """A machine that is validated after each event, and everything it said."""

    def __init__(self, *nodes: Node, capacity: Resources = TWO_CPUS) -> None:
        self.machine = Machine({one.name: one for one in nodes}, capacity)
        self.said: list[Instruction] = []
        self.last: list[Instruction] = []
        self.tell(RunStarted(0))

    def tell(self, event: Event) -> list[Instruction]:
        self.last = self.machine.handle(event)
        self.said += self.last
        validate(self.machine)
        return self.last

    def decide(self, step: str, total: int = 1, run: Iterable[int] | None = None) -> list[Instruction]:
        return self.tell(Decided(0, StepName(step), total, tuple(range(total) if run is None else run)))

    def finish(self, launch: str, failed: Iterable[int] = (), busy_us: int = 0) -> list[Instruction]:
        flight = self.machine.launches.flights[LaunchId(launch)]
        bad = set(failed)
        indices = [item if flight.work.node.fan else None for item in flight.piece.items]
        done = tuple(index for index in indices if (index or 0) not in bad)
        wrong = tuple((index, RAISED) for index in indices if (index or 0) in bad)
        return self.tell(TaskFinished(0, LaunchId(launch), done, wrong, busy_us))

    def die(self, launch: str, failure: Failure = DIED) -> list[Instruction]:
        return self.tell(LaunchFailed(0, LaunchId(launch), failure))

    def lose(self, launch: str) -> list[Instruction]:
        return self.tell(LaunchLost(0, LaunchId(launch), LOST))

    def fire(self, timer: str) -> list[Instruction]:
        return self.tell(TimerFired(0, TimerId(timer)))

    def start(self, launch: str) -> list[Instruction]:
        return self.tell(TaskStarted(1, LaunchId(launch), "node-1", 7))

    def cancel(self, *steps: str) -> list[Instruction]:
        return self.tell(CancelRequested(0, frozenset(map(StepName, steps)) or None))

    def state(self, step: str) -> str:
        return self.machine.state(StepName(step))

    def counts(self, step: str) -> dict[str, int]:
        return dict(self.machine.counts(StepName(step)))

    def launches(self, instructions: Iterable[Instruction] | None = None) -> list[str]:
        heard = self.last if instructions is None else instructions
        return [one.launch for one in heard if isinstance(one, Launch)]

    def only(self, kind: type[Instruction]) -> list[Instruction]:
        return [one for one in self.last if isinstance(one, kind)]


def fan_of(items: int, cpus: float = 1, **options: object) -> Drive:
    """A fan-out decided, with all items in one launch that has been seen to work: `many/k`."""
    drive = Drive(node("many", fan=True, **options), capacity=Resources(cpus=cpus))
    work = drive.machine.works[StepName("many")]
    work.pace = work.pace.after(2_000, 2_000)
    drive.decide("many", items)
    return drive


def in_flight(drive: Drive) -> dict[str, tuple[int, ...]]:
    return {launch: flight.piece.items for launch, flight in drive.machine.launches.flights.items()}


# Deciding


def test_a_step_is_decided_when_all_it_needs_is_there() -> None:
    drive = Drive(node("a"), node("b"), node("c", "a", "b"))
    assert drive.only(Decide) == [Decide(StepName("a")), Decide(StepName("b"))]
    drive.decide("a", run=())
    assert not drive.only(Decide)
    drive.decide("b")
    drive.finish("b/0")
    assert drive.only(Decide) == [Decide(StepName("c"))]


def test_reused_steps_launch_nothing_and_the_run_is_done() -> None:
    drive = Drive(node("a"), node("b", "a"))
    drive.decide("a", run=())
    drive.decide("b", run=())
    assert drive.state("b") == "reused"
    assert drive.last[-1] == RunEnded("done")
    assert not drive.launches(drive.said)


def test_a_run_of_nothing_is_done_at_once() -> None:
    assert Drive().last == [RunEnded("done")]


def test_a_fan_out_over_nothing_is_over_at_once() -> None:
    drive = Drive(node("many", fan=True), node("below", "many"))
    drive.decide("many", 0)
    assert drive.state("many") == "reused"
    assert drive.only(Decide) == [Decide(StepName("below"))]


def test_only_missing_items_run() -> None:
    drive = Drive(node("many", fan=True), capacity=Resources(cpus=9))
    drive.decide("many", 5, run=(4, 1))
    assert sorted(item for items in in_flight(drive).values() for item in items) == [1, 4]
    assert drive.counts("many") == {"launched": 2, "reused": 3}


def test_a_step_that_cannot_be_decided_fails_and_blocks() -> None:
    drive = Drive(node("many", fan=True, retries=3), node("below", "many"))
    drive.tell(DecideFailed(0, StepName("many"), RAISED))
    assert drive.only(AttemptFailed) == [AttemptFailed(None, StepName("many"), None, 1, RAISED, retry=False)]
    assert (drive.state("many"), drive.state("below")) == ("failed", "blocked")
    assert drive.last[-1] == RunEnded("failed")


@pytest.mark.parametrize(("total", "run"), [(2, (0,)), (1, (1,)), (1, (0, 0)), (1, (-1,))])
def test_a_decision_that_contradicts_itself_is_refused(total: int, run: tuple[int, ...]) -> None:
    drive = Drive(node("a"))
    with pytest.raises(ValueError, match="make no sense"):
        drive.machine.handle(Decided(0, StepName("a"), total, run))
    validate(drive.machine)
    drive.decide("a")
    assert drive.launches() == ["a/0"]


def test_steps_must_come_after_what_they_need() -> None:
    with pytest.raises(ValueError, match="a needs b, which does not come before it"):
        Machine({StepName("a"): node("a", "b"), StepName("b"): node("b")}, Resources())


# The life of a task


def test_a_task_goes_through_its_states() -> None:
    drive = Drive(node("a"))
    seen = [drive.state("a")]
    for event in (
        Decided(0, StepName("a"), 1, (0,)),
        TaskStarted(1, LaunchId("a/0")),
        TaskStoring(2, LaunchId("a/0")),
        TaskFinished(3, LaunchId("a/0"), (None,)),
    ):
        drive.tell(event)
        seen.append(drive.state("a"))
    assert seen == ["waiting", "launched", "running", "storing", "done"]
    assert drive.last == [
        Keep(LaunchId("a/0"), StepName("a"), None, 1),
        Report(StepName("a"), "done", {"done": 1}),
        RunEnded("done"),
    ]


def test_the_table_names_every_state_and_ends_have_no_way_out() -> None:
    assert set(LEGAL) == set(STATES)
    assert {state for state in STATES if not LEGAL[state]} == TERMINAL


def test_a_move_outside_the_table_is_refused() -> None:
    tasks = Tasks()
    with pytest.raises(IllegalMove, match="item 0: waiting → done"):
        tasks.move((0,), "done")


def test_an_outcome_of_a_worker_becomes_the_event() -> None:
    items = (ItemOutcome(3, 10, 30), ItemOutcome(4, 30, 90, failure=RAISED))
    event = TaskFinished.of(99, Outcome(LaunchId("many/0"), items))
    assert event == TaskFinished(99, LaunchId("many/0"), (3,), ((4, RAISED),), busy_us=80)


# Failures and retries


def test_a_failure_blocks_only_what_needs_it() -> None:
    drive = Drive(node("a"), node("b", "a"), node("c", "b"), node("free"))
    drive.decide("a")
    drive.decide("free")
    drive.finish("a/0", failed=[0])
    assert [drive.state(step) for step in ("a", "b", "c", "free")] == ["failed", "blocked", "blocked", "launched"]
    assert drive.machine.cause(StepName("c")) == "a"
    drive.finish("free/0")
    assert drive.state("free") == "done"
    assert drive.last[-1] == RunEnded("failed")


def test_a_failed_attempt_is_repeated_while_there_are_retries() -> None:
    drive = Drive(node("a", retries=2))
    drive.decide("a")
    for attempt in (1, 2):
        drive.finish(f"a/{attempt - 1}", failed=[0])
        assert drive.only(AttemptFailed) == [
            AttemptFailed(LaunchId(f"a/{attempt - 1}"), StepName("a"), None, attempt, RAISED, retry=True)
        ]
        assert [one.attempt for one in drive.last if isinstance(one, Launch)] == [attempt + 1]
    drive.finish("a/2", failed=[0])
    assert drive.state("a") == "failed"
    assert drive.machine.failures(StepName("a")) == {0: RAISED}


def test_a_task_that_waits_for_its_next_attempt_says_so() -> None:
    drive = Drive(node("a", retries=1), node("b"), capacity=Resources(cpus=1))
    drive.decide("a")
    drive.tell(CapacityChanged(0, Resources(cpus=0)))
    drive.finish("a/0", failed=[0])
    assert drive.state("a") == "retrying"
    drive.tell(CapacityChanged(0, Resources(cpus=1)))
    assert drive.state("a") == "launched"


def test_items_that_failed_do_not_lose_the_others() -> None:
    drive = fan_of(10, retries=1)
    drive.finish(*in_flight(drive), failed=[3, 7])
    assert drive.counts("many") == {"done": 8, "launched": 2}
    assert in_flight(drive) == {"many/1": (3, 7)}
    drive.finish("many/1", failed=[7])
    assert drive.counts("many") == {"done": 9, "failed": 1}
    assert drive.state("many") == "failed"


def test_an_item_that_was_not_reached_is_launched_again_for_free() -> None:
    drive = fan_of(4)
    drive.tell(TaskFinished(0, LaunchId("many/0"), (0, 1)))
    assert [(one.items, one.attempt) for one in drive.last if isinstance(one, Launch)] == [((2, 3), 1)]


def test_an_answer_without_a_word_on_any_item_does_not_go_on_for_ever() -> None:
    drive = fan_of(2)
    for _ in range(20):
        if drive.machine.ended:
            break
        drive.tell(TaskFinished(0, LaunchId(next(iter(in_flight(drive))))))
    assert drive.counts("many") == {"failed": 2}


def test_of_a_batch_whose_worker_died_only_the_guilty_item_fails() -> None:
    drive = fan_of(1_000)
    launched = 0
    while not drive.machine.ended:
        launch, items = next(iter(in_flight(drive).items()))
        launched += 1
        if 617 in items:
            drive.die(launch)
        else:
            drive.finish(launch)
    assert drive.counts("many") == {"done": 999, "failed": 1}
    assert set(drive.machine.failures(StepName("many"))) == {617}
    assert len([one for one in drive.said if isinstance(one, AttemptFailed)]) == 1
    assert launched <= 2 * 11


def test_a_failure_of_the_launch_that_is_no_death_is_every_items_own() -> None:
    drive = fan_of(50)
    drive.die("many/0", Failure("executor", "no room", ""))
    assert drive.counts("many") == {"failed": 50}
    assert len(drive.only(AttemptFailed)) == 1


def test_a_lost_launch_is_repeated_once_and_counts_the_second_time() -> None:
    drive = Drive(node("a"))
    drive.decide("a")
    drive.lose("a/0")
    assert [one.attempt for one in drive.last if isinstance(one, Launch)] == [1]
    assert not drive.only(AttemptFailed)
    drive.lose("a/1")
    assert drive.state("a") == "failed"


def test_a_batch_lost_twice_is_halved() -> None:
    drive = fan_of(4)
    drive.lose("many/0")
    assert in_flight(drive) == {"many/1": (0, 1, 2, 3)}
    drive.lose("many/1")
    assert in_flight(drive) == {"many/2": (0, 1)}


# Timeouts


def test_a_timeout_asks_politely_then_by_force_then_gives_up() -> None:
    drive = Drive(node("a", timeout=5.0))
    drive.decide("a")
    assert not drive.only(StartTimer), "waiting in the executor's queue does not count"
    drive.start("a/0")
    assert drive.only(StartTimer) == [StartTimer(TimerId("a/0:time"), 5.0)]
    drive.fire("a/0:time")
    assert drive.last[:2] == [Cancel(LaunchId("a/0"), force=False), StartTimer(TimerId("a/0:cancel"), 2.0)]
    assert drive.state("a") == "cancelling"
    drive.fire("a/0:cancel")
    assert drive.last[:2] == [Cancel(LaunchId("a/0"), force=True), StartTimer(TimerId("a/0:forced"), 2.0)]
    drive.fire("a/0:forced")
    assert drive.state("a") == "failed"
    assert drive.machine.failures(StepName("a"))[0].kind == "timeout"
    assert "5 s" in drive.machine.failures(StepName("a"))[0].message


def test_a_timeout_counts_as_an_attempt() -> None:
    drive = Drive(node("a", timeout=5.0, retries=1))
    drive.decide("a")
    drive.start("a/0")
    drive.fire("a/0:time")
    drive.die("a/0", Failure("cancelled", "", ""))
    assert [one.attempt for one in drive.last if isinstance(one, Launch)] == [2]
    assert drive.only(StopTimer) == [StopTimer(TimerId("a/0:cancel"))]


def test_a_result_just_after_the_time_was_up_is_kept() -> None:
    drive = Drive(node("a", timeout=5.0))
    drive.decide("a")
    drive.start("a/0")
    drive.fire("a/0:time")
    drive.finish("a/0")
    assert drive.state("a") == "done"


def test_of_a_batch_that_ran_out_of_time_finished_items_stay_and_the_rest_is_halved() -> None:
    drive = fan_of(8, timeout=1.0)
    drive.start("many/0")
    drive.fire("many/0:time")
    drive.tell(TaskFinished(0, LaunchId("many/0"), (0, 1), ((2, Failure("cancelled", "", "")),)))
    assert drive.counts("many")["done"] == 2
    assert in_flight(drive) == {"many/1": (2, 3, 4)}
    assert not drive.only(AttemptFailed)


# Cancelling


def test_cancelling_the_run_stops_what_waits_and_asks_what_runs() -> None:
    drive = Drive(node("a"), node("b"), node("c", "a"), capacity=Resources(cpus=1))
    drive.decide("a")
    drive.decide("b")
    drive.cancel()
    assert drive.only(Cancel) == [Cancel(LaunchId("a/0"), force=False)]
    assert [drive.state(step) for step in "abc"] == ["cancelling", "cancelled", "cancelled"]
    drive.die("a/0", Failure("cancelled", "", ""))
    assert drive.last[-1] == RunEnded("cancelled")


def test_cancelling_a_step_cancels_what_needs_it_only() -> None:
    drive = Drive(node("a"), node("b", "a"), node("free"))
    drive.decide("a")
    drive.decide("free")
    drive.cancel("a")
    drive.finish("free/0")
    drive.die("a/0", Failure("cancelled", "", ""))
    assert [drive.state(step) for step in ("a", "b", "free")] == ["cancelled", "cancelled", "done"]
    assert drive.last[-1] == RunEnded("cancelled")


def test_cancelled_tasks_are_not_retried() -> None:
    drive = Drive(node("a", retries=5))
    drive.decide("a")
    drive.cancel("a")
    drive.finish("a/0", failed=[0])
    assert drive.state("a") == "cancelled"


def test_work_that_is_done_when_the_cancel_arrives_is_kept() -> None:
    drive = Drive(node("a"), node("b", "a"))
    drive.decide("a")
    drive.cancel()
    drive.finish("a/0")
    assert drive.only(Keep) == [Keep(LaunchId("a/0"), StepName("a"), None, 1)]
    assert (drive.state("a"), drive.state("b")) == ("done", "cancelled")
    assert drive.last[-1] == RunEnded("cancelled")


def test_a_step_being_decided_can_be_cancelled() -> None:
    drive = Drive(node("a"))
    drive.cancel()
    assert drive.last[-1] == RunEnded("cancelled")
    assert drive.decide("a") == []
    assert drive.machine.ignored == {"Decided": 1}


def test_a_failure_elsewhere_outweighs_one_cancelled_step() -> None:
    drive = Drive(node("a"), node("b"))
    drive.decide("b")
    drive.cancel("a")
    drive.finish("b/0", failed=[0])
    assert drive.last[-1] == RunEnded("failed")


def test_cancelling_twice_or_nothing_changes_nothing() -> None:
    drive = Drive(node("a"), node("b"))
    drive.decide("a", run=())
    assert drive.cancel("a", "unheard-of") == []


# Late, double and unknown


def test_events_that_mean_nothing_any_more_are_counted_and_ignored() -> None:
    drive = Drive(node("a"), node("b"))
    drive.decide("a")
    drive.start("a/0")
    drive.finish("a/0")
    late: list[Event] = [
        RunStarted(0),
        Decided(0, StepName("a"), 1, (0,)),
        Decided(0, StepName("nobody"), 1, (0,)),
        DecideFailed(0, StepName("a"), RAISED),
        TaskStarted(0, LaunchId("a/0")),
        TaskStoring(0, LaunchId("a/0")),
        TaskFinished(0, LaunchId("a/0"), (None,)),
        LaunchFailed(0, LaunchId("a/0"), DIED),
        LaunchLost(0, LaunchId("b/7"), LOST),
        TimerFired(0, TimerId("a/0:time")),
    ]
    for event in late:
        assert drive.tell(event) == []
    assert sum(drive.machine.ignored.values()) == len(late)
    assert drive.state("a") == "done"


def test_a_result_for_a_launch_that_was_given_up_is_dropped() -> None:
    drive = Drive(node("a"), node("b"))
    drive.decide("a")
    drive.cancel("a")
    drive.fire("a/0:cancel")
    drive.fire("a/0:forced")
    assert drive.state("a") == "cancelled"
    assert drive.tell(TaskFinished(0, LaunchId("a/0"), (None,))) == []
    assert drive.state("a") == "cancelled"


def test_items_that_are_not_the_launchs_and_second_mentions_do_not_count() -> None:
    drive = fan_of(3)
    drive.tell(TaskFinished(0, LaunchId("many/0"), (0, 1, 1, 2, 9, None), ((0, RAISED),)))
    assert drive.counts("many") == {"done": 3}
    assert drive.only(Keep) == [Keep(LaunchId("many/0"), StepName("many"), (0, 1, 2), 1)]


def test_before_the_run_starts_only_capacity_counts() -> None:
    machine = Machine({StepName("a"): node("a")}, Resources(cpus=1))
    assert machine.handle(Decided(0, StepName("a"), 1, (0,))) == []
    machine.handle(CapacityChanged(0, Resources(cpus=4)))
    validate(machine)
    assert machine.launches.free["cpus"] == 40_000


# Resources


def test_fractions_of_a_gpu_add_up_exactly() -> None:
    steps = [node(f"g{i}", resources=Resources(cpus=0, gpus=0.1)) for i in range(11)]
    drive = Drive(*steps, capacity=Resources(cpus=1, gpus=1))
    for step in steps:
        drive.decide(step.name)
    assert len(in_flight(drive)) == 10
    drive.finish("g0/0")
    assert drive.launches() == ["g10/0"]


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        (Resources(gpus=2), "it needs 2 gpus (of 0)"),
        (Resources(cpus=64), "it needs 64 cpus (of 2)"),
        (Resources(memory=8 * 2**30), "it needs 8 GiB of memory (of 4 GiB)"),
        (Resources(custom={"tpu": 1}), "it needs 1 tpu (of 0)"),
    ],
)
def test_what_could_never_fit_fails_at_once_and_says_what_is_missing(resources: Resources, says: str) -> None:
    drive = Drive(node("a", resources=resources, retries=3), capacity=Resources(cpus=2, memory=4 * 2**30))
    drive.decide("a")
    failure = drive.machine.failures(StepName("a"))[0]
    assert (failure.kind, failure.message) == ("executor", says)
    assert drive.last[-1] == RunEnded("failed")


def test_what_could_never_fit_may_be_reused() -> None:
    drive = Drive(node("a", resources=Resources(gpus=8)))
    drive.decide("a", run=())
    assert drive.last[-1] == RunEnded("done")


def test_capacity_that_went_away_may_come_back() -> None:
    gpu = Resources(cpus=1, gpus=1)
    drive = Drive(node("a", resources=gpu), capacity=gpu)
    drive.tell(CapacityChanged(0, Resources(cpus=1)))
    drive.decide("a")
    assert drive.only(StartTimer) == [StartTimer(CAPACITY_TIMER, 60.0)]
    drive.tell(CapacityChanged(0, gpu))
    assert drive.only(StopTimer) == [StopTimer(CAPACITY_TIMER)]
    assert drive.launches() == ["a/0"]


def test_capacity_that_does_not_come_back_fails_what_waits_for_it() -> None:
    gpu = Resources(cpus=1, gpus=1)
    drive = Drive(node("a", resources=gpu), node("b"), capacity=gpu)
    drive.tell(CapacityChanged(0, Resources(cpus=1)))
    drive.decide("a")
    drive.decide("b")
    drive.fire(CAPACITY_TIMER)
    assert (drive.state("a"), drive.state("b")) == ("failed", "launched")


def test_a_launch_that_has_not_begun_waits_again_when_what_it_needs_is_gone() -> None:
    gpu = Resources(cpus=1, gpus=1)
    drive = Drive(node("a", resources=gpu), node("b"), capacity=Resources(cpus=2, gpus=1))
    for name in "ab":
        drive.decide(name)
    drive.tell(CapacityChanged(0, Resources(cpus=2)))
    assert drive.only(Cancel) == [Cancel("a/0", force=False)]
    drive.die("a/0", GONE)
    assert (drive.state("a"), drive.state("b")) == ("ready", "launched")
    assert drive.only(StartTimer) == [StartTimer(CAPACITY_TIMER, 60.0)]
    drive.tell(CapacityChanged(0, Resources(cpus=2, gpus=1)))
    assert drive.launches() == ["a/1"]


def test_what_runs_is_not_taken_back_when_the_cluster_shrinks() -> None:
    gpu = Resources(cpus=1, gpus=1)
    drive = Drive(node("a", resources=gpu), capacity=gpu)
    drive.decide("a")
    drive.start("a/0")
    drive.tell(CapacityChanged(0, Resources(cpus=1)))
    assert drive.only(Cancel) == []


def test_a_shrunken_cluster_launches_nothing_until_there_is_room() -> None:
    drive = Drive(*(node(name) for name in "abc"), capacity=Resources(cpus=2))
    for name in "abc":
        drive.decide(name)
    drive.tell(CapacityChanged(0, Resources(cpus=1)))
    drive.finish("a/0")
    assert not drive.launches()
    drive.finish("b/0")
    assert drive.launches() == ["c/0"]


def test_the_longest_chain_goes_first_then_graph_order() -> None:
    nodes = [node("x"), node("y"), node("head"), node("mid", "head"), node("tail", "mid")]
    drive = Drive(*nodes, node("blocker"), capacity=Resources(cpus=1))
    drive.decide("blocker")
    for name in ("y", "x", "head"):
        drive.decide(name)
    order = [drive.finish("blocker/0")]
    order.append(drive.finish("head/0"))
    order.append(drive.finish("x/0"))
    assert [drive.launches(one) for one in order] == [["head/0"], ["x/0"], ["y/0"]]


def test_a_big_request_gets_its_turn_after_others_have_passed_it() -> None:
    small = [node(f"s{i:03}") for i in range(100)]
    below = [node(f"t{i:03}", f"s{i:03}") for i in range(100)]
    drive = Drive(*small, *below, node("big", resources=Resources(cpus=2)), capacity=Resources(cpus=2))
    drive.decide("s000")
    drive.decide("big")
    for step in small[1:]:
        drive.decide(step.name)
    launched = 0
    while "big/0" not in drive.machine.launches.flights:
        drive.finish(next(iter(in_flight(drive))))
        launched += len(drive.launches())
    assert launched <= PATIENCE + 2


def test_who_waits_for_a_gpu_does_not_hold_up_work_that_needs_none() -> None:
    gpu = Resources(cpus=1, gpus=1)
    drive = Drive(
        node("first", resources=gpu), node("second", resources=gpu), node("many", fan=True, isolate=True),
        capacity=Resources(cpus=4, gpus=1),
    )  # fmt: skip
    drive.decide("first")
    drive.decide("second")
    drive.decide("many", 100)
    for _ in range(60):
        drive.finish(next(launch for launch in in_flight(drive) if launch.startswith("many")))
    assert len(in_flight(drive)) == 3, "one CPU is kept for `second`, the others work"
    drive.finish("first/0")
    assert "second/0" in in_flight(drive)


def test_a_fan_out_that_needs_nothing_is_not_launched_all_at_once() -> None:
    drive = Drive(node("many", fan=True, isolate=True, resources=Resources(cpus=0)))
    drive.decide("many", 1_000)
    assert len(in_flight(drive)) == 64
    drive.finish("many/0")
    assert len(in_flight(drive)) == 64


def test_isolated_items_never_share_a_launch() -> None:
    drive = fan_of(10, cpus=3, isolate=True)
    assert [len(items) for items in in_flight(drive).values()] == [1, 1, 1]


def test_progress_is_reported_once_for_each_event() -> None:
    drive = fan_of(1_000, cpus=4)
    drive.finish("many/0")
    assert len(drive.only(Report)) == 1


def test_who_waits_for_a_lost_node_holds_up_nobody() -> None:
    gpu = Resources(cpus=2, gpus=1)
    drive = Drive(node("a", resources=gpu), node("many", fan=True, isolate=True), capacity=gpu)
    drive.tell(CapacityChanged(0, Resources(cpus=2)))
    drive.decide("a")
    drive.decide("many", 4 * PATIENCE)
    for _ in range(3 * PATIENCE):
        drive.finish(next(iter(in_flight(drive))))
        assert len(in_flight(drive)) == 2


@pytest.mark.parametrize(
    "event",
    [CapacityChanged(0, Resources(cpus=9)), CancelRequested(0), RunStarted(0), TimerFired(0, CAPACITY_TIMER)],
    ids=lambda event: type(event).__name__,
)
def test_a_run_that_has_ended_stays_as_it_is(event: Event) -> None:
    drive = Drive(node("a"))
    drive.decide("a", run=())
    assert drive.tell(event) == []
    assert [one for one in drive.said if isinstance(one, RunEnded)] == [RunEnded("done")]
    assert drive.machine.ignored == {type(event).__name__: 1}
