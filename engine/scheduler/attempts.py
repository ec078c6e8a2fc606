"""What becomes of items whose launch brought no result: another attempt, the same attempt again, or the end.

- An attempt that fails is repeated while the step has retries.
- A worker that dies, or runs out of time, takes its whole batch along, and nobody knows which item it was: the batch is
  launched again in halves, which costs no item a retry, until the guilty one is alone.
- A launch that never began, and could not any more, waits again for what it needs.
- A launch that nobody answers for is repeated as it was, once for each item; after that it is treated as a death.
"""

from collections.abc import Mapping, Sequence

from ..ids import LaunchId
from .assignment import Failure
from .instructions import AttemptFailed
from .work import Flight, Turn, Work

OF_THE_WORKER = frozenset({"died", "timeout", "lost", "cancelled"})
"""Kinds of failure that hit a whole batch on account of one item; any other kind is every item's own."""


def fail(
    work: Work,
    launch: LaunchId | None,
    attempt: int,
    failures: Mapping[int, Failure],
    turn: Turn,
    *,
    retry: bool = True,
) -> None:
    """An attempt at these items failed and counts. `retry` False: no other attempt could do better."""
    if not failures:
        return
    turn.touch(work)
    retry = retry and attempt <= work.node.retries
    alike: dict[int, tuple[Failure, list[int]]] = {}
    for item, failure in failures.items():
        alike.setdefault(id(failure), (failure, []))[1].append(item)
    for failure, items in alike.values():
        shown = work.items(tuple(items)) if work.decided else None
        turn.out.append(AttemptFailed(launch, work.name, shown, attempt, failure, retry))
    if retry:
        work.tasks.queue(tuple(failures), attempt + 1, "retrying")
    else:
        work.tasks.move(failures, "failed")
        work.tasks.failures.update(failures)


def fail_queued(work: Work, failure: Failure, turn: Turn) -> None:
    """Fail all that waits to be launched."""
    for piece in work.tasks.drain():
        fail(work, None, piece.attempt, dict.fromkeys(piece.items, failure), turn, retry=False)


def brought_down(flight: Flight, suspects: Sequence[int], failure: Failure, turn: Turn) -> None:
    """One of the suspects ended the launch: it was alone, or they are launched again in halves."""
    work, piece = flight.work, flight.piece
    if len(piece.items) == 1:
        fail(work, flight.launch, piece.attempt, dict.fromkeys(suspects, failure), turn)
        return
    half = (len(suspects) + 1) // 2
    for part in (suspects[half:], suspects[:half]):
        if part:
            work.tasks.queue(part, piece.attempt, "ready", soon=True)


def lose(flight: Flight, failure: Failure, turn: Turn) -> None:
    """Nobody answered for this launch."""
    tasks, piece = flight.work.tasks, flight.piece
    first = tuple(item for item in piece.items if item not in tasks.once_lost)
    again = tuple(item for item in piece.items if item in tasks.once_lost)
    if again:
        brought_down(flight, again, failure, turn)
    if first:
        tasks.once_lost.update(first)
        tasks.queue(first, piece.attempt, "lost", soon=True)


def interrupted(flight: Flight, items: tuple[int, ...], turn: Turn) -> None:
    """A launch that was being cancelled has ended, without results for `items`."""
    if not items:
        return
    if flight.why == "asked":
        flight.work.tasks.move(items, "cancelled")
        return
    if flight.why == "stranded":
        flight.work.tasks.queue(items, flight.piece.attempt, "ready", soon=True)
        return
    name, limit = flight.work.name, flight.work.node.timeout
    failure = Failure(
        "timeout",
        f"{name} took too long",
        f"It was stopped after {limit or 0:g} s.",
        "Raise `timeout` in @step(…), or make the step faster.",
    )
    brought_down(flight, items, failure, turn)
