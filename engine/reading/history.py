"""The history of a project, as a table that a screen sorts and filters, and what a person says of a run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..errors import UsageError
from ..ids import Json
from ..metric_names import says_how_far
from ..snapshots.journal import Journal
from ..snapshots.queries import Reader
from ..snapshots.records import RunNoted
from .desk import Desk, Document, Request

_RUNS = """select r.number, r.state, epoch_us(r.started_at) as started, r.seconds, r.target, r.params, r.note,
    r.baseline, r.replay_of, s.failed, s.ran, s.steps from run r left join (select run, count(*) as steps,
    count(*) filter (state in ('done', 'failed')) as ran, first(step order by seq) filter (state = 'failed') as failed
    from step_run where item is null and run >= ?1 group by run) s on s.run = r.number
    where not r.hidden and r.number >= ?1 order by r.number desc"""
_SINCE = "select min(number) as number from (select number from run where not hidden order by number desc limit ?)"
_MEASURED = """select run, name, value from run_metric where run >= ?1
    and (?2::varchar[] is null or list_contains(?2, name)) order by name"""
_CODE = """select s.run, s.step, s.fingerprint from step_run s where s.item is null and list_contains(?, s.run)"""
_DEFINITIONS = "select fingerprint, qualname, kind, digest from definition where list_contains(?, fingerprint)"
_POINTS = """with point as (select s.run, m.value, row_number() over each - 1 as place,
    count(*) over (partition by s.run) as n
    from (select run, coalesce(reused_from, step_run_id) as made_by from step_run
    where item is null and list_contains(?1, run) and step = ?2) s
    join metric m on m.step_run_id = made_by and m.name = ?4
    window each as (partition by s.run order by m.idx)),
    binned as (select *, case when n <= ?3 then place else ((place + 1) * (?3 // 4) + n - 1) // n - 1 end as bin
    from point)
    select run, value from binned window part as (partition by run, bin)
    qualify place in (min(place) over part, max(place) over part, arg_min(place, value) over part,
    arg_max(place, value) over part) order by run, place"""
"""The courses of runs as `thinned` thins them: of thousands of points a run those that a sparkline shows."""
_COURSES = """select distinct s.step || '.' || m.name as name from metric_last m join step_run s
    using (run_id, step_run_id) where s.item is null and m.points > 1 and s.run >= ?"""
_NAMES = "select distinct name from run_metric where run >= ?"
_SEEN = """select coalesce(max(number), 0) as newest,
    coalesce(min(number) filter (state = 'running'), max(number) + 1, 0) as ended from run"""
_HEAD = ("number", "state", "started", "seconds", "target", "note", "baseline", "replay_of", "failed", "ran", "steps")
SPARK = 32
"""Points of a run's trend: a sparkline has a few columns."""


def runs(desk: Desk, request: Request) -> Document:
    """{"where": SQL condition or "", "limit": how many of the newest (0: all), "metrics": names of those whose values
    are told (left out: all)} → the runs, newest first:

    {"metrics": names, "series": names with a course, "params": names, "runs": [[number, state, started µs, seconds,
    target, note, baseline, replay of, failed step, steps run, steps, {metric: value}, {param: value}], …],
    "more": whether there are older ones}.
    Raises UsageError for a bad condition.
    """
    if desk.empty:
        return {"metrics": [], "series": [], "params": [], "runs": [], "more": False}
    where, limit = str(request.get("where", "")), int(request.get("limit", 0))
    wanted = set(desk.catalog.numbers_where(where)) if where else None
    with desk.reading() as found:
        since = (found.rows(_SINCE, [limit])[0]["number"] if limit else None) or 0
        rows = found.rows(_RUNS, [since])
        measured = found.rows(_MEASURED, [since, request.get("metrics")])
        courses = _names_of(desk, found, _COURSES)
        names = _names_of(desk, found, _NAMES) if "metrics" in request else sorted({row["name"] for row in measured})
    metrics: dict[int, dict[str, float]] = {}
    for row in measured:
        metrics.setdefault(row["run"], {})[row["name"]] = row["value"]
    told: list[list[Any]] = []  # Any: a row of JSON
    params: dict[str, None] = {}
    for row in rows:
        if wanted is not None and row["number"] not in wanted:
            continue
        given = _flat(row["params"])
        params |= dict.fromkeys(given)
        told.append([*(row[name] for name in _HEAD), metrics.get(row["number"], {}), given])
    series = sorted(courses, key=says_how_far)  # a count of epochs is the last that is wanted
    more = len(rows) == limit > 0
    return {"metrics": names, "series": series, "params": list(params), "runs": told, "more": more}


def _names_of(desk: Desk, found: Reader, query: str) -> list[str]:
    """The names that `query` finds in all runs. Runs that have ended get no other ones, so each is asked once."""
    since, known = desk.kept.get(query, (0, frozenset[str]()))
    (row,) = found.rows(_SEEN)
    if row["newest"] >= since:
        fresh = found.rows(query, [since])
        known = frozenset((*known, *(one["name"] for one in fresh)))
        desk.kept[query] = row["ended"], known
    return sorted(known)


def about(desk: Desk, request: Request) -> Document:
    """{"numbers", "baseline": number or null, "metric": name or ""} → {"about": {number: {"params": names or null,
    "code": names, "trend": [value]}}}: what is different from the baseline (without one: from the run before), and the
    metric's course."""
    numbers = [int(one) for one in request["numbers"]]
    baseline = request.get("baseline")
    with desk.reading() as found:
        compared = sorted({*numbers, *([int(baseline)] if baseline else [one - 1 for one in numbers])})
        params = {
            row["number"]: _flat(row["params"])
            for row in found.rows("select number, params from run where list_contains(?, number)", [compared])
        }
        prints: dict[int, dict[str, str]] = {}
        for row in found.rows(_CODE, [compared]):
            prints.setdefault(row["run"], {})[row["step"]] = row["fingerprint"]
        every = sorted({one for steps in prints.values() for one in steps.values() if one})
        units: dict[str, dict[str, str]] = {}
        for row in found.rows(_DEFINITIONS, [every]):
            units.setdefault(row["fingerprint"], {})[_called(row["qualname"], row["kind"])] = row["digest"]
        points: dict[int, list[float]] = {}
        step, _, name = str(request.get("metric") or "").partition(".")
        for row in found.rows(_POINTS, [numbers, step, SPARK, name]):
            points.setdefault(row["run"], []).append(row["value"])
    told: dict[str, Document] = {}
    for one in numbers:
        other = int(baseline) if baseline else one - 1
        told[str(one)] = {
            "params": params_changed(params[other], params[one]) if {other, one} <= params.keys() else None,
            "code": code_changed(prints.get(other, {}), prints.get(one, {}), units),
            "trend": points.get(one, []),
        }
    return {"about": told}


def params_changed(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[str]:
    """The names of the params that differ."""
    return [
        name
        for name in dict.fromkeys([*before, *after])
        if name not in before or name not in after or json.dumps(before[name]) != json.dumps(after[name])
    ]


def code_changed(
    before: Mapping[str, str], after: Mapping[str, str], units: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """The definitions that differ between two runs, by the fingerprints of their steps; each once."""
    found: dict[str, None] = {}
    for step in after:
        one, other = before.get(step), after[step]
        if one and other and one != other:
            found |= dict.fromkeys(_differing(units.get(one, {}), units.get(other, {})))
    return list(found)


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield name


def _called(qualname: str, kind: str) -> str:
    """A definition as people call it: `fit()`, `LIMIT`."""
    name = qualname.rpartition(":")[2].rpartition(".")[2]
    return f"{name}()" if kind == "function" else name


def mark(desk: Desk, request: Request) -> Document:
    """{"numbers", "note" | "baseline" | "hidden": new value} → {"before": [[number, old value], …]}: what undoes it."""
    field = next((one for one in ("note", "baseline", "hidden") if one in request), None)
    numbers: Sequence[int] = request["numbers"]
    if field is None:
        raise UsageError("nothing to mark")
    with desk.reading() as found:
        rows = found.rows(
            f"select number, run_id, {field} as before from run where list_contains(?, number)", [list(numbers)]
        )
    with Journal(desk.store / "journal.sqlite") as journal:
        journal.append(*(RunNoted(row["run_id"], **{field: request[field]}) for row in rows))
    return {"before": [[row["number"], row["before"]] for row in rows]}


def _flat(text: Any) -> dict[str, Any]:  # Any: JSON
    params: dict[str, dict[str, Any]] = json.loads(text) if isinstance(text, str) else text or {}
    return {f"{step}.{name}": value for step, found in params.items() for name, value in found.items()}


def brief(desk: Desk, request: Request) -> Document:
    """{"number", "baseline"} → what differs from the baseline (without one: from the run before), and how it went:

    {"against", "params": [[name, before, after]], "code": names, "files": paths, "metrics": [[name, value, before]],
    "steps": {state: count}, "reasons", "error", "note"}.
    """
    number = int(request["number"])
    against = int(request["baseline"]) if request.get("baseline") and request["baseline"] != number else None
    one = desk.catalog.show(number)
    before: Document | None = None
    with suppress(UsageError):
        against = against or run_before(desk, number)
        before = desk.catalog.show(against) if against else None
    told: Document = about(desk, {"numbers": [number], "baseline": against})["about"][str(number)] if against else {}
    now, then = _flat(one["snapshot"]["params"]), _flat(before["snapshot"]["params"]) if before else {}
    files: dict[str, str] = one["snapshot"]["files"]
    old: dict[str, str] = before["snapshot"]["files"] if before else {}
    measured: dict[str, float] = before["metrics"] if before else {}
    states = [step["state"] for step in one["steps"]]
    failed = next((step["error"] for step in one["steps"] if step["error"]), None)
    return {
        "against": against if before else None,
        "params": [[name, then.get(name), now.get(name)] for name in params_changed(then, now)] if before else [],
        "code": told.get("code", []),
        "files": [path for path in dict.fromkeys([*old, *files]) if old.get(path) != files.get(path)] if before else [],
        "metrics": [[name, value, measured.get(name)] for name, value in one["metrics"].items()],
        "steps": {state: states.count(state) for state in dict.fromkeys(states)},
        "reasons": list(
            dict.fromkeys(
                str(reason["text"])
                for step in one["steps"]
                if step["state"] in ("done", "failed")
                for reason in step["reasons"]
                if reason["kind"] != "input"
            )
        ),
        "error": failed["title"] if failed else None,
        "note": one["note"],
    }


def run_before(desk: Desk, number: int) -> int | None:
    """The run before a run, of those that are not hidden."""
    with desk.reading() as found:
        rows = found.rows("select max(number) as before from run where number < ? and not hidden", [number])
    return rows[0]["before"] if rows else None
