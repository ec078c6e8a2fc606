"""What is in the air: launches, the resources they hold, the timers that watch them.

Resources are taken when a launch is asked for and given back when it has ended or was given up; never otherwise.
"""

from ..ids import LaunchId
from .assignment import Resources
from .events import TimerId
from .fanout import batch_size
from .instructions import Cancel, Launch, StartTimer, StopTimer
from .ready import Ready
from .resources import amount, fits, slots
from .transitions import Flying
from .work import UNBOUNDED, Flight, Turn, Why, Work

GRACE = 2.0
"""Seconds between a polite cancel and a forced one, and between that and giving the launch up."""
NODES_RETURN = 60.0
"""Seconds that a step waits for capacity that was there before and is gone: a node that drops out often comes back."""

CAPACITY_TIMER = TimerId("capacity")


class Launches:
    """`capacity` is all there is, `peak` the most there ever was, `free` what no launch holds (below zero for as long
    as launches hold what a lost node had)."""

    def __init__(self, capacity: Resources) -> None:
        self.capacity = amount(capacity)
        self.peak = dict(self.capacity)
        self.free = dict(self.capacity)
        self.flights: dict[LaunchId, Flight] = {}
        self.timers: dict[TimerId, Flight | None] = {}
        self.ready = Ready()

    def change_capacity(self, capacity: Resources) -> None:
        old, new = self.capacity, amount(capacity)
        for name in {**old, **new}:
            self.free[name] = self.free.get(name, 0) + new.get(name, 0) - old.get(name, 0)
            self.peak[name] = max(self.peak.get(name, 0), new.get(name, 0))
        self.capacity = new

    def launch(self, turn: Turn) -> None:
        """Launch all that fits."""
        while work := self.ready.pick(self.free, self.capacity):
            piece = work.tasks.take(self._batch(work))
            launch = LaunchId(f"{work.name}/{work.launches}")
            work.launches += 1
            self.flights[launch] = work.flights[launch] = Flight(launch, work, piece)
            for name, count in work.request.items():
                self.free[name] -= count
            work.tasks.move(piece.items, "launched")
            turn.touch(work)
            turn.out.append(Launch(launch, work.name, work.items(piece.items), piece.attempt, work.node.resources))
            self.ready.add(work)

    def land(self, launch: LaunchId, turn: Turn) -> Flight | None:
        """The launch is over, however it ended; None where it is not (or no more) in the air."""
        flight = self.flights.pop(launch, None)
        if flight is None:
            return None
        work = flight.work
        del work.flights[launch]
        for name, count in work.request.items():
            self.free[name] += count
        self._stop_timer(flight, turn)
        turn.touch(work)
        return flight

    def advance(self, flight: Flight, phase: Flying, turn: Turn) -> None:
        flight.work.tasks.move(flight.piece.items, phase)
        flight.phase = phase
        turn.touch(flight.work)

    def interrupt(self, flight: Flight, why: Why, turn: Turn) -> None:
        """Begin to cancel a launch; one that is being cancelled already only takes the new reason."""
        begun = flight.why is not None
        flight.why = why
        if not begun:
            self.advance(flight, "cancelling", turn)
            turn.out.append(Cancel(flight.launch, force=False))
            self.set_timer(flight, "cancel", GRACE, turn)

    def recall(self, turn: Turn) -> None:
        """Take back what has not begun and could not any more: Ray would let it wait for ever, and say nothing."""
        for flight in list(self.flights.values()):
            if flight.phase == "launched" and not fits(flight.work.request, self.capacity):
                self.interrupt(flight, "stranded", turn)

    def force(self, flight: Flight, turn: Turn) -> None:
        flight.forced = True
        turn.out.append(Cancel(flight.launch, force=True))
        self.set_timer(flight, "forced", GRACE, turn)

    def set_timer(self, flight: Flight, purpose: str, seconds: float, turn: Turn) -> None:
        """Start the flight's only timer; each purpose has its own id, so that one that fires late is recognised."""
        self._stop_timer(flight, turn)
        flight.timer = TimerId(f"{flight.launch}:{purpose}")
        self.timers[flight.timer] = flight
        turn.out.append(StartTimer(flight.timer, seconds))

    def watch_capacity(self, turn: Turn) -> None:
        """Keep the capacity timer running while a step waits for what all of the capacity could not hold."""
        watching = CAPACITY_TIMER in self.timers
        if self.capacity == self.peak and not watching:
            return
        stranded = next(self.ready.stranded(self.capacity), None) is not None
        if stranded and not watching:
            self.timers[CAPACITY_TIMER] = None
            turn.out.append(StartTimer(CAPACITY_TIMER, NODES_RETURN))
        elif watching and not stranded:
            del self.timers[CAPACITY_TIMER]
            turn.out.append(StopTimer(CAPACITY_TIMER))

    def _stop_timer(self, flight: Flight, turn: Turn) -> None:
        if flight.timer is not None:
            del self.timers[flight.timer]
            turn.out.append(StopTimer(flight.timer))
            flight.timer = None

    def _batch(self, work: Work) -> int:
        node = work.node
        if node.isolate or not node.fan:
            return 1
        timeout_us = None if node.timeout is None else int(node.timeout * 1_000_000)
        return batch_size(work.tasks.fresh, slots(work.request, self.capacity, UNBOUNDED), work.pace, timeout_us)
