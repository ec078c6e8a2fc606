"""What differs inside of tables, arrays and values, as lines for a terminal."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Details of differences are read as JSON.

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ...engine.compare.differences import Difference
from ..text import fit, number, oneline, pad, paint, plural, screen_width, size
from .telling_words import arrow, cut, diff_line, listed, same_or_arrow, shown

Document = Mapping[str, Any]  # Any: JSON as docs/json.md describes it
_SIGNS: Final = {"changed": "~", "added": "+", "removed": "-"}
_COLOURS: Final = {"changed": "stale", "added": "done", "removed": "failed"}
DIFF_LINES: Final = 14
"""Lines of a diff that are shown where not all are."""
ROWS: Final = 4
"""The same of rows, paths, items and log lines."""


def table_lines(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    detail = one.detail
    if detail["change"] != "changed":
        yield f"{detail['change']}, {(one.after or one.before)['rows']:,} rows"
        return
    data = detail.get("data")
    rows = (
        arrow(*(f"{count:,}" for count in detail["rows"])) if len(set(detail["rows"])) > 1 else f"{detail['rows'][0]:,}"
    )
    yield f"{rows} rows{_schema(detail['columns'])}"
    if data is None:
        changed = detail["columns"]["changed"]
        yield f"columns that differ: {listed(changed)}  (`--step {oneline(detail['step'])}` reads the rows)"
        return
    if data["note"]:
        yield oneline(data["note"])
    if data["read"]:
        yield f"{_counts(data)}  {_matched(data)}"
    for column in data["columns"]:
        retyped = f"  {column['before']} → {column['after']}" if column["before"] != column["after"] else ""
        yield f"  {pad(oneline(column['name']), 20)} {plural(column['changed'], 'cell')} changed{oneline(retyped)}"
    yield from (_drift(one) for one in data.get("drift", ()) if one["shift"] in ("some", "large"))
    room = screen_width() - 8
    # Only what is shown is made into lines: a preview has hundreds of rows, each with every column of its table.
    shown_rows = data["preview"] if whole else data["preview"][: ROWS + 2]
    lines: list[str] = []
    for row in shown_rows:
        line = _row(row, data["key"])
        lines.append(paint(line if whole else fit(line[: 2 * room], room), _COLOURS[row["mark"]], on=on))
    yield from cut(lines, ROWS, whole=whole, total=len(data["preview"]))


def _drift(one: Document) -> str:
    """A column whose values moved, whichever rows they are in."""
    nulls = f", nulls {arrow(*map(str, one['nulls']))}" if one["nulls"][0] != one["nulls"][1] else ""
    medians = [number(found[2]) for found in one["quantiles"] if found]
    middle = f", median {arrow(*medians)}" if len(medians) == 2 else ""
    return oneline(f"  {pad(str(one['column']), 20)} drifted: PSI {one['psi']:.2f} ({one['shift']}){middle}{nulls}")


def _schema(columns: Document) -> str:
    parts = [f"+{name}" for name in columns["added"]] + [f"−{name}" for name in columns["removed"]]
    parts += [f"{name}: {before} → {after}" for name, (before, after) in columns["retyped"].items()]
    if columns["reordered"]:
        parts.append("columns in another order")
    return oneline(f", {', '.join(parts)}" if parts else "")


def _counts(data: Document) -> str:
    if not (data["added"] or data["removed"] or data["changed"]):
        return "the same rows in another order"
    cells = f" ({plural(data['cells'], 'cell')})" if data["changed"] else ""
    return f"+{data['added']:,} −{data['removed']:,} rows, {data['changed']:,} changed{cells}"


def _matched(data: Document) -> str:
    """How rows were told apart, and how well."""
    key = listed(data["key"])
    how = {
        "given": f"by {key}",
        "declared": f"by {key} (declared)",
        "found": f"by {key} (found: unique in both)",
        "position": "by position (no key; a column stayed as it was)",
        "none": "as wholes (no key was found)",
    }[data["key_source"]]
    odd = [f"{arrow(*map(str, data[name]))} {text}" for name, text in _ODD if any(data[name])]
    return how + (f"; {', '.join(odd)}" if odd else "")


_ODD: Final = (("duplicates", "rows with a key that occurs before"), ("null_keys", "rows without a key"))


def _row(row: Document, key: Sequence[str]) -> str:
    changed = row["mark"] == "changed"
    named = " ".join(f"{name}={shown(value)}" for name, value in zip(key, row["key"], strict=False))
    if not key and row["key"]:
        named = f"row {row['key'][0]}"
    cells = ", ".join(
        f"{name} {arrow(shown(before), shown(after)) if changed else shown(before if after is None else after)}"
        for name, (before, after) in row["cells"].items()
    )
    return oneline(f"{_SIGNS[row['mark']]} {named}{'  ' if named else ''}{cells}")


def value_lines(one: Difference, *, on: bool, whole: bool) -> Iterator[str]:
    data = one.detail.get("data", {})
    if one.detail["change"] != "changed":
        yield one.detail["change"]
        return
    if data.get("note"):
        yield oneline(data["note"])
    elif not data:
        yield arrow(*(side.get("preview", side["content"]) for side in (one.before, one.after)))
    elif "shape" in data:
        yield from _array(data)
    elif "paths" in data:
        yield f"{plural(data['differing'], 'path')} differ" if data["differing"] != 1 else "1 path differs"
        lines = [oneline(f"  {p['path']}  {arrow(shown(p['before']), shown(p['after']))}") for p in data["paths"]]
        yield from cut(lines, ROWS, whole=whole)
    elif "items" in data:
        counts = f"{data['changed']:,} changed, +{data['added']} −{data['removed']}"
        yield f"{same_or_arrow([str(one) for one in data['items']])} items, {counts}"
        lines = [oneline(f"  [{i['item']}]  {arrow(shown(i['before']), shown(i['after']))}") for i in data["shown"]]
        yield from cut(lines, ROWS, whole=whole)
    elif "diff" in data:
        yield f"text, +{data['added']} −{data['removed']} lines"
        yield from cut([diff_line(line, on=on) for line in data["diff"]], DIFF_LINES, whole=whole)
    else:
        carrier = oneline(str(data.get("carrier", "")))
        yield f"other bytes  {arrow(*(size(count) for count in one.detail['bytes']))}  {carrier}"


def _array(data: Document) -> Iterator[str]:
    shapes = ["×".join(map(str, shape)) or "scalar" for shape in data["shape"]]
    yield f"{same_or_arrow(shapes)} {same_or_arrow(data['dtype'])}"
    if data["changed"] is not None:
        close = f", equal within {data['tolerance']:g}" if data["within_tolerance"] else ""
        largest = (
            ""
            if data["max_absolute"] is None
            else (f", largest difference {number(data['max_absolute'])} (relative {number(data['max_relative'])})")
        )
        yield f"{data['changed']:,} of {data['size']:,} items differ{largest}{close}"
