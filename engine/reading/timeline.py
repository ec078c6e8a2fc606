"""When each step of a run ran, what it waited for, and what it took before: what a chart of the run is made of."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..snapshots.queries import Reader
from ..snapshots.upkeep import Upkeep
from .desk import Desk, Document, Request
from .logs import run_asked

BINS = 120
"""Columns of a fan-out's course: a chart has not many more."""
_RUN = """select state, epoch_us(started_at) as started, epoch_us(ended_at) as ended, params,
    (select max(number) from run where number < r.number and not hidden) as older,
    (select min(number) from run where number > r.number and not hidden) as newer from run r where number = ?"""
_STEPS = """select s.step, s.step_run_id, s.state, s.attempt, epoch_us(s.started_at) as started,
    epoch_us(s.ended_at) as ended, s.seconds, s.node, s.target, s.error->>'title' as error, o.seconds as saved
    from step_run s left join step_run o on o.step_run_id = s.reused_from
    where s.run = ? and s.item is null order by s.seq"""
_ITEMS = """select step, state, epoch_us(started_at) as started, epoch_us(ended_at) as ended from step_run
    where run = ? and item is not null
    qualify row_number() over (partition by step, item order by attempt desc) = 1 order by started"""
_BEFORE = """select step, arg_max(seconds, run) as seconds, max(run) as run from step_run
    where run < ? and item is null and state = 'done' and seconds is not null group by step"""
_INPUTS = """select s.step, i.name, i.content_hash from step_run s join input i using (run_id, step_run_id)
    where s.run = ? and s.item is null"""
_OUTPUTS = """select s.step, o.name, o.content_hash from step_run s join output o using (run_id, step_run_id)
    where s.run = ? and s.item is null"""
_DECIDED = ("done", "reused", "failed")
"""States of steps whose inputs were recorded; of others it is not known what they need."""


def timeline(desk: Desk, request: Request) -> Document:
    """{"number" (null: the run that goes on, or the newest)} →

    {"number", "state", "going", "started", "ended", "now" (µs), "older", "newer": numbers of runs or null, "steps":
    [{"step", "state", "needs": names or null where not known, "spans": [[start, end or null, state]] an attempt each,
    "seconds", "saved": seconds that its re-used result once took, "before": [run, seconds] or null, "node", "error",
    "items": {state: count} or null, "parallel": items at work in each of `BINS` equal parts of its time, "peak"}]}.
    `number` is null where nothing was run yet.
    """
    number = run_asked(desk, request)
    if number is None:
        return {"number": None, "steps": []}
    with Upkeep(desk.store / "journal.sqlite") as journal:
        going = number in {one for _, one in (*journal.going_on(), *journal.going_elsewhere())}
    with desk.reading() as found:
        rows = found.rows(_RUN, [number])
        if not rows:
            desk.catalog.show(number)  # says why
        run = rows[0]
        steps = _steps(found, number, list(json.loads(run["params"] or "{}")))
    return {
        "number": number,
        "state": run["state"] if going or run["state"] != "running" else "interrupted",
        "going": going,
        "started": run["started"],
        "ended": run["ended"],
        "now": time.time_ns() // 1000,
        "older": run["older"],
        "newer": run["newer"],
        "steps": steps,
    }


def neighbours(desk: Desk, request: Request) -> Document:
    """{"number"} → {"older", "newer"}: the numbers of the runs beside it, null where there is none. Raises UsageError
    for a run that is not there."""
    number = desk.catalog.number(str(request["number"]))
    with desk.reading() as found:
        rows = found.rows(_RUN, [number])
    return {name: rows[0][name] if rows else None for name in ("older", "newer")}


def _steps(found: Reader, number: int, order: Sequence[str]) -> list[Document]:
    needs = needs_of(found.rows(_INPUTS, [number]), found.rows(_OUTPUTS, [number]))
    before = {row["step"]: [row["run"], row["seconds"]] for row in found.rows(_BEFORE, [number])}
    attempts = _by_step(found.rows(_STEPS, [number]))
    items = _by_step(found.rows(_ITEMS, [number]))
    place = {step: index for index, step in enumerate(order)}
    names = sorted({**attempts, **items}, key=lambda step: place.get(step, len(place)))
    return [_step(one, attempts.get(one, []), items.get(one, []), needs.get(one), before.get(one)) for one in names]


def _step(
    name: str,
    attempts: Sequence[Mapping[str, Any]],
    items: Sequence[Mapping[str, Any]],
    needs: list[str] | None,
    before: list[Any] | None,
) -> Document:
    last: Mapping[str, Any] = attempts[-1] if attempts else {"state": "running"}
    state: str = last["state"]
    counts: dict[str, int] = {}
    for one in items:
        counts[one["state"]] = counts.get(one["state"], 0) + 1
    worked = [(one["started"], one["ended"]) for one in items if one["started"] is not None and one["ended"]]
    if state == "reused" or not (attempts or worked):
        spans: list[list[Any]] = []
    elif items:
        begun = min((start for start, _ in worked), default=last.get("started"))
        spans = [] if begun is None else [[begun, last.get("ended"), state]]
    else:
        spans = [[one["started"], one["ended"], one["state"]] for one in attempts if one["started"] is not None]
    return {
        "step": name,
        "state": state,
        "needs": (needs or []) if state in _DECIDED else needs,
        "spans": spans,
        "seconds": last.get("seconds"),
        "saved": _saved(last, before) if state == "reused" else None,
        "before": before,
        "node": last.get("node") or "",
        "target": last.get("target") or "",
        "error": last.get("error") or "",
        "items": counts or None,
        "parallel": parallel(worked, BINS),
        "peak": peak(worked),
    }


def _saved(last: Mapping[str, Any], before: list[Any] | None) -> float | None:
    """What the result once took; a fan-out's is taken over item by item, hence what all of them took before."""
    if last["saved"] is not None:
        return float(last["saved"])
    return float(before[1]) if before else None


def needs_of(inputs: Iterable[Mapping[str, Any]], outputs: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Which steps each step took something from, by what was recorded: an argument has the name of what it takes, save
    those of `Each`, which are known by their content."""
    by_name = {one["name"]: one["step"] for one in outputs}
    by_content = {one["content_hash"]: one["step"] for one in outputs}
    found: dict[str, dict[str, None]] = {}
    for one in inputs:
        owner = by_name.get(one["name"]) or by_content.get(one["content_hash"])
        if owner is not None and owner != one["step"]:
            found.setdefault(one["step"], {})[owner] = None
    return {step: list(owners) for step, owners in found.items()}


def parallel(worked: Sequence[tuple[int, int]], bins: int) -> list[float]:
    """How many items were at work, on average, in each of `bins` equal parts of the time from the first start to the
    last end."""
    if not worked:
        return []
    begin, end = min(start for start, _ in worked), max(end for _, end in worked)
    width = max(1.0, (end - begin) / bins)
    filled = [0.0] * bins
    for start, stop in ((one - begin, other - begin) for one, other in worked):  # a float holds no µs since 1970
        for at in range(int(start / width), min(bins - 1, int(stop / width)) + 1):
            left = at * width
            filled[at] += max(0.0, min(stop, left + width) - max(start, left))
    return [round(one / width, 2) for one in filled]


def peak(worked: Sequence[tuple[int, int]]) -> int:
    """The most items that were at work at one moment."""
    now = most = 0
    for _, change in sorted([(start, 1) for start, _ in worked] + [(end, -1) for _, end in worked]):
        now += change
        most = max(most, now)
    return most


def _by_step(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["step"], []).append(row)
    return found
