"""Everything that must hold between two events; the tests ask after each one, a bug report may ask at any time.

Each check recounts from scratch what the machine keeps up to date, so that the two can disagree.
"""

from collections import Counter
from collections.abc import Iterator

from .launches import CAPACITY_TIMER
from .resources import fits
from .state import Machine
from .transitions import CODE, FLYING, QUEUED, STATES, SUCCEEDED, TERMINAL
from .work import UNBOUNDED, Work


def validate(machine: Machine) -> None:
    """Raises AssertionError with all that is wrong."""
    wrong = [*_launches(machine), *_steps(machine), *_run(machine)]
    if wrong:
        raise AssertionError("\n".join(wrong))


def _launches(machine: Machine) -> Iterator[str]:
    launches = machine.launches
    used = Counter[str]()
    for launch, flight in launches.flights.items():
        used.update(flight.work.request)
        if flight.work.flights.get(launch) is not flight:
            yield f"{launch}: its step does not know it"
        if (flight.why is not None) != (flight.phase == "cancelling"):
            yield f"{launch}: is {flight.phase} because of {flight.why}"
        if flight.phase == "cancelling" and flight.timer is None:
            yield f"{launch}: would be cancelled for ever"
        if flight.phase == "running" and flight.work.node.timeout is not None and flight.timer is None:
            yield f"{launch}: could run for ever"
        if flight.timer is not None and launches.timers.get(flight.timer) is not flight:
            yield f"{launch}: its timer is not known"
    for name in {*launches.capacity, *launches.free, *used}:
        if launches.free.get(name, 0) != launches.capacity.get(name, 0) - used[name]:
            yield f"{name}: {launches.free.get(name, 0)} free of {launches.capacity.get(name, 0)}, {used[name]} used"
    for timer, flight in launches.timers.items():
        if flight is not None and flight.timer != timer:
            yield f"{timer}: nobody waits for it"
    if sum(len(work.flights) for work in machine.works.values()) != len(launches.flights):
        yield "steps know launches that are over"


def _steps(machine: Machine) -> Iterator[str]:
    free, capacity = machine.launches.free, machine.launches.capacity
    queued = Counter(work.name for work in machine.launches.ready)
    unmet = Counter[str]()
    for work in machine.works.values():
        if not (work.closed and work.tasks.overall in SUCCEEDED):
            unmet.update(below.name for below in work.below)
    for work in machine.works.values():
        yield from _tasks(work)
        if queued[work.name] != work.queued or (work.launchable and not work.queued):
            yield f"{work.name}: queued {queued[work.name]} times, to launch: {work.launchable}"
        if not work.tasks.closed and work.unmet != unmet[work.name]:
            yield f"{work.name}: waits for {work.unmet} needs, not {unmet[work.name]}"
        if work.asked and unmet[work.name]:
            yield f"{work.name}: asked to decide before its needs were there"
        if work.closed != work.tasks.closed:
            yield f"{work.name}: closed {work.closed}, tasks {work.tasks.tally()}"
        if work.launchable and not fits(work.request, capacity) and CAPACITY_TIMER not in machine.launches.timers:
            yield f"{work.name}: waits for capacity for ever"
        idle = not machine.launches.flights
        if work.launchable and idle and fits(work.request, free):
            yield f"{work.name}: could be launched and nothing runs"


def _tasks(work: Work) -> Iterator[str]:
    tasks = work.tasks
    counted = Counter(tasks.states)
    if [counted[code] for code in range(len(STATES))] != tasks.counts:
        yield f"{work.name}: counts {tasks.counts}, states {counted}"
    flying = [item for flight in work.flights.values() for item in flight.piece.items]
    for flight in work.flights.values():
        if any(tasks.states[item] != CODE[flight.phase] for item in flight.piece.items):
            yield f"{flight.launch}: is {flight.phase}, but not all of its items"
        if flight.piece.attempt > work.node.retries + 1:
            yield f"{flight.launch}: attempt {flight.piece.attempt} of {work.node.retries + 1}"
    if len(flying) != len(set(flying)) or len(flying) != sum(tasks.counts[CODE[state]] for state in FLYING):
        yield f"{work.name}: items fly twice or in no launch"
    waiting = list(tasks.waiting())
    if len(waiting) != len(set(waiting)) or len(waiting) != tasks.pending:
        yield f"{work.name}: {tasks.pending} items to launch, queued {waiting}"
    if {item for item, code in enumerate(tasks.states) if STATES[code] in QUEUED} != set(waiting):
        yield f"{work.name}: what waits to be launched is not what is queued"
    if set(tasks.failures) != {item for item, code in enumerate(tasks.states) if STATES[code] == "failed"}:
        yield f"{work.name}: failures without a failed item, or the reverse"
    if (work.cause is not None) != (tasks.counts[CODE["blocked"]] > 0):
        yield f"{work.name}: blocked by {work.cause}"
    if not work.asked and not tasks.closed and tasks.tally() != {"waiting": 1}:
        yield f"{work.name}: has tasks before it was asked to decide"
    if len(work.flights) > UNBOUNDED and work.node.fan and not work.request:
        yield f"{work.name}: {len(work.flights)} launches at once"


def _run(machine: Machine) -> Iterator[str]:
    open_tasks = any(STATES[code] not in TERMINAL for work in machine.works.values() for code in set(work.tasks.states))
    if machine.started and (machine.ended is None) != open_tasks:
        yield f"the run is {machine.ended}, tasks are open: {open_tasks}"
    if machine.ended and (machine.launches.flights or machine.launches.timers):
        yield "the run has ended with launches or timers"
