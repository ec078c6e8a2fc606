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
Flying = Literal["launched", "running", "storing", "cancelling"]

STATES: tuple[State, ...] = get_args(State)
CODE: Mapping[State, int] = {state: code for code, state in enumerate(STATES)}

FLYING: frozenset[State] = frozenset(get_args(Flying))
QUEUED: frozenset[State] = frozenset({"ready", "retrying", "lost"})
SUCCEEDED: frozenset[State] = frozenset({"done", "reused"})
TERMINAL: frozenset[State] = frozenset({"done", "reused", "failed", "blocked", "cancelled"})

_NOWHERE: frozenset[State] = frozenset()
_ENDS_OF_A_FLIGHT: frozenset[State] = frozenset({"done", "failed", "retrying", "lost", "ready"})
_LEAVES_THE_QUEUE: frozenset[State] = frozenset({"launched", "failed", "cancelled"})

LEGAL: Mapping[State, frozenset[State]] = {
    "waiting": frozenset({"ready", "reused", "failed", "blocked", "cancelled"}),
    "ready": _LEAVES_THE_QUEUE,
    "retrying": _LEAVES_THE_QUEUE,
    "lost": _LEAVES_THE_QUEUE,
    "launched": _ENDS_OF_A_FLIGHT | {"running", "storing", "cancelling"},
    "running": _ENDS_OF_A_FLIGHT | {"storing", "cancelling"},
    "storing": _ENDS_OF_A_FLIGHT | {"cancelling"},
    "cancelling": (_ENDS_OF_A_FLIGHT - {"lost"}) | {"cancelled"},
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
