"""The scheduler: events in, instructions out. No clock, no input or output, no randomness, no executor.

The same events always give the same instructions, so a run can be replayed from its journal, simulated, and driven by
hypothesis. `transitions.py` has the moves a task can make, `ready.py` says who launches next, `attempts.py` what
becomes of items without a result, `launches.py` keeps what is in the air.

A step that failed blocks what needs it and nothing else. Cancelling is polite first, then forced, then the launch is
given up; a result that comes before that counts, because the work is done. Events that mean nothing any more (a second
result, one for a launch given up, a timer that was stopped) change nothing and are counted in `ignored`.
"""

from collections.abc import Mapping

from ..ids import StepName
from .assignment import Failure, Resources
from .attempts import OF_THE_WORKER, brought_down, fail, fail_queued, interrupted, lose
from .events import (
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
)
from .instructions import Decide, Instruction, Keep, Report, RunEnd, RunEnded
from .launches import Launches
from .resources import fits, shortage
from .transitions import STATES, SUCCEEDED, State
from .work import Flight, Node, Turn, Work, works


class Machine:
    """The scheduler of one run. `steps` come in graph order, each after those it needs (else ValueError).

    The attributes are for `validate` and tests to read; only `handle` changes them.
    """

    def __init__(self, steps: Mapping[StepName, Node], capacity: Resources) -> None:
        self.works = works(steps)
        self.launches = Launches(capacity)
        self.ignored: dict[str, int] = {}
        self.started = False
        self.ended: RunEnd | None = None
        self._unclosed = len(self.works)
        self._all_cancelled = False
        self._turn = Turn()

    def handle(self, event: Event) -> list[Instruction]:
        """What to do now, in this order. Raises ValueError only for a `Decided` that contradicts itself."""
        self._turn = turn = Turn()
        if not self._apply(event):
            kind = type(event).__name__
            self.ignored[kind] = self.ignored.get(kind, 0) + 1
            return []
        self._close_steps()
        self.launches.launch(turn)
        self.launches.watch_capacity(turn)
        for work in turn.touched.values():
            turn.out.append(Report(work.name, work.tasks.overall, work.tasks.tally(), work.cause))
        if self.started and not self._unclosed:
            self.ended = self._verdict()
            turn.out.append(RunEnded(self.ended))
        return turn.out

    def state(self, step: StepName) -> State:
        return self.works[step].tasks.overall

    def counts(self, step: StepName) -> dict[State, int]:
        """How many tasks are in each state, without zeros."""
        return self.works[step].tasks.tally()

    def item_states(self, step: StepName) -> list[State]:
        return [STATES[code] for code in self.works[step].tasks.states]

    def failures(self, step: StepName) -> Mapping[int, Failure]:
        """The last failure of each task that failed for good; 0 is the task of a step without `Each`."""
        return self.works[step].tasks.failures

    def cause(self, step: StepName) -> StepName | None:
        """The step whose failure blocked this one."""
        return self.works[step].cause

    def _apply(self, event: Event) -> bool:
        """Whether the event meant anything."""
        if self.ended or not (self.started or isinstance(event, RunStarted | CapacityChanged)):
            return False
        match event:
            case RunStarted():
                return self._start()
            case Decided():
                return self._decided(event)
            case DecideFailed():
                return self._decide_failed(event)
            case TaskStarted():
                return self._task_started(event)
            case TaskStoring():
                return self._task_storing(event)
            case TaskFinished() | LaunchFailed() | LaunchLost():
                return self._flight_ended(event)
            case TimerFired():
                return self._timer_fired(event)
            case CancelRequested():
                return self._cancel(event)
            case CapacityChanged():
                self.launches.change_capacity(event.capacity)
                self.launches.recall(self._turn)
                return True

    def _start(self) -> bool:
        if self.started:
            return False
        self.started = True
        for work in self.works.values():
            self._turn.touch(work)
            if not work.unmet:
                self._decide(work)
        return True

    def _decide(self, work: Work) -> None:
        work.asked = True
        self._turn.out.append(Decide(work.name))

    def _deciding(self, step: StepName) -> Work | None:
        """The step if it was asked about and has not answered."""
        work = self.works.get(step)
        return work if work and work.asked and not work.decided and not work.tasks.closed else None

    def _decided(self, event: Decided) -> bool:
        work = self._deciding(event.step)
        if work is None:
            return False
        chosen = set(event.run)
        in_range = all(0 <= item < event.total for item in chosen)
        if not in_range or len(chosen) != len(event.run) or not (work.node.fan or event.total == 1):
            raise ValueError(f"{event.step}: {len(event.run)} tasks to run of {event.total} make no sense")
        work.decided = True
        work.tasks.open(event.total, event.run)
        self._turn.touch(work)
        if not fits(work.request, self.launches.peak):
            self._no_room(work)
        self.launches.ready.add(work)
        return True

    def _decide_failed(self, event: DecideFailed) -> bool:
        work = self._deciding(event.step)
        if work is not None:
            fail(work, None, 1, {0: event.failure}, self._turn, retry=False)
        return work is not None

    def _task_started(self, event: TaskStarted) -> bool:
        flight = self.launches.flights.get(event.launch)
        if flight is None or flight.phase != "launched":
            return False
        self.launches.advance(flight, "running", self._turn)
        flight.started_us = event.at_us
        timeout = flight.work.node.timeout
        if timeout is not None:
            self.launches.set_timer(flight, "time", timeout, self._turn)
        return True

    def _task_storing(self, event: TaskStoring) -> bool:
        flight = self.launches.flights.get(event.launch)
        if flight is None or flight.phase not in {"launched", "running"}:
            return False
        self.launches.advance(flight, "storing", self._turn)
        return True

    def _flight_ended(self, event: TaskFinished | LaunchFailed | LaunchLost) -> bool:
        flight = self.launches.land(event.launch, self._turn)
        if flight is None:
            return False
        if isinstance(event, TaskFinished):
            self._answered(flight, event)
        elif flight.why:
            interrupted(flight, flight.piece.items, self._turn)
        elif isinstance(event, LaunchLost):
            lose(flight, event.failure, self._turn)
        elif event.failure.kind in OF_THE_WORKER:
            brought_down(flight, flight.piece.items, event.failure, self._turn)
        else:
            every = dict.fromkeys(flight.piece.items, event.failure)
            fail(flight.work, flight.launch, flight.piece.attempt, every, self._turn)
        self.launches.ready.add(flight.work)
        return True

    def _answered(self, flight: Flight, event: TaskFinished) -> None:
        work, attempt = flight.work, flight.piece.attempt
        left: dict[int | None, None] = dict.fromkeys(flight.piece.items if work.node.fan else (None,))
        # Each item's first mention counts; mentions of items that are not the launch's do not.
        done = tuple(index or 0 for index in event.done if left.pop(index, 0) is None)
        failed = {index or 0: failure for index, failure in event.failed if left.pop(index, 0) is None}
        missed = tuple(index or 0 for index in left)
        if done:
            work.tasks.move(done, "done")
            self._turn.out.append(Keep(flight.launch, work.name, work.items(done), attempt))
        busy_us = event.busy_us or event.at_us - (flight.started_us or event.at_us)
        work.pace = work.pace.after(len(done) + len(failed), busy_us)
        if flight.why and flight.why != "stranded":  # that one was wrong: it had begun
            interrupted(flight, tuple(sorted((*failed, *missed))), self._turn)
            return
        fail(work, flight.launch, attempt, failed, self._turn)
        if missed and (done or failed):
            work.tasks.queue(missed, attempt, "ready", soon=True)
        elif missed:
            silence = Failure("lost", f"{work.name} gave no answer", "the worker ended without a word on any item")
            lose(flight, silence, self._turn)

    def _timer_fired(self, event: TimerFired) -> bool:
        if event.timer not in self.launches.timers:
            return False
        flight = self.launches.timers.pop(event.timer)
        if flight is None:
            for work in list(self.launches.ready.stranded(self.launches.capacity)):
                self._no_room(work)
            return True
        flight.timer = None
        if flight.why is None:
            self.launches.interrupt(flight, "timeout", self._turn)
        elif not flight.forced:
            self.launches.force(flight, self._turn)
        else:
            self.launches.land(flight.launch, self._turn)
            interrupted(flight, flight.piece.items, self._turn)
            self.launches.ready.add(flight.work)
        return True

    def _no_room(self, work: Work) -> None:
        needs = shortage(work.request, self.launches.capacity)
        failure = Failure(
            "executor",
            f"nothing here can run {work.name}",
            f"it needs {needs}",
            "ask for less in @step(…), or run it on a target that has this",
        )
        fail_queued(work, failure, self._turn)

    def _cancel(self, event: CancelRequested) -> bool:
        self._all_cancelled = self._all_cancelled or event.steps is None
        below = set[StepName]()
        for work in self.works.values():
            if event.steps is not None and work.name not in event.steps and work.name not in below:
                continue
            below.update(one.name for one in work.below)
            if not work.closed:
                self._cancel_step(work)
        return bool(self._turn.touched)

    def _cancel_step(self, work: Work) -> None:
        self._turn.touch(work)
        if not work.decided:
            work.tasks.move((0,), "cancelled")
        for piece in work.tasks.drain():
            work.tasks.move(piece.items, "cancelled")
        for flight in list(work.flights.values()):
            self.launches.interrupt(flight, "asked", self._turn)

    def _close_steps(self) -> None:
        """Tell those below every step that has just ended; they may end by that, too."""
        ended = [work for work in self._turn.touched.values() if not work.closed and work.tasks.closed]
        for work in ended:
            work.closed = True
            self._unclosed -= 1
            succeeded = work.tasks.overall in SUCCEEDED
            for below in work.below:
                if below.tasks.closed:
                    continue
                if succeeded:
                    below.unmet -= 1
                    if not below.unmet:
                        self._decide(below)
                else:
                    below.cause = work.cause or work.name
                    below.tasks.move((0,), "blocked")
                    self._turn.touch(below)
                    ended.append(below)

    def _verdict(self) -> RunEnd:
        ends = {work.tasks.overall for work in self.works.values()}
        if "cancelled" in ends and (self._all_cancelled or "failed" not in ends):
            return "cancelled"
        return "failed" if "failed" in ends else "done"
