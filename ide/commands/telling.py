"""Differences as lines for a terminal: what `instep compare` prints. Pure, but for the colours it is told to use."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Details of differences are read as JSON.

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...engine.compare.differences import DETERMINANTS, Comparison, Difference, Kind
from ...engine.compare.matrix import Matrix
from ...engine.compare.runs import Same
from ..text import clean, fit, number, pad, paint, plural, screen_width, seconds, size, table, width

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
_SIGNS: Final = {"changed": "~", "added": "+", "removed": "-"}
_COLOURS: Final = {"changed": "stale", "added": "done", "removed": "failed"}
_DIFF_LINES: Final = 14
_ROWS: Final = 4
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
        because = ", ".join(clean(one) for one in divergence["because"]) or "nothing that was recorded"
        yield f"\nfirst to differ with equal inputs: {clean(divergence['step'])} (because of {because})"
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
    return f"{paint(label, 'bold', on=on)} {' · '.join(clean(str(one)) for one in parts if one)}"


def _name(one: Difference) -> str:
    if one.kind == "code":
        name = str(one.detail["name"])
        return clean(f"{name}()" if one.detail["kind"] == "function" else name)
    return clean(one.subject)


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
            yield f"{_arrow(one.before, one.after)}  {_arrow(*sizes)}  read by {_list(one.detail['steps'])}"
        case "step":
            yield from _step(one)
        case "metric":
            yield _metric(one, on=on)
        case "table":
            yield from _table(one, on=on, whole=whole)
        case "array" | "value":
            yield from _value(one, on=on, whole=whole)
        case "log":
            yield from _log(one, on=on, whole=whole)
        case _:
            yield _arrow(_shown(one.before), _shown(one.after))


def _code(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    detail = one.detail
    change = str(detail["change"])
    change = {"changed": "", "renamed": f"renamed from {detail['was']}, "}.get(change, f"{change}, ")
    place = clean(str(one.after or one.before))
    yield f"{clean(change)}{place}  +{detail['added']} −{detail['removed']}  for {_list(detail['steps'])}"
    if detail["change"] in ("changed", "renamed") or whole:
        yield from _cut([_diff_line(line, on=on) for line in detail["diff"]], _DIFF_LINES, whole=whole)


def _diff_line(line: str, *, on: bool) -> str:
    colour = {"+": "done", "-": "failed", "@": "dim"}.get(line[:1], "")
    return paint(clean(line), colour, on=on)


def _step(one: Difference) -> Iterator[str]:
    detail = one.detail
    took = _arrow(*(seconds(value) for value in detail["seconds"])) if any(detail["seconds"]) else ""
    match detail["change"]:
        case "added" | "removed":
            yield detail["change"]
        case "slower" | "faster":
            yield f"{took}  {detail['change']}"
        case "where":
            yield _arrow(*(str(value or "") for value in detail["where"]))
        case "attempts":
            yield f"{_arrow(*(str(value) for value in detail['attempts']))} attempts"
        case "key":
            yield "its key differs by what no snapshot names: an environment variable or `version=`"
        case _:
            error = clean(str(detail["error"][1] or detail["error"][0] or ""))
            yield f"{_arrow(one.before, one.after)}{f': {error}' if error else ''}"
            if one.after in ("stale", "pending"):
                yield from (clean(reason) for reason in detail["reasons"][:3])


def _metric(one: Difference, *, on: bool) -> str:
    change = one.detail["change"]
    if change in ("added", "removed"):
        return f"{_arrow(number(one.before), number(one.after))}  {change}"
    relative = one.detail["relative"]
    percent = f" ({relative:+.1%})" if relative is not None else ""
    colour = {"better": "done", "worse": "failed"}.get(change, "")
    word = f"  {paint(change, colour, on=on)}" if colour else ""
    spread = one.detail["spread"]
    chance = ""
    if spread:
        inside = "within" if one.detail["within_spread"] else "beyond"
        chance = f", {inside} the spread of {spread['seeds']} seeds (±{number(spread['margin'])})"
    return f"{_arrow(number(one.before), number(one.after))}  {one.detail['absolute']:+.4g}{percent}{word}{chance}"


def _table(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    detail = one.detail
    if detail["change"] != "changed":
        yield f"{detail['change']}, {(one.after or one.before)['rows']:,} rows"
        return
    data = detail.get("data")
    rows = (
        _arrow(*(f"{count:,}" for count in detail["rows"]))
        if len(set(detail["rows"])) > 1
        else f"{detail['rows'][0]:,}"
    )
    yield f"{rows} rows{_schema(detail['columns'])}"
    if data is None:
        changed = detail["columns"]["changed"]
        yield f"columns that differ: {_list(changed)}  (`--step {clean(detail['step'])}` reads the rows)"
        return
    if data["note"]:
        yield clean(data["note"])
    if data["read"]:
        yield f"{_counts(data)}  {_matched(data)}"
    for column in data["columns"]:
        retyped = f"  {column['before']} → {column['after']}" if column["before"] != column["after"] else ""
        yield f"  {pad(clean(column['name']), 20)} {plural(column['changed'], 'cell')} changed{clean(retyped)}"
    room = screen_width() - 8
    rows = [
        (row["mark"], line if whole else fit(line, room))
        for row in data["preview"]
        for line in [_row(row, data["key"])]
    ]
    yield from _cut([paint(line, _COLOURS[mark], on=on) for mark, line in rows], _ROWS, whole=whole)


def _schema(columns: Document) -> str:
    parts = [f"+{name}" for name in columns["added"]] + [f"−{name}" for name in columns["removed"]]
    parts += [f"{name}: {before} → {after}" for name, (before, after) in columns["retyped"].items()]
    if columns["reordered"]:
        parts.append("columns in another order")
    return clean(f", {', '.join(parts)}" if parts else "")


def _counts(data: Document) -> str:
    if not (data["added"] or data["removed"] or data["changed"]):
        return "the same rows in another order"
    cells = f" ({plural(data['cells'], 'cell')})" if data["changed"] else ""
    return f"+{data['added']:,} −{data['removed']:,} rows, {data['changed']:,} changed{cells}"


def _matched(data: Document) -> str:
    """How rows were told apart, and how well."""
    key = _list(data["key"])
    how = {
        "given": f"by {key}",
        "declared": f"by {key} (declared)",
        "found": f"by {key} (found: unique in both)",
        "position": "by position (no key; a column stayed as it was)",
        "none": "as wholes (no key was found)",
    }[data["key_source"]]
    odd = [f"{_arrow(*map(str, data[name]))} {text}" for name, text in _ODD if any(data[name])]
    return how + (f"; {', '.join(odd)}" if odd else "")


_ODD: Final = (("duplicates", "rows with a key that occurs before"), ("null_keys", "rows without a key"))


def _row(row: Document, key: Sequence[str]) -> str:
    changed = row["mark"] == "changed"
    named = " ".join(f"{name}={_shown(value)}" for name, value in zip(key, row["key"], strict=False))
    if not key and row["key"]:
        named = f"row {row['key'][0]}"
    cells = ", ".join(
        f"{name} {_arrow(_shown(before), _shown(after)) if changed else _shown(before if after is None else after)}"
        for name, (before, after) in row["cells"].items()
    )
    return clean(f"{_SIGNS[row['mark']]} {named}{'  ' if named else ''}{cells}")


def _value(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    data = one.detail.get("data", {})
    if one.detail["change"] != "changed":
        yield one.detail["change"]
        return
    if data.get("note"):
        yield clean(data["note"])
    elif not data:
        yield _arrow(*(side.get("preview", side["content"]) for side in (one.before, one.after)))
    elif "shape" in data:
        yield from _array(data)
    elif "paths" in data:
        yield f"{plural(data['differing'], 'path')} differ" if data["differing"] != 1 else "1 path differs"
        lines = [clean(f"  {p['path']}  {_arrow(_shown(p['before']), _shown(p['after']))}") for p in data["paths"]]
        yield from _cut(lines, _ROWS, whole=whole)
    elif "items" in data:
        counts = f"{data['changed']:,} changed, +{data['added']} −{data['removed']}"
        yield f"{_same_or_arrow([str(one) for one in data['items']])} items, {counts}"
        lines = [clean(f"  [{i['item']}]  {_arrow(_shown(i['before']), _shown(i['after']))}") for i in data["shown"]]
        yield from _cut(lines, _ROWS, whole=whole)
    elif "diff" in data:
        yield f"text, +{data['added']} −{data['removed']} lines"
        yield from _cut([_diff_line(line, on=on) for line in data["diff"]], _DIFF_LINES, whole=whole)
    else:
        carrier = clean(str(data.get("carrier", "")))
        yield f"other bytes  {_arrow(*(size(count) for count in one.detail['bytes']))}  {carrier}"


def _array(data: Document) -> Iterator[str]:
    shapes = ["×".join(map(str, shape)) or "scalar" for shape in data["shape"]]
    yield f"{_same_or_arrow(shapes)} {_same_or_arrow(data['dtype'])}"
    if data["changed"] is not None:
        close = f", equal within {data['tolerance']:g}" if data["within_tolerance"] else ""
        largest = (
            ""
            if data["max_absolute"] is None
            else (f", largest difference {number(data['max_absolute'])} (relative {number(data['max_relative'])})")
        )
        yield f"{data['changed']:,} of {data['size']:,} items differ{largest}{close}"


def _log(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    detail = one.detail
    yield f"{_arrow(str(one.before), str(one.after))} lines, +{detail['added']} −{detail['removed']} (numbers aside)"
    lines = [paint(clean(f"- {line}"), "failed", on=on) for line in detail["only_a"]]
    lines += [paint(clean(f"+ {line}"), "done", on=on) for line in detail["only_b"]]
    yield from _cut(lines, _ROWS, whole=whole)


def matrix_lines(matrix: Matrix, *, on: bool) -> Iterator[str]:
    """Several runs: a column each, the best values marked."""
    head = ["", "", *(f"run {one}" if one.isdigit() else one for one in matrix.runs)]
    rows = [
        [
            one.kind,
            fit(one.subject, _NAME),
            *(
                f"{number(value) if isinstance(value, float) else _shown(value)}{' ★' if at in one.best else ''}"
                for at, value in enumerate(one.values)
            ),
        ]
        for one in matrix.rows
    ]
    yield table(head, rows) if rows else "no difference"
    yield from _equal_counts(matrix.equal, on=on)


def _equal_counts(equal: Mapping[Kind, int], *, on: bool) -> Iterator[str]:
    parts = [plural(count, _WORDS[kind]) for kind, count in equal.items() if count and kind in _WORDS]
    if parts:
        yield paint(f"\nequal: {', '.join(parts)}", "dim", on=on)


def _equal_things(equal: Iterable[Same], *, on: bool) -> Iterator[str]:
    yield paint("\nequal", "bold", on=on)
    for one in equal:
        yield clean(f"  {one.kind:<8} {one.subject}  {_shown(one.value)}")


def _cut(lines: Sequence[str], most: int, *, whole: bool) -> Iterator[str]:
    shown = lines if whole or len(lines) <= most + 1 else lines[:most]
    yield from (f"  {line}" for line in shown)
    if len(shown) < len(lines):
        yield f"  … {plural(len(lines) - len(shown), 'line')} more (--all)"


def _arrow(before: object, after: object) -> str:
    return clean(f"{'—' if before in (None, '') else before} → {'—' if after in (None, '') else after}")


def _same_or_arrow(pair: Sequence[str]) -> str:
    return pair[0] if pair[0] == pair[1] else _arrow(*pair)


def _shown(value: Any) -> str:  # Any: JSON
    """A value on one line; a text that could be taken for something else in quotes."""
    import json

    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return "—" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return clean(
            value if value and value.isprintable() and len(value) <= 80 else json.dumps(value[:80], ensure_ascii=False)
        )
    return clean(fit(json.dumps(value, ensure_ascii=False), 80))


def _list(names: Iterable[object]) -> str:
    every = [clean(str(one)) for one in names]
    return ", ".join(every[:6]) + (f" and {len(every) - 6} more" if len(every) > 6 else "") if every else "no step"
