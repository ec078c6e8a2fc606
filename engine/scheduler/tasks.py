"""The tasks of one step: a byte for each task's state, and what waits to be launched.

A fan-out may have tens of thousands of tasks, so there is no object for a task; what only few tasks have (a failure,
a loss) is kept sparsely. A step without `Each` is a fan-out of one. Before a step is decided nobody knows how many
tasks it has: one waiting task stands for them.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from .assignment import Failure
from .transitions import CODE, ENTRANCES, STATES, TERMINAL, IllegalMove, State, overall

_FIRST_TERMINAL = min(CODE[state] for state in TERMINAL)


@dataclass(frozen=True, slots=True)
class Piece:
    """Items that are launched together, and which attempt it is for all of them."""

    items: tuple[int, ...]
    attempt: int


class Tasks:
    def __init__(self) -> None:
        self.states = bytearray(1)
        self.counts = [1] + [0] * (len(STATES) - 1)
        self.failures: dict[int, Failure] = {}
        self.once_lost: set[int] = set()
        self.pending = 0
        self._fresh: Sequence[int] = ()
        self._next = 0
        self._pieces: deque[Piece] = deque()

    def open(self, total: int, run: Sequence[int]) -> None:
        """The step was decided: `run` of its `total` tasks become ready, in order, the others are reused."""
        self.states = bytearray(total)
        self.counts[CODE["waiting"]] = total
        self._fresh = sorted(run)
        self.pending = len(run)
        self.move(self._fresh, "ready")
        waiting = CODE["waiting"]
        self.move([item for item, code in enumerate(self.states) if code == waiting], "reused")

    def move(self, items: Collection[int], to: State) -> None:
        """The only place where a task changes its state; raises IllegalMove where the table has no such move."""
        code, entrances, states, counts = CODE[to], ENTRANCES[to], self.states, self.counts
        for item in items:
            before = states[item]
            if before not in entrances:
                raise IllegalMove(f"item {item}: {STATES[before]} → {to}")
            states[item] = code
            counts[before] -= 1
        counts[code] += len(items)

    def state(self, item: int) -> State:
        return STATES[self.states[item]]

    @property
    def overall(self) -> State:
        return overall(self.counts)

    def tally(self) -> dict[State, int]:
        """How many tasks are in each state, without zeros."""
        return {STATES[code]: count for code, count in enumerate(self.counts) if count}

    @property
    def closed(self) -> bool:
        """Every task is in a terminal state."""
        return not any(self.counts[:_FIRST_TERMINAL])

    def queue(self, items: Sequence[int], attempt: int, to: State, soon: bool = False) -> None:
        """Items that were launched before wait for another launch, together; `soon` puts them before all others."""
        self.move(items, to)
        self.pending += len(items)
        piece = Piece(tuple(items), attempt)
        if soon:
            self._pieces.appendleft(piece)
        else:
            self._pieces.append(piece)

    def take(self, fresh: int) -> Piece:
        """The next items to launch: a piece as it was queued, else at most `fresh` that were never launched."""
        if self._pieces:
            piece = self._pieces.popleft()
        else:
            piece = Piece(tuple(self._fresh[self._next : self._next + fresh]), 1)
            self._next += len(piece.items)
        self.pending -= len(piece.items)
        return piece

    @property
    def fresh(self) -> int:
        """How many items were never launched."""
        return len(self._fresh) - self._next

    def waiting(self) -> Iterator[int]:
        """Every item that waits to be launched, in no order that matters."""
        yield from self._fresh[self._next :]
        for piece in self._pieces:
            yield from piece.items

    def drain(self) -> Iterator[Piece]:
        """Take everything that waits to be launched."""
        while self.pending:
            yield self.take(self.pending)
