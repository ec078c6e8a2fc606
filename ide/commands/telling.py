"""Differences as lines for a terminal: what `instep compare` prints. Pure, but for the colours it is told to use."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Details of differences are read as JSON.

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...engine.compare.differences import DETERMINANTS, Comparison, Difference, Kind
from ...engine.compare.matrix import Matrix, Row
from ...engine.compare.runs import Same
from ..text import fit, number, oneline, pad, paint, plural, seconds, size, table, width
from .telling_data import DIFF_LINES, ROWS, table_lines, value_lines
from .telling_words import arrow, cut, diff_line, listed, shown

Document = Mapping[str, Any]  # Any: JSON as docs/json.md describes it
_WORDS: Final[Mapping[str, str]] = {
    "param": "param",
    "code": "definition",
    "file": "input file",
    "package": "package",
    "step": "step",
    "metric": "metric",
    "table": "table",
    "array": "array",
    "value": "value",
    "log": "log",
}
_HEADS: Final = (
    ("what determined them", DETERMINANTS),
    ("what happened", frozenset(("step",))),
    ("what came out", frozenset(("metric", "table", "array", "value", "log"))),
)
_NAME: Final = 44


def told(comparison: Comparison, equal: Sequence[Same] = (), *, on: bool, whole: bool = False) -> Iterator[str]:
    """The comparison, line by line. `equal` things are listed where they are given; `whole`: nothing is cut."""
    for label, run in zip("AB", comparison.runs, strict=True):
        yield _run_line(label, run, on=on)
    if not comparison.differences:
        yield "\nno difference"
    for head, kinds in _HEADS:
        found = [one for one in comparison.differences if one.kind in kinds]
        if found:
            yield f"\n{paint(head, 'bold', on=on)}"
            names = min(_NAME, max(width(_name(one)) for one in found))
            for one in found:
                yield from _difference(one, names, on=on, whole=whole)
    divergence = comparison.first_divergence
    if divergence:
        because = ", ".join(oneline(one) for one in divergence["because"]) or "nothing that was recorded"
        yield f"\nfirst to differ with equal inputs: {oneline(divergence['step'])} (because of {because})"
    yield from _equal_things(equal, on=on) if equal else _equal_counts(comparison.equal, on=on)


def difference_lines(one: Difference, *, on: bool, whole: bool = False) -> Iterator[str]:
    """One difference by itself."""
    return _difference(one, 0, on=on, whole=whole)


def _run_line(label: str, run: Document, *, on: bool) -> str:
    if run["run"] == "now":
        states = " ".join(f"{count} {state}" for state, count in run["steps"].items())
        return f"{paint(label, 'bold', on=on)} the working tree · {states}"
    states = " ".join(f"{count} {state}" for state, count in run["steps"].items())
    when = datetime.fromisoformat(run["started_at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    parts = [f"run {run['run']} {run['state']}", when, seconds(run["seconds"]), run["target"], states]
    if run["git_commit"]:
        parts.append(f"git {run['git_commit'][:8]}{' + changes' if run['dirty'] else ''}")
    if run["note"]:
        parts.append(run["note"])
    return f"{paint(label, 'bold', on=on)} {' · '.join(oneline(str(one)) for one in parts if one)}"


def _name(one: Difference) -> str:
    if one.kind == "code":
        name = str(one.detail["name"])
        return oneline(f"{name}()" if one.detail["kind"] == "function" else name)
    return oneline(one.subject)


def _difference(one: Difference, names: int, *, on: bool, whole: bool) -> Iterator[str]:
    head = f"  {one.kind:<8} {pad(fit(_name(one), _NAME), names)}  "
    first, *rest = list(_what(one, on=on, whole=whole))
    yield (head + first).rstrip()
    for line in rest:
        yield f"    {line}".rstrip()


def _what(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    match one.kind:
        case "code":
            yield from _code(one, on=on, whole=whole)
        case "file":
            sizes = [size(count) if count is not None else "" for count in one.detail["bytes"]]
            yield f"{arrow(one.before, one.after)}  {arrow(*sizes)}  read by {listed(one.detail['steps'])}"
        case "step":
            yield from _step(one)
        case "metric":
            yield _metric(one, on=on)
        case "table":
            yield from table_lines(one, on=on, whole=whole)
        case "array" | "value":
            yield from value_lines(one, on=on, whole=whole)
        case "log":
            yield from _log(one, on=on, whole=whole)
        case "package" | "python" | "target":
            yield arrow(one.before, one.after)
        case _:
            yield arrow(shown(one.before), shown(one.after))


def _code(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    detail = one.detail
    change = str(detail["change"])
    change = {"changed": "", "renamed": f"renamed from {detail['was']}, "}.get(change, f"{change}, ")
    place = oneline(str(one.after or one.before))
    yield f"{oneline(change)}{place}  +{detail['added']} −{detail['removed']}  for {listed(detail['steps'])}"
    if detail["change"] in ("changed", "renamed") or whole:
        yield from cut([diff_line(line, on=on) for line in detail["diff"]], DIFF_LINES, whole=whole)


def _step(one: Difference) -> Iterator[str]:
    detail = one.detail
    took = arrow(*(seconds(value) for value in detail["seconds"])) if any(detail["seconds"]) else ""
    match detail["change"]:
        case "added" | "removed":
            yield detail["change"]
        case "slower" | "faster":
            yield f"{took}  {detail['change']}"
        case "where":
            yield arrow(*(str(value or "") for value in detail["where"]))
        case "attempts":
            yield f"{arrow(*(str(value) for value in detail['attempts']))} attempts"
        case "key":
            yield "its key differs by what no snapshot names: an environment variable or `version=`"
        case _:
            error = oneline(str(detail["error"][1] or detail["error"][0] or ""))
            states = arrow(one.before or "not run", one.after or "not run")
            yield f"{states}{f': {error}' if error else ''}"
            if one.after in ("stale", "pending"):
                yield from (oneline(reason) for reason in detail["reasons"][:3])


def _metric(one: Difference, *, on: bool) -> str:
    change = one.detail["change"]
    if change in ("added", "removed"):
        return f"{arrow(number(one.before), number(one.after))}  {change}"
    relative = one.detail["relative"]
    percent = f" ({relative:+.1%})" if relative is not None else ""
    colour = {"better": "done", "worse": "failed"}.get(change, "")
    word = f"  {paint(change, colour, on=on)}" if colour else ""
    spread = one.detail["spread"]
    chance = ""
    if spread:
        inside = "within" if one.detail["within_spread"] else "beyond"
        chance = f", {inside} the spread of {spread['seeds']} seeds (±{number(spread['margin'])})"
    return f"{arrow(number(one.before), number(one.after))}  {one.detail['absolute']:+.4g}{percent}{word}{chance}"


def _log(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    detail = one.detail
    yield f"{arrow(str(one.before), str(one.after))} lines, +{detail['added']} −{detail['removed']} (numbers aside)"
    lines = [paint(oneline(f"- {line}"), "failed", on=on) for line in detail["only_a"]]
    lines += [paint(oneline(f"+ {line}"), "done", on=on) for line in detail["only_b"]]
    yield from cut(lines, ROWS, whole=whole)


def matrix_lines(matrix: Matrix, *, on: bool) -> Iterator[str]:
    """Several runs: a column each, the best values marked."""
    head = ["", "", *(f"run {one}" if one.isdigit() else one for one in matrix.runs)]
    rows = [
        [one.kind, fit(one.subject, _NAME), *(_cell(one, at) for at in range(len(one.values)))] for one in matrix.rows
    ]
    yield table(head, rows) if rows else "no difference"
    yield from _equal_counts(matrix.equal, on=on)


def _cell(one: Row, at: int) -> str:
    value = one.values[at]
    if isinstance(value, float):
        return f"{number(value)}{' ★' if at in one.best else ''}"
    return shown(value) if one.kind in ("param", "hardware") or value is None else str(value)


def _equal_counts(equal: Mapping[Kind, int], *, on: bool) -> Iterator[str]:
    parts = [plural(count, _WORDS[kind]) for kind, count in equal.items() if count and kind in _WORDS]
    if parts:
        yield paint(f"\nequal: {', '.join(parts)}", "dim", on=on)


def _equal_things(equal: Iterable[Same], *, on: bool) -> Iterator[str]:
    yield paint("\nequal", "bold", on=on)
    for one in equal:
        yield oneline(f"  {one.kind:<8} {one.subject}  {shown(one.value)}")
