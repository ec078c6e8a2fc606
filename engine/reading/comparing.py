"""Two runs (or several) beside each other, asked for piece by piece: what differs first, then what is looked at.

What runs recorded is read once for each pair and kept; a run that goes on is read again each time. The rows of a table
are read only where somebody asks for that table.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What is kept on the desk is of any type, and so are the rows of the catalog.

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from ..compare.axes import COUNT, SECONDS
from ..compare.code import CodeChange, code_changes
from ..compare.deep import deepen
from ..compare.differences import Comparison, label_json
from ..compare.facts import NOW, RunFacts
from ..compare.lines import Line, Row, hunks, side_by_side
from ..compare.logs import Printed, aligned_logs, read_logs
from ..compare.look import compare_facts, distinct_facts
from ..compare.matrix import export, matrix_of
from ..compare.runs import equal_things
from ..compare.timeline import Point, series, series_names
from ..errors import UsageError
from ..metric_names import says_how_far
from ..snapshots.upkeep import Upkeep
from .desk import Desk, Document, Request
from .live_metrics import live_metrics
from .runs import thinned
from .timeline import timeline

_PAIRS: Final = 8
"""Pairs of ended runs whose comparison is kept."""
_NEWEST = "select number, baseline from run where not hidden order by number desc"


def compare(desk: Desk, request: Request) -> Document:
    """{"runs": [A, B], each a number, `latest` or `now`; none: the newest against the baseline, or the run before} →
    the document of the comparison, and

    "same": [[kind, subject, value]] of what is equal, "courses": the metrics that have more than one value, "going":
    whether one of them goes on, "chosen": whether A and B were given. {"a": null, "there": runs} where
    there are no two.
    """
    labels = [str(one) for one in request.get("runs") or ()]
    if not labels:
        there = _newest(desk)
        if len(there) < 2:
            return {"a": None, "there": len(there)}
        labels = there
    found, a, b = _compared(desk, labels)
    document = found.to_json()
    for one in document["differences"]:
        one["detail"] = {name: value for name, value in one["detail"].items() if name != "diff"}
    return document | {
        "same": [[one.kind, one.subject, one.value] for one in equal_things(a, b, found)],
        "courses": sorted({*series_names(desk.store, _numbers(a, b)), *_live_courses(desk, a, b)}),
        "going": _going(desk, a, b),
        "chosen": bool(request.get("runs")),
    }


def compare_code(desk: Desk, request: Request) -> Document:
    """{"runs", "kind": code or log, "subject"} → the lines of both sides, aligned:

    {"rows": [[left, right], …], each null or [number, text, mark, [[start, end], …]]; "hunks": the row that each
    begins at; "paths": of A and B, null where it is not}. Raises UsageError where nothing of that name differs.
    """
    _, a, b = _compared(desk, [str(one) for one in request["runs"]])
    subject = str(request["subject"])
    if request.get("kind") == "log":
        old, new = read_logs(desk.store, a, b)
        rows, paths = aligned_logs(old.get(subject, Printed()).lines, new.get(subject, Printed()).lines), [None, None]
    else:
        change = _change(subject, a, b)
        sides = change.before, change.after
        starts = [one.line if one else 1 for one in sides]
        rows, paths = side_by_side(*change.sources, *starts), [one.path if one else None for one in sides]
    return {"rows": [_row(one) for one in rows], "hunks": _begins(rows), "paths": paths}


def compare_series(desk: Desk, request: Request) -> Document:
    """{"runs", "name": `step.metric`, "points": at most so many a side, "axis": `count` (the default), `seconds`, or a
    metric that the step logged along (`epoch`)} → {"a": [[x, y], …], "b": …, "axis", "axes": what there is}.

    Seconds are those since the first value.
    """
    name, most = str(request["name"]), max(8, int(request.get("points", 400)))
    labels = [str(one) for one in request["runs"]]
    sides = [_course(desk, one, name) for one in labels]
    along = _logged_along(desk, labels, name)
    axis = str(request.get("axis") or COUNT)
    axis = axis if axis in (COUNT, SECONDS, *along) else COUNT
    if axis not in (COUNT, SECONDS):
        others = [_course(desk, one, f"{name.partition('.')[0]}.{axis}") for one in labels]
        drawn = [over(side, other) for side, other in zip(sides, others, strict=True)]
    else:
        drawn = [[[one.at if axis == SECONDS else one.x, one.value] for one in side] for side in sides]
    a, b = (thinned(one, most) for one in drawn)
    return {"a": a, "b": b, "axis": axis, "axes": [COUNT, SECONDS, *along]}


def over(points: Sequence[Point], axis: Sequence[Point]) -> list[list[Any]]:  # Any: x and y
    """The values of one metric over those of another that was logged along with it."""
    places = {one.x: one.value for one in axis}
    return [[places[one.x], one.value] for one in points if one.x in places]


def _course(desk: Desk, label: str, name: str) -> list[Point]:
    """The values of a metric in a run, up to now where it goes on; `at` is seconds from the first of them."""
    if not label.isdigit():
        return []
    points = list(series(desk.store, [int(label)], name)[int(label)])
    if not points and label in _going_on(desk):
        points = [Point(x, value, at / 1e6) for x, value, at in live_metrics(desk, label).get(name, ())]
    return [replace(one, at=one.at - points[0].at) for one in points]


def _logged_along(desk: Desk, labels: Sequence[str], name: str) -> list[str]:
    """The metrics of the same step that say how far it was, in each of the runs that has this one."""
    step, _, own = name.partition(".")
    numbers = [int(one) for one in labels if one.isdigit()]
    going = [one for one in labels if one in _going_on(desk)]
    names = {*series_names(desk.store, numbers), *(key for one in going for key in live_metrics(desk, one))}
    found = [one.partition(".")[2] for one in sorted(names) if one.partition(".")[0] == step]
    return [one for one in found if one != own and says_how_far(one)]


def compare_table(desk: Desk, request: Request) -> Document:
    """{"runs", "subject": an output} → {"data": what differs inside of it, with the drift of a table's columns}."""
    found, a, b = _compared(desk, [str(one) for one in request["runs"]])
    subject = str(request["subject"])
    mine = tuple(one for one in found.differences if one.subject == subject and one.kind in ("table", "array", "value"))
    if not mine:
        raise UsageError(f"no output `{subject}` differs", mend="Look at the comparison again.")
    deep = deepen(desk.store, replace(found, differences=mine), a, b, every=True)
    return {"data": deep.differences[0].detail.get("data", {})}


def compare_time(desk: Desk, request: Request) -> Document:
    """{"runs"} → {"charts": what `timeline` answers of each, null for what is no run}."""
    labels = [str(one) for one in request["runs"]]
    return {"charts": [timeline(desk, {"number": int(one)}) if one.isdigit() else None for one in labels]}


def export_many(desk: Desk, request: Request) -> Document:
    """{"runs", "path": absolute or below the project; .csv, .parquet or .md by its ending} → {"path", "rows"}: writes
    what differs, a column a run. Raises UsageError for another ending, and where it cannot be written."""
    path = desk.root / str(request["path"])
    kind = {".csv": "csv", ".parquet": "parquet", ".md": "markdown"}.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"`{path.name}` has no known ending", mend="Give .csv, .parquet or .md.")
    matrix = matrix_of(distinct_facts(desk.root, [str(one) for one in request["runs"]]))
    export(matrix, path, kind)
    return {"path": str(path), "rows": len(matrix.rows)}


def compare_many(desk: Desk, request: Request) -> Document:
    """{"runs": two labels or more} → the table of what differs among them (`Matrix`), and "going"."""
    facts = distinct_facts(desk.root, [str(one) for one in request["runs"]])
    return matrix_of(facts).to_json() | {"going": _going(desk, *facts), "states": [one.state for one in facts]}


def _compared(desk: Desk, labels: Sequence[str]) -> tuple[Comparison, RunFacts, RunFacts]:
    """The comparison of two labels. Reading the lines of logs waits until both have ended."""
    if len(labels) != 2:
        raise UsageError("a comparison has two sides", mend="Give two runs.")
    kept: dict[tuple[str, str], Any] = desk.kept.setdefault("comparing", {})
    key = (labels[0], labels[1])
    if key in kept:
        return kept[key]
    a, b = (_with_live(desk, one) for one in distinct_facts(desk.root, labels))
    going = _going(desk, a, b)
    found = compare_facts(desk.root, a, b, logs=not going), a, b
    if all(one.isdigit() for one in labels) and not going and not _behind(a, b):
        if len(kept) >= _PAIRS:
            del kept[next(iter(kept))]
        kept[key] = found
    return found


def _newest(desk: Desk) -> list[str]:
    """The run that the newest one is told against, and the newest; fewer where there are not two."""
    if desk.empty:
        return []
    with desk.reading() as found:
        rows = found.rows(_NEWEST)
    numbers = [str(row["number"]) for row in rows]
    base = [str(row["number"]) for row in rows[1:] if row["baseline"]]
    return [base[0] if base else numbers[1], numbers[0]] if len(numbers) > 1 else numbers


def _change(subject: str, a: RunFacts, b: RunFacts) -> CodeChange:
    changes, _ = code_changes(a.definitions, b.definitions)
    for one in changes:
        if one.id == subject:
            return one
    raise UsageError(f"`{subject}` does not differ", mend="Look at the comparison again.")


def _begins(rows: Sequence[Row]) -> list[int]:
    """The first changed row of each hunk."""
    place = {id(row): at for at, row in enumerate(rows)}
    return [next(place[id(row)] for row in hunk.rows if not row.equal) for hunk in hunks(rows)]


def _row(row: Row) -> list[Any]:  # Any: JSON
    return [_line(row.left), _line(row.right)]


def _line(line: Line | None) -> list[Any] | None:  # Any: JSON
    return None if line is None else [line.number, line.text, line.mark, [list(span) for span in line.changed]]


def _numbers(*runs: RunFacts) -> list[int]:
    return [int(one.label) for one in runs if isinstance(label_json(one.label), int)]


def _going(desk: Desk, *runs: RunFacts) -> bool:
    """Whether one of them goes on; a run that was cut off is called running too, until somebody has looked."""
    running = {one.label for one in runs if one.label != NOW and one.state == "running"}
    return bool(running) and bool(running & _going_on(desk))


def _going_on(desk: Desk) -> set[str]:
    with Upkeep(desk.store / "journal.sqlite") as journal:
        return {str(number) for _, number in (*journal.going_on(), *journal.going_elsewhere())}


def _with_live(desk: Desk, run: RunFacts) -> RunFacts:
    """The same with what its steps have measured so far, if it goes on."""
    if not _going(desk, run):
        return run
    live = {name: points[-1][1] for name, points in live_metrics(desk, run.label).items()}
    return replace(run, metrics={**live, **run.metrics})


def _live_courses(desk: Desk, *runs: RunFacts) -> list[str]:
    going = [one for one in runs if _going(desk, one)]
    return [name for one in going for name, points in live_metrics(desk, one.label).items() if len(points) > 1]


def _behind(*runs: RunFacts) -> bool:
    return any(int(one.about.get("behind", 0)) for one in runs)
