"""A run as rows on a line of time: values, and what follows from them. Times are seconds from the start of the run."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt; `end` is None while it goes on."""

    start: float
    end: float | None
    state: str


@dataclass(frozen=True, slots=True)
class Row:
    """One step. `needs` is None where not known; `ready` is when its inputs were there; `expected` is (from, to) of
    what is still to come of it, where that can be said; `before` is (run, seconds)."""

    step: str
    state: str
    needs: tuple[str, ...] | None = None
    spans: tuple[Span, ...] = ()
    ready: float | None = None
    expected: tuple[float, float] | None = None
    saved: float | None = None
    before: tuple[int, float] | None = None
    share: float | None = None
    node: str = ""
    target: str = "local"
    error: str = ""
    items: Mapping[str, int] | None = None
    parallel: tuple[float, ...] = ()
    peak: int = 0

    @property
    def going(self) -> bool:
        return bool(self.spans) and self.spans[-1].end is None

    def worked(self, now: float) -> float:
        """Seconds that all its attempts took, up to now."""
        return sum((now if one.end is None else one.end) - one.start for one in self.spans)

    @property
    def waited(self) -> float:
        """Seconds from when its inputs were there until a worker took it."""
        return max(0.0, self.spans[0].start - self.ready) if self.spans and self.ready is not None else 0.0

    @property
    def waits(self) -> bool:
        """Its inputs are there, and no worker is."""
        return self.state == "waiting" and self.ready is not None

    def rest(self) -> float:
        return self.expected[1] - self.expected[0] if self.expected is not None else 0.0


@dataclass(frozen=True, slots=True)
class Chart:
    """`now` is how long the run has taken, `end` when it is expected to have ended; `critical` the longest chain."""

    number: int
    state: str
    going: bool
    now: float
    end: float
    rows: tuple[Row, ...]
    critical: tuple[str, ...]
    older: int | None = None
    newer: int | None = None

    @property
    def saved(self) -> float:
        return sum(one.saved or 0.0 for one in self.rows)

    @property
    def waited(self) -> float:
        waiting = (self.now - (one.ready or 0.0) for one in self.rows if one.waits)
        return sum(one.waited for one in self.rows) + sum(waiting)

    @property
    def critical_seconds(self) -> float:
        """What the longest chain takes, with what is still expected of it."""
        return sum(one.worked(self.now) + one.rest() for one in self.rows if one.step in self.critical)

    def longest(self) -> list[Row]:
        """The steps that ran, the longest first."""
        ran = [one for one in self.rows if one.spans]
        return sorted(ran, key=lambda one: -one.worked(self.now))
