"""One difference by itself, as lines: before and after, what is inside of tables and values. Pure functions."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Details of differences are read as JSON.

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from ...engine.compare.differences import Difference
from ..text import clean, fit, number, pad, plural, size, width
from .cells import flat, type_name
from .compare import change_of
from .history import spark

Document = Mapping[str, Any]  # Any: JSON
_SIGNS = {"changed": ("~", "stale"), "added": ("+", "ok"), "removed": ("−", "failed")}
_WIDEST = 24
_LONGEST = 200
"""Lines of a value that are shown."""


def told(one: Difference, data: Document | None, *, asked: bool) -> list[Text]:
    """What there is to say of a difference that is neither code nor a course. `data` is what was read of an output,
    None where nothing was; `asked`: it is being read."""
    match one.kind:
        case "table":
            return [*_table_head(one), Text(), *_table_data(one, data, asked=asked)]
        case "array" | "value" if data is not None:
            return [*_sides(one), Text(), *_value_data(data)]
        case "array" | "value":
            return [*_sides(one), Text(), _waits("what is inside", asked=asked)]
        case "metric":
            return [*_sides(one), Text(), change_of(one)]
        case "step":
            return list(_step(one))
        case _:
            return [*_sides(one), *_for_whom(one)]


def same_told(one: Difference) -> list[Text]:
    """Something that is equal in both."""
    return [Text("equal in A and B", "dim"), *_json("=", "text", one.before)]


def _sides(one: Difference) -> list[Text]:
    return [*_json("A", "side-a", one.before), *_json("B", "side-b", one.after)]


def _json(label: str, ink: str, value: Any) -> list[Text]:  # Any: JSON
    """A value as JSON, as many lines as it has."""
    if value is None:
        return [Text.assemble((f"{label}  ", f"{ink}.bold"), ("not there", "dim"))]
    lines = clean(json.dumps(value, ensure_ascii=False, indent=2)).split("\n")
    if len(lines) <= 8 and width(joined := " ".join(line.strip() for line in lines)) <= 90:
        lines = [joined]
    cut = [Text(f"   … {plural(len(lines) - _LONGEST, 'line')} more", "dim")] if len(lines) > _LONGEST else []
    shown = [
        Text.assemble((f"{label if at == 0 else ' '}  ", f"{ink}.bold"), (line, "text"), no_wrap=True)
        for at, line in enumerate(lines[:_LONGEST])
    ]
    return shown + cut


def _for_whom(one: Difference) -> list[Text]:
    steps = one.detail.get("steps") or ()
    return [Text(), Text(flat(f"for {', '.join(map(str, steps))}"), "dim")] if steps else []


def _step(one: Difference) -> Iterator[Text]:
    detail = one.detail
    for label, at in (("A", 0), ("B", 1)):
        state = (one.before, one.after)[at]
        parts = [str(state) if state else "not there"]
        parts += [f"{number(detail['seconds'][at])} s"] if detail["seconds"][at] is not None else []
        parts += [str(detail["where"][at])] if detail["where"][at] else []
        attempts = detail["attempts"][at]
        parts += [plural(int(attempts), "attempt")] if attempts and attempts > 1 else []
        items = detail["items"][at]
        parts += [f"{count} items {word}" for word, count in items.items()] if items else []
        ink = f"side-{label.lower()}"
        yield Text.assemble((f"{label}  ", f"{ink}.bold"), (flat(" · ".join(parts)), "text"))
        if detail["error"][at]:
            yield Text(flat(f"   ✗ {detail['error'][at]}"), "failed")
    for reason in detail["reasons"][:20]:
        yield Text(flat(f"   because {reason}"), "dim")


def _waits(what: str, *, asked: bool) -> Text:
    if asked:
        return Text(f"… reading {what}", "running")
    return Text.assemble(("enter", "key"), (f" reads {what}", "dim"))


# Tables


def _table_head(one: Difference) -> list[Text]:
    detail = one.detail
    if detail["change"] != "changed":
        side = one.after or one.before
        return [Text(flat(f"{detail['change']}: a table of {side['rows']:,} rows"), "text")]
    before, after = detail.get("rows", (None, None))
    rows = f"{before:,} → {after:,} rows" if before != after else f"{before:,} rows in both"
    lines = [Text.assemble((rows if before is not None else "it is a table in one of them only", "text.bold"))]
    columns = detail.get("columns") or {}
    schema = [(f"+{name}", "ok") for name in columns.get("added", ())]
    schema += [(f"−{name}", "failed") for name in columns.get("removed", ())]
    schema += [
        (f"{name} {type_name(old)} → {type_name(new)}", "stale")
        for name, (old, new) in (columns.get("retyped") or {}).items()
    ]
    schema += [("columns in another order", "dim")] if columns.get("reordered") else []
    if schema:
        line = Text("schema   ", "dim")
        for name, ink in schema:
            line.append(f"{flat(name)}  ", ink)
        lines.append(line)
    changed = columns.get("changed") or ()
    if changed:
        equal = f"  ({plural(columns['equal'], 'column')} equal)" if columns.get("equal") else ""
        lines.append(Text.assemble(("differ   ", "dim"), (flat(", ".join(changed)), "text"), (equal, "dim")))
    return lines


def _table_data(one: Difference, data: Document | None, *, asked: bool) -> list[Text]:
    if one.detail["change"] != "changed":
        return []
    if data is None:
        return [_waits("the rows", asked=asked)]
    lines = [Text(flat(data["note"]), "failed")] if data.get("note") else []
    if data.get("read"):
        lines += _counts(data)
        lines += [Text(), *_preview(data)] if data["preview"] else []
    drift = [each for each in data.get("drift", ()) if each["bins"] or each["psi"] is not None]
    if drift:
        names = min(_WIDEST, max(width(flat(str(each["column"]))) for each in drift))
        lines += [Text(), Text(f"{pad('column', names)}  A         B         drift", "dim")]
        lines += [_drift(each, names) for each in drift]
    return lines


def _counts(data: Document) -> list[Text]:
    if not (data["added"] or data["removed"] or data["changed"]):
        return [Text("the same rows in another order", "text")]
    text = Text(f"{data['added']:,} added", "ok").append(" · ", "dim").append(f"{data['removed']:,} removed", "failed")
    cells = f"{data['changed']:,} changed ({plural(data['cells'], 'cell')})"
    key = ", ".join(data["key"])
    how = {
        "given": f"by {key}",
        "declared": f"by {key}, as declared",
        "found": f"by {key}, found: unique in both",
        "position": "by position: no key, and a column stayed as it was",
        "none": "as wholes: no key was found",
    }[data["key_source"]]
    return [text.append(" · ", "dim").append(cells, "stale"), Text(f"rows matched {flat(how)}", "dim")]


def _preview(data: Document) -> list[Text]:
    """The first rows that differ, under the columns that do."""
    key = list(data["key"]) or (["row"] if any(row["key"] for row in data["preview"]) else [])
    names = list(dict.fromkeys(name for row in data["preview"] for name in row["cells"] if name not in key))
    head = [*map(str, key), *map(str, names)]
    rows = [_row(row, key, names) for row in data["preview"]]
    widths = [
        min(_WIDEST * 2, max([width(flat(head[at])), *(cells[at].cell_len for _, cells in rows)]))
        for at in range(len(head))
    ]
    lines = [Text("   " + "  ".join(pad(fit(flat(n), w), w) for n, w in zip(head, widths, strict=True)), "dim")]
    for mark, cells in rows:
        sign, ink = _SIGNS[mark]
        line = Text.assemble((f" {sign} ", f"{ink}.bold"), no_wrap=True, end="")
        for cell, columns in zip(cells, widths, strict=True):
            cell.truncate(columns, overflow="ellipsis", pad=True)
            line.append_text(cell).append("  ")
        lines.append(line)
    return lines


def _row(row: Document, key: Sequence[str], names: Sequence[str]) -> tuple[str, list[Text]]:
    mark = str(row["mark"])
    ink = {"added": "side-b", "removed": "side-a"}.get(mark, "text")
    cells = [Text(_cell(value), ink) for value in row["key"]]
    cells += [Text() for _ in range(len(key) - len(cells))]
    for name in names:
        before, after = row["cells"].get(name, (None, None))
        if name not in row["cells"]:
            cells.append(Text("·", "dim"))
        elif mark == "changed":
            cells.append(Text.assemble((_cell(before), "side-a"), (" → ", "dim"), (_cell(after), "side-b")))
        else:
            cells.append(Text(_cell(before if mark == "removed" else after), ink))
    return mark, cells[: len(key) + len(names)]


def _cell(value: Any) -> str:  # Any: JSON
    if value is None:
        return "∅"
    if isinstance(value, float):
        return f"{value:.6g}"
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return fit(flat(told), _WIDEST)


def _drift(one: Document, names: int) -> Text:
    """A column whose values moved: both histograms, and how far apart they are."""
    line = Text(pad(fit(flat(str(one["column"])), names), names) + "  ", "text", no_wrap=True)
    for side in ("a", "b"):
        line.append(pad(spark([float(each[side]) for each in one["bins"]]) or "–", 10), f"side-{side}")
    shift = {"none": "as before", "some": "moved", "large": "moved far"}.get(str(one["shift"]), "")
    ink = {"some": "stale", "large": "failed"}.get(str(one["shift"]), "dim")
    line.append(f"PSI {one['psi']:.2f} {shift}" if one["psi"] is not None else "", ink)
    middle = [number(found[2]) for found in one["quantiles"] if found]
    if len(middle) == 2 and middle[0] != middle[1]:
        line.append(f"  median {middle[0]} → {middle[1]}", "dim")
    if one["nulls"][0] != one["nulls"][1]:
        line.append(f"  nulls {one['nulls'][0]:,} → {one['nulls'][1]:,}", "dim")
    return line


# Arrays and values


def _value_data(data: Document) -> list[Text]:
    if data.get("note"):
        return [Text(flat(data["note"]), "failed")]
    if "shape" in data:
        return list(_array(data))
    if "paths" in data:
        count = plural(data["differing"], "path")
        return [Text(f"{count} differ" if data["differing"] != 1 else "1 path differs", "text.bold")] + [
            _change(flat(str(one["path"])), one) for one in data["paths"]
        ]
    if "items" in data:
        counts = f"{data['changed']:,} changed · {data['added']:,} added · {data['removed']:,} removed"
        items = f"{data['items'][0]:,} → {data['items'][1]:,} items · "
        return [Text(items + counts, "text.bold")] + [_change(f"[{one['item']}]", one) for one in data["shown"]]
    if "diff" in data:
        inks = {"+": "ok", "-": "failed", "@": "dim"}
        return [Text(flat(line), inks.get(line[:1], "text"), no_wrap=True) for line in data["diff"]]
    sizes = " → ".join(size(count) for count in data["bytes"]) if "bytes" in data else ""
    return [Text(flat(f"other bytes  {sizes}  {data.get('carrier', '')}"), "text")]


def _change(name: str, one: Document) -> Text:
    text = Text(f" {name}  ", "text", no_wrap=True).append(_cell(one["before"]), "side-a")
    return text.append(" → ", "dim").append(_cell(one["after"]), "side-b")


def _array(data: Document) -> Iterator[Text]:
    shapes = ["×".join(map(str, shape)) or "scalar" for shape in data["shape"]]
    kinds = [f"{shape} {dtype}" for shape, dtype in zip(shapes, data["dtype"], strict=True)]
    yield Text(flat(kinds[0] if kinds[0] == kinds[1] else " → ".join(kinds)), "text.bold")
    if data["changed"] is not None:
        yield Text(f"{data['changed']:,} of {data['size']:,} items differ", "text")
    if data["max_absolute"] is not None:
        yield Text(
            f"largest difference {number(data['max_absolute'])}, relative {number(data['max_relative'])}", "text"
        )
    if data["within_tolerance"]:
        yield Text(f"equal within {data['tolerance']:g}", "ok")
