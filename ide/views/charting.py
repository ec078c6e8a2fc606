"""From what was recorded of a run, and what is known of one that goes on, to the rows of its chart; nothing is drawn
here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .chain import in_order, longest_chain
from .live import Live, StepNow
from .timeline import Chart, Row, Span

Document = Mapping[str, Any]  # Any: JSON of `timeline`
_TO_COME = ("waiting", "ready", "launched", "running")
"""What a run says of steps of which nothing was recorded yet."""
_LITTLE = 0.02
"""Of so small a share nothing can be said of the rest."""


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
    for name in in_order({one.step: one.needs or () for one in rows}):
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
