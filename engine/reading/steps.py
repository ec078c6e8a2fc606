"""All that a step's detail shows: its last run, the baseline's, its source now and then, the end of its log."""

import ast
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import StoreError, UsageError
from ..ids import StepName
from ..params_file import parse_value, write_param
from ..project import load_project
from .desk import Desk, Document, Request
from .live_metrics import live_metrics
from .runs import series, thinned

_LAST = """select s.run, s.state from step_run s join run r on r.number = s.run
    where s.step = ? and s.item is null and not r.hidden and s.state in ('done', 'reused', 'failed')
    order by s.run desc"""
_MADE = """select o.run from step_run s join step_run o on o.step_run_id = s.reused_from
    where s.run = ? and s.step = ? and s.item is null"""
_TAIL = """select epoch_us(l.ts) as t, s.item, l.stream, l.level, l.text from log_line l
    join step_run s using (run_id, step_run_id)
    where s.run = ? and s.step = ? order by l.ts desc, l.seq desc limit ?"""
_SNAPSHOTS = 4
"""Runs whose code is kept read."""


def latest(desk: Desk, request: Request) -> Document:
    """{"step", "points"} → {"number": the newest run that has the step (null: none), "step": its document there,
    "series", "good": the newest run in which it did not fail, "made": the run whose result that is,
    "baseline": {"number", "series", "metrics"} or null}."""
    step = str(request["step"])
    if desk.empty:
        return {"number": None}
    with desk.reading() as found:
        rows = found.rows(_LAST, [step])
        marked = found.rows("select number from run where baseline")
    if not rows:
        return {"number": None}
    number = int(rows[0]["run"])
    good = next((row["run"] for row in rows if row["state"] != "failed"), None)
    base = marked[0]["number"] if marked else next((row["run"] for row in rows[1:] if row["state"] == "done"), None)
    asked = {"step": step, "points": request.get("points", 400)}
    document = desk.catalog.show_step(number, step, items=False)
    told: Document = {
        "number": number,
        "step": document,
        "series": series(desk, {**asked, "number": number})["series"],
        "good": good,
        "made": _made(desk, number, step),
        "baseline": None,
    }
    if base is not None and base != number and any(row["run"] == base for row in rows):
        before = desk.catalog.show_step(int(base), step, items=False)
        told["baseline"] = {
            "number": base,
            "marked": bool(marked),
            "series": series(desk, {**asked, "number": base})["series"],
            "metrics": before["metrics"],
        }
    return told


def live_series(desk: Desk, request: Request) -> Document:
    """{"number", "step", "points"} → {"series": {name: [[x, y], …]}} of a step of the run that goes on, up to now."""
    head, most = f"{request['step']}.", max(8, int(request.get("points", 400)))
    found = live_metrics(desk, str(request["number"]))
    mine = {name.removeprefix(head): points for name, points in sorted(found.items()) if name.startswith(head)}
    return {"series": {name: thinned([[x, y] for x, y, _ in points], most) for name, points in mine.items()}}


def since(desk: Desk, request: Request) -> Document:
    """{"number", "step"} → {"since": what changed since the step last ended well, nearest first (docs/json.md, `why`);
    null if it did not fail in that run}."""
    from ..compare.explain import explain_failure  # it knows tables: what is read at every step must not wait for that

    found = explain_failure(desk.root, int(request["number"]), str(request["step"]))
    return {"since": found.to_json() if found is not None else None}


def tail(desk: Desk, request: Request) -> Document:
    """{"number", "step", "lines"} → {"lines": the last lines of a step in an ended run, oldest first}; for a re-used
    result those of the run that made it."""
    number, step = int(request["number"]), str(request["step"])
    source = _made(desk, number, step)
    with desk.reading() as found:
        rows = found.rows(_TAIL, [source, step, int(request.get("lines", 500))])
    return {"lines": rows[::-1], "made": source}


def _made(desk: Desk, number: int, step: str) -> int:
    """The run that made the result a step has in a run: that run itself, or the one it was taken over from."""
    with desk.reading() as found:
        rows = found.rows(_MADE, [number, step])
    return int(rows[0]["run"]) if rows else number


def code(desk: Desk, request: Request) -> Document:
    """{"step", "path", "line", "number": run to compare with, or null} → {"lines": [[mark, line now or null, text]],
    "changed": count}: the step's source now; mark is " ", "+" or "-" against that run."""
    path = desk.root / str(request["path"])
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {request['path']} ({error.strerror})") from None
    first, now = function_at(text, int(request["line"]))
    number = request.get("number")
    before = now if number is None else _source_in(desk, int(number), str(request["step"])) or now
    lines = compared(before, now, first)
    return {"lines": lines, "changed": sum(line[0] != " " for line in lines), "number": number}


def _source_in(desk: Desk, number: int, step: str) -> list[str]:
    """The step's function as it stood in that run, from the code that was stored: comments and defaults too."""
    from ..compare.snapshot import Snapshot, read_snapshot

    kept: dict[int, Snapshot] = desk.kept.setdefault("snapshots", {})
    try:
        if number not in kept:
            snapshot = read_snapshot(desk.store, number)
            if len(kept) >= _SNAPSHOTS:
                del kept[next(iter(kept))]
            kept[number] = snapshot
        found = kept[number].fingerprints.get(StepName(step))
    except (StoreError, UsageError):
        return []  # the code of that run is gone
    return found.units[0].source.splitlines() if found is not None and found.units else []


def function_at(text: str, line: int) -> tuple[int, list[str]]:
    """The first line's number and the lines of the function whose `def` is at `line`, decorators included; of a file
    that is being edited and has no syntax, what follows that line up to the next unindented one."""
    lines = text.splitlines()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno == line:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            return first, lines[first - 1 : node.end_lineno]
    end = line
    while end < len(lines) and (not lines[end].strip() or lines[end][0] in " \t)"):
        end += 1
    return line, lines[line - 1 : end]


def compared(before: Sequence[str], now: Sequence[str], first: int) -> list[list[Any]]:  # Any: a row of JSON
    """Both sources in one: [mark, line number now, text]. Indentation that all lines share does not count."""
    rows: list[list[Any]] = []
    matcher = difflib.SequenceMatcher(None, [one.rstrip() for one in before], [one.rstrip() for one in now], False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            rows += [["-", None, one] for one in before[a:b]]
        mark = " " if kind == "equal" else "+"
        rows += [[mark, first + index, now[index]] for index in range(c, d)]
    return rows


def set_param(desk: Desk, request: Request) -> Document:
    """{"step", "name", "text": what was typed, or null for the default} → {"before": what the file had, or null}."""
    project = load_project(desk.root)
    text = request.get("text")
    value = None if text is None else parse_value(str(text))
    config = Path(project.root) / project.config
    return {"before": write_param(config, str(request["step"]), str(request["name"]), value), "value": value}
