"""The states of a task and the one table of moves between them; nothing in the scheduler changes a state elsewhere.

    waiting ─► ready ─► launched ─► running ─► storing ─► done
       │         ▲          │          │          │
       │         │          └──────────┴──────────┴─► retrying · lost ─► launched     (another attempt)
       │         └───────────────── an innocent item of a batch that died             (the same attempt)
       └─► reused · blocked            any of them ─► cancelling ─► cancelled          any of them ─► failed

A task that another attempt awaits says why it waits (`retrying`, `lost`) until that attempt is launched.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

State = Literal[
    "waiting",
    "ready",
    "launched",
    "running",
    "storing",
    "cancelling",
    "retrying",
    "lost",
    "done",
    "reused",
    "failed",
    "blocked",
    "cancelled",
]
"""Those that end a task come last: `tasks.py` counts on it."""
Flying = Literal["launched", "running", "storing", "cancelling"]

STATES: tuple[State, ...] = get_args(State)
CODE: Mapping[State, int] = {state: code for code, state in enumerate(STATES)}

FLYING: frozenset[State] = frozenset(get_args(Flying))
QUEUED: frozenset[State] = frozenset({"ready", "retrying", "lost"})
SUCCEEDED: frozenset[State] = frozenset({"done", "reused"})
TERMINAL: frozenset[State] = frozenset({"done", "reused", "failed", "blocked", "cancelled"})


def _states(*states: State) -> frozenset[State]:
    return frozenset(states)


_NOWHERE = _states()
_FROM_QUEUE = _states("launched", "failed", "cancelled")
_LANDED = _states("done", "failed", "retrying", "ready")

LEGAL: Mapping[State, frozenset[State]] = {
    "waiting": _states("ready", "reused", "failed", "blocked", "cancelled"),
    "ready": _FROM_QUEUE,
    "retrying": _FROM_QUEUE,
    "lost": _FROM_QUEUE,
    "launched": _LANDED | _states("running", "storing", "cancelling", "lost"),
    "running": _LANDED | _states("storing", "cancelling", "lost"),
    "storing": _LANDED | _states("cancelling", "lost"),
    "cancelling": _LANDED | _states("cancelled"),
    "done": _NOWHERE,
    "reused": _NOWHERE,
    "failed": _NOWHERE,
    "blocked": _NOWHERE,
    "cancelled": _NOWHERE,
}
ENTRANCES: Mapping[State, frozenset[int]] = {
    to: frozenset(CODE[state] for state in STATES if to in LEGAL[state]) for to in STATES
}
"""For each state, the codes of those from which it may be entered: `LEGAL` turned round, for the inner loop."""

_OVERALL: tuple[State, ...] = (
    "running",
    "storing",
    "launched",
    "cancelling",
    "retrying",
    "lost",
    "ready",
    "waiting",
    "failed",
    "cancelled",
    "blocked",
    "done",
)


class IllegalMove(RuntimeError):
    """A bug in the scheduler: a move that the table does not have."""


def overall(counts: Sequence[int]) -> State:
    """A step's state from how many of its tasks are in each state, indexed by code.

    What is most alive says the state; when nothing is, the worst end does. A step of no tasks has nothing to do and is
    `reused`.
    """
    for state in _OVERALL:
        if counts[CODE[state]]:
            return state
    return "reused"
