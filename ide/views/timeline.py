"""A run as rows on a line of time: what was recorded, and of a run that goes on what is still to be expected.

Times are seconds from the start of the run. Nothing is drawn here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .live import Live, StepNow

Document = Mapping[str, Any]  # Any: JSON of `timeline`
_TO_COME = ("waiting", "ready", "launched", "running")
"""What a run says of steps of which nothing was recorded yet."""
_LITTLE = 0.02
"""Of so small a share nothing can be said of the rest."""


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
        return sum(one.waited for one in self.rows)

    @property
    def critical_seconds(self) -> float:
        """What the longest chain takes, with what is still expected of it."""
        return sum(one.worked(self.now) + one.rest() for one in self.rows if one.step in self.critical)

    def longest(self) -> list[Row]:
        """The steps that ran, the longest first."""
        ran = [one for one in self.rows if one.spans]
        return sorted(ran, key=lambda one: -one.worked(self.now))


def chart_of(document: Document, live: Live, clock: float) -> Chart:
    """`document` as `timeline` answered, with what is known `live` where it is that run; `clock` is seconds since
    1970."""
    started = document["started"] / 1e6
    going = bool(document["going"])
    stop = document["ended"] / 1e6 if document["ended"] is not None else clock
    rows = [_recorded(one, started, stop - started, going=going) for one in document["steps"]]
    now = max([stop - started, *(span.end or span.start for one in rows for span in one.spans)], default=0.0)
    mine = going and live.run in (None, document["number"])
    steps: Mapping[str, StepNow] = live.steps if mine else {}
    known = {one.step for one in rows}
    rows = [_with_live(one, steps.get(one.step)) for one in rows]
    rows += [
        Row(one.name, "waiting", one.needs)
        for name, one in steps.items()
        if name not in known and one.doing in _TO_COME
    ]
    rows = _expected(_ready(rows), steps, now)
    took = {one.step: one.worked(now) + one.rest() for one in rows}
    needs = {one.step: one.needs or () for one in rows}
    return Chart(
        document["number"],
        document["state"],
        going,
        now,
        max([now, *(one.expected[1] for one in rows if one.expected is not None)]),
        tuple(rows),
        tuple(one for one in longest_chain(needs, took) if took[one] > 0),
        document["older"],
        document["newer"],
    )


def longest_chain(needs: Mapping[str, Sequence[str]], took: Mapping[str, float]) -> tuple[str, ...]:
    """The chain of steps, each needing the one before, whose times have the largest sum; of equals the first.

    The critical path of the graph: no worker more would have made the run shorter than this.
    """
    best: dict[str, tuple[float, str | None]] = {}
    for name in _in_order(needs):
        before = [(best[need][0], need) for need in needs[name] if need in best]
        longest, through = max(before, key=lambda one: one[0], default=(0.0, None))
        best[name] = (longest + took.get(name, 0.0), through)
    if not best:
        return ()
    at: str | None = max(best, key=lambda name: best[name][0])
    chain: list[str] = []
    while at is not None:
        chain.append(at)
        at = best[at][1]
    return tuple(reversed(chain))


def _in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Every step after those that it needs. What was recorded has no cycles; were there one, it is left out."""
    waiting = {name: {one for one in found if one in needs} for name, found in needs.items()}
    order: list[str] = []
    while ready := [name for name, left in waiting.items() if not left]:
        order += ready
        for name in ready:
            del waiting[name]
        for left in waiting.values():
            left.difference_update(ready)
    return order


def _recorded(one: Document, started: float, stop: float, *, going: bool) -> Row:
    spans = [
        Span(
            start / 1e6 - started,
            end / 1e6 - started if end is not None else None if going and state == "running" else stop,
            state if going or state != "running" else "interrupted",
        )
        for start, end, state in one["spans"]
    ]
    return Row(
        step=one["step"],
        state=one["state"] if going or one["state"] != "running" else "interrupted",
        needs=None if one["needs"] is None else tuple(one["needs"]),
        spans=tuple(spans),
        saved=one["saved"],
        before=(one["before"][0], one["before"][1]) if one["before"] else None,
        node=one["node"],
        target=one["target"] or "local",
        error=one["error"],
        items=one["items"],
        parallel=tuple(one["parallel"]),
        peak=one["peak"],
    )


def _with_live(row: Row, now: StepNow | None) -> Row:
    if now is None:
        return row
    needs = now.needs if row.needs is None else row.needs
    return replace(row, needs=needs, share=now.share if row.going else None)


def _ready(rows: Sequence[Row]) -> list[Row]:
    """With when the inputs of each were there: when the last of what it needs had ended, at the latest."""
    ended = {one.step: one.spans[-1].end if one.spans else 0.0 if one.state == "reused" else None for one in rows}
    found: list[Row] = []
    for one in rows:
        ends = [ended.get(need, 0.0) for need in one.needs or ()]
        known = [end for end in ends if end is not None]
        ready = max(known, default=0.0) if one.needs is not None and len(known) == len(ends) else None
        found.append(replace(one, ready=ready))
    return found


def _expected(rows: Sequence[Row], steps: Mapping[str, StepNow], now: float) -> list[Row]:
    """With what is still to come: of those that run by how much is done, else by what they took when they last ran;
    the others after what they need, as if there were workers enough."""
    found = {one.step: one for one in rows}
    for name in _in_order({one.step: one.needs or () for one in rows}):
        row, step = found[name], steps.get(name)
        if row.going:
            rest = _rest(row, step, now)
            found[name] = replace(row, expected=(now, now + rest)) if rest is not None else row
        elif row.state == "waiting" and step is not None:
            start = max([now, *(_end(found[need]) for need in row.needs or () if need in found)])
            length = 0.0 if step.plan == "fresh" else step.seconds
            found[name] = replace(row, expected=(start, start + length)) if length is not None else row
    return list(found.values())


def _end(row: Row) -> float:
    return row.expected[1] if row.expected is not None else row.spans[-1].end or 0.0 if row.spans else 0.0


def _rest(row: Row, step: StepNow | None, now: float) -> float | None:
    took = now - row.spans[-1].start
    if row.share is not None and row.share > _LITTLE:
        return took * (1 - row.share) / row.share
    last = step.seconds if step is not None and step.seconds is not None else row.before[1] if row.before else None
    return max(0.0, last - took) if last is not None else None
