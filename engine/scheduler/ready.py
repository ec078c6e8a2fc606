"""Which step launches next, among those with tasks to launch.

Steps that ask for the same resources share a lane: of a lane only the first can be next, so that choosing costs as
much as there are lanes, not steps. First is who has the longest chain of steps below it, then who comes first in the
graph. Between lanes, the first of those that fit wins.

That alone would let small requests starve a big one. So a lane that does not fit counts the launches of others that
pass it; after `PATIENCE` of them its first step gets what becomes free: nobody may take what it still lacks, nor so
much of the rest that it would lack that; and once it fits, it goes before all others. One lane at a time has this
right, the one that has been passed over the longest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from .resources import Amount, fits, leaves
from .work import Work

PATIENCE = 16

Rank = tuple[int, int]


@dataclass(slots=True)
class _Lane:
    request: Amount
    heap: list[tuple[Rank, Work]] = field(default_factory=list[tuple[Rank, Work]])
    passed: int = 0
    since: int = 0


class Ready:
    def __init__(self) -> None:
        self._lanes: dict[tuple[tuple[str, int], ...], _Lane] = {}
        self._launches = 0

    def add(self, work: Work) -> None:
        """Put a step where it may be picked; it stays until it is picked or has nothing more to launch."""
        if work.queued or not work.launchable:
            return
        work.queued = True
        lane = self._lanes.setdefault(work.shape, _Lane(work.request))
        heappush(lane.heap, ((-work.height, work.order), work))

    def pick(self, free: Amount, capacity: Amount) -> Work | None:
        """Take out the step that launches next, if any fits."""
        fitting = [lane for lane in self._lanes.values() if fits(lane.request, free) and _tidy(lane)]
        if not fitting:
            return None
        owed = self._owed(capacity)
        if owed is not None:
            reserved = owed.request
            fitting = [lane for lane in fitting if lane is owed or leaves(lane.request, free, reserved)]
            if not fitting:
                return None
        chosen = owed if owed in fitting else min(fitting, key=lambda lane: lane.heap[0][0])
        self._count(chosen, free)
        _, work = heappop(chosen.heap)
        work.queued = False
        return work

    def _owed(self, capacity: Amount) -> _Lane | None:
        """The lane whose turn it is; not one that has to wait for capacity to come back."""
        passed = [lane for lane in self._lanes.values() if lane.passed >= PATIENCE]
        could = (lane for lane in passed if _tidy(lane) and fits(lane.request, capacity))
        return min(could, key=lambda lane: lane.since, default=None)

    def _count(self, chosen: _Lane, free: Amount) -> None:
        self._launches += 1
        for lane in self._lanes.values():
            if lane is chosen:
                lane.passed = 0
            elif lane.heap and not fits(lane.request, free):
                if not lane.passed:
                    lane.since = self._launches
                lane.passed += 1

    def stranded(self, capacity: Amount) -> Iterator[Work]:
        """Steps with tasks to launch that all the capacity there is could not hold."""
        for lane in self._lanes.values():
            if _tidy(lane) and not fits(lane.request, capacity):
                yield from (work for _, work in sorted(lane.heap, key=lambda entry: entry[0]) if work.launchable)

    def __iter__(self) -> Iterator[Work]:
        return (work for lane in self._lanes.values() for _, work in lane.heap)


def _tidy(lane: _Lane) -> bool:
    """Drop steps that have nothing to launch any more (cancelled, failed) from the lane's head; whether one is left."""
    while lane.heap and not lane.heap[0][1].launchable:
        _, work = heappop(lane.heap)
        work.queued = False
    if not lane.heap:
        lane.passed = 0
    return bool(lane.heap)
