"""One run, one step of it, its metric series, and the source of its steps."""

from typing import Any

from ..ids import Digest
from ..snapshots.objects import ObjectStore
from .desk import Desk, Document, Request

_MADE = """select o.step, o.seconds from step_run s join step_run o on o.step_run_id = s.reused_from
    where s.run = ? and s.item is null and s.state = 'reused'"""
_POINTS = """select m.name, m.idx, m.value from metric m join step_run s
    on m.step_run_id = coalesce(s.reused_from, s.step_run_id)
    where s.run = ? and s.step = ? and s.item is null order by m.name, m.idx"""


def run(desk: Desk, request: Request) -> Document:
    """{"number"} → the document `show`, with `started` and `ended` (µs) of the run and of each step, and what each
    re-used result once took (`saved`, seconds)."""
    number = int(request["number"])
    document = desk.catalog.show(number)
    with desk.reading() as found:
        when = found.rows(
            "select epoch_us(started_at) as started, epoch_us(ended_at) as ended, replay_of from run where number = ?",
            [number],
        )
        windows = found.rows(
            "select step, min(epoch_us(started_at)) as started, max(epoch_us(ended_at)) as ended,"
            " any_value(node) as node from step_run where run = ? and state <> 'reused' group by step",
            [number],
        )
        saved = {row["step"]: row["seconds"] for row in found.rows(_MADE, [number])}
    by_step = {row["step"]: row for row in windows}
    steps = [
        one
        | {
            "started": (by_step.get(one["name"]) or {}).get("started"),
            "ended": (by_step.get(one["name"]) or {}).get("ended"),
            "node": (by_step.get(one["name"]) or {}).get("node"),
            "saved": saved.get(one["name"]),
        }
        for one in document["steps"]
    ]
    return document | (when[0] if when else {}) | {"steps": steps}


def step(desk: Desk, request: Request) -> Document:
    """{"number", "step"} → the document of one step of a run."""
    return desk.catalog.show_step(int(request["number"]), str(request["step"]))


def series(desk: Desk, request: Request) -> Document:
    """{"number", "step", "points": at most so many a name} → {"series": {name: [[x, y], …]}} of the step as it was in
    that run, thinned to what a plot of that many columns can show: first, last, smallest and largest of each bin."""
    most = max(8, int(request.get("points", 400)))
    with desk.reading() as found:
        rows = found.rows(_POINTS, [int(request["number"]), str(request["step"])])
    gathered: dict[str, list[list[Any]]] = {}
    for row in rows:
        gathered.setdefault(row["name"], []).append([row["idx"], row["value"]])
    return {"series": {name: thinned(points, most) for name, points in gathered.items()}}


def thinned(points: list[list[Any]], most: int) -> list[list[Any]]:  # Any: index and value
    """At most about `most` of `points`, with every bin's extremes kept: a spike of one point stays visible."""
    if len(points) <= most:
        return points
    bins = max(1, most // 4)
    kept: list[list[Any]] = []
    for one in range(bins):
        part = points[one * len(points) // bins : (one + 1) * len(points) // bins]
        told = [point for point in part if point[1] is not None] or part
        chosen = {0, len(part) - 1, part.index(min(told, key=_height)), part.index(max(told, key=_height))}
        kept += [part[at] for at in sorted(chosen)]
    return kept


def _height(point: list[Any]) -> float:
    return float(point[1]) if point[1] is not None else 0.0


def source(desk: Desk, request: Request) -> Document:
    """{"number", "path"} → {"text"}: a source file as it was in that run; `text` is null if it was not there."""
    files: dict[str, str] = desk.catalog.show(int(request["number"]))["snapshot"]["code"]
    content = files.get(str(request["path"]))
    if content is None:
        return {"text": None}
    return {"text": ObjectStore(desk.store).read(Digest(content), "src").decode("utf-8", "replace")}
