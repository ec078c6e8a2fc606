"""The parity report of a run that was repeated on a cluster (docs/json.md, PARITY), as lines of (style, text). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..text import fit, number, oneline, pad, plural, seconds

Document = Mapping[str, Any]  # Any: JSON
Line = tuple[str, str]
MOST = 12
"""Outputs and steps that are named; the rest is counted."""


def report_lines(report: Document, room: int) -> list[Line]:
    """First what differs first, then by how much, then time and cost side by side."""
    return [*_verdict(report), *_outputs(report, room), *_causes(report, room), *_times(report, room)]


def _verdict(report: Document) -> Iterator[Line]:
    a, b = (oneline(str(one)) for one in report["targets"])
    old, new = report["runs"]
    what = f"run {new} on {b} beside run {old} on {a}"
    first = report["first"]
    if report["identical"]:
        yield "ok", f"✓ {what}: all {plural(report['equal'], 'output')} identical"
    elif first is None:
        yield "stale", f"✗ {what}: they differ, and no step that got the same gave something else"
    elif first["state"]:
        there = first["state"][1]
        yield (
            "failed",
            f"✗ {what}: {oneline(first['step'])} is the first to differ: {there} on {b}, {first['state'][0]} on {a}",
        )
    else:
        outputs = ", ".join(oneline(one) for one in first["outputs"])
        yield (
            "stale",
            f"✗ {what}: {oneline(first['step'])} is the first to differ: the same came in, and another {outputs} out",
        )


def _outputs(report: Document, room: int) -> Iterator[Line]:
    outputs: Sequence[Document] = report["outputs"]
    if not outputs:
        return
    wide = min(24, max(len(oneline(one["name"])) for one in outputs))
    yield "dim", f"  {pad('output', wide)}  {pad('largest difference', 34)}  what changed"
    for one in outputs[:MOST]:
        text = f"  {pad(fit(oneline(one['name']), wide), wide)}  {pad(_largest(one), 34)}  {_changed(one)}"
        yield "text", fit(text, room)
    more = f"{len(outputs) - MOST} more; " if len(outputs) > MOST else ""
    yield "dim", f"  {more}{plural(report['equal'], 'output')} identical"


def _largest(one: Document) -> str:
    if one["max_absolute"] is None:
        return "–"
    within = ", the same within 1e-6" if one["within_tolerance"] else ""
    relative = "" if one["max_relative"] is None else f" ({_short(one['max_relative'])} of it)"
    return f"{_short(one['max_absolute'])}{relative}{within}"


def _short(value: Any) -> str:  # Any: a number, or "inf"
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)


def _changed(one: Document) -> str:
    if one["note"]:
        return oneline(one["note"])
    if one["change"] != "changed":
        return oneline(one["change"])
    if one["kind"] == "table":
        rows = [f"{count} {word}" for word, count in one["rows"].items() if count]
        columns = ", ".join(oneline(each["name"]) for each in one["columns"])
        return f"rows: {', '.join(rows) or 'none'}{f'; columns: {columns}' if columns else ''}"
    return "" if one["changed"] is None else plural(one["changed"], "value")


def _causes(report: Document, room: int) -> Iterator[Line]:
    causes: Sequence[Document] = report["causes"]
    if causes and not report["identical"]:
        told = "; ".join(f"{oneline(one['subject'])} {_side(one['before'])} → {_side(one['after'])}" for one in causes)
        yield "text", fit(f"  not the same there: {told}", room)


def _side(value: Any) -> str:  # Any: JSON
    return "–" if value is None else oneline(str(value))


def _times(report: Document, room: int) -> Iterator[Line]:
    steps: Sequence[Document] = report["steps"]
    wide = min(24, max((len(oneline(one["name"])) for one in steps), default=4))
    columns = [pad(fit(oneline(str(one)), 12), 12) for one in report["targets"]]
    yield "dim", f"  {pad('step', wide)}  {columns[0]}  {columns[1]}"
    slowest = sorted(steps, key=lambda one: -max(each or 0.0 for each in one["seconds"]))[:MOST]
    for one in (each for each in steps if each in slowest):
        yield "text", fit(f"  {pad(fit(oneline(one['name']), wide), wide)}  {_pair(one['seconds'])}", room)
    if len(steps) > MOST:
        yield "dim", f"  and {len(steps) - MOST} quicker ones"
    yield "text", f"  {pad('all steps', wide)}  {_pair(report['seconds'])}"
    yield "text", f"  {pad('the run', wide)}  {_pair(report['wall'])}"
    if any(one is not None for one in report["cost"]):
        told = ("–" if one is None else number(round(one, 4)) for one in report["cost"])
        prices = [one for one in report["price"] if one is not None]
        yield (
            "text",
            f"  {pad('cost', wide)}  {'  '.join(pad(one, 12) for one in told)}  at {number(prices[-1])} an hour",
        )


def _pair(values: Sequence[float | None]) -> str:
    return "  ".join(pad("–" if one is None else seconds(one), 12) for one in values)
