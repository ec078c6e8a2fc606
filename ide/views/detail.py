"""What the tabs of a step's detail say. Pure functions of what the reading process answered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from ...engine.metric_names import says_how_far
from ..text import clean, fit, number, pad, size, width
from .cells import NULL, is_number, type_name
from .live import Message, StepNow
from .source import coloured

TABS = ("Metrics", "Code", "Params", "Data", "Log", "Error")


def tab_line(current: str, counts: Mapping[str, str], room: int) -> Text:
    """The tabs, the current one bright; `counts` puts a number behind a name (`Code·Δ3`)."""
    line = Text(no_wrap=True, end="")
    for one in TABS:
        if one == "Error" and one not in counts:
            continue
        told = f"{one}·{counts[one]}" if counts.get(one) else one
        line.append(told, "running.bold" if one == current else "dim").append("  ")
    if line.cell_len + 10 < room:
        line.append(" " * min(4, room - line.cell_len - 10)).append("[ ] tabs", "dim")
    return line


def plotted(series: Message) -> list[str]:
    """What can be plotted; what only says how far a step was (`epoch`) comes last."""
    return sorted(series, key=says_how_far)


def metric_lines(values: Mapping[str, float], baseline: Mapping[str, float], against: int | None) -> list[Text]:
    """Final values beside the baseline's."""
    if not values:
        return []
    names = max(width(clean(name)) for name in values)
    lines = [Text(f"{'':{names}}  {'value':>10}" + (f"  {f'run {against}':>10}  change" if baseline else ""), "dim")]
    for name, value in values.items():
        line = Text.assemble((pad(clean(name), names), "text"), (f"  {number(float(value)):>10}", "text.bold"))
        before = baseline.get(name)
        if before is not None:
            line.append(f"  {number(float(before)):>10}", "dim")
            if before != value:
                share = f"{(value - before) / abs(before):+.1%}" if before else f"{value - before:+.4g}"
                line.append(f"  {share}", "stale")
            else:
                line.append("  =", "dim")
        lines.append(line)
    return lines


def code_lines(answer: Message) -> list[Text]:
    """Source with line numbers; lines that came since that run are marked `+`, lines that went `-`."""
    told: Sequence[Sequence[Any]] = answer["lines"]  # Any: JSON
    inks = coloured("\n".join(str(text) for _, _, text in told))
    lines: list[Text] = []
    for (mark, at, _), text in zip(told, inks, strict=False):
        style = {"+": "ok", "-": "failed"}.get(str(mark), "dim")
        line = Text.assemble((f"{at or '':>5} ", "dim"), (f"{mark} ", style), text, no_wrap=True)
        if mark == "-":
            line.stylize("failed")
        lines.append(line)
    return lines


def changed_first(answer: Message) -> int:
    """The line (in the list) of the first change, or 0."""
    return next((index for index, line in enumerate(answer["lines"]) if line[0] != " "), 0)


def param_lines(one: StepNow, before: Mapping[str, Any]) -> list[Text]:
    """The params that count now, and what they were in the last run where that was something else."""
    if not one.params:
        return []
    names = max(width(name) for name in one.params)
    lines: list[Text] = []
    for name, value in one.params.items():
        line = Text.assemble((pad(name, names), "text"), ("  ", ""), (_json(value), "text.bold"))
        if name in before:
            line.append(f"   was {clean(str(before[name]))}", "stale")
        lines.append(line)
    return lines


def _json(value: object) -> str:
    return clean(json.dumps(value, ensure_ascii=False))


_WIDEST = 24
"""Columns of the screen that one column of a preview takes at most."""


def output_lines(outputs: Sequence[Message]) -> list[Text]:
    """Every output: kind, size, columns, and what was kept to see of it."""
    lines: list[Text] = []
    for one in outputs:
        rows = "" if one["rows"] is None else f"{one['rows']:,} rows · "
        about = f"{one['kind']} · {rows}{size(one['bytes'] or 0)}"
        lines += [Text.assemble((clean(one["name"]), "text.bold"), (f"  {about}", "dim")), Text()]
        preview = [line.split("\t") for line in clean(one["preview"] or "").splitlines()]
        if one["kind"] == "table" and preview:
            lines += _table(preview, {each["name"]: each["dtype"] for each in one["columns"]})
        else:
            lines += [Text("\t".join(line).expandtabs(4), "text") for line in preview]
        lines.append(Text())
    return lines


def _table(rows: Sequence[Sequence[str]], types: Mapping[str, str]) -> list[Text]:
    """Names, types and rows in columns; numbers to the right."""
    names = rows[0]
    kinds = [type_name(types.get(name, "")) for name in names]
    right = [is_number(types.get(name, "")) for name in names]
    cells = [[fit(cell or NULL, _WIDEST) for cell in row] for row in rows[1:] if len(row) == len(names)]
    heads = [[fit(cell, _WIDEST) for cell in row] for row in ((names, kinds) if types else (names,))]
    widths = [max(map(width, column)) for column in zip(*heads, *cells, strict=True)]

    def line(row: Sequence[str], style: str) -> Text:
        padded = (
            " " * (wide - width(cell)) + cell if number else pad(cell, wide)
            for cell, wide, number in zip(row, widths, right, strict=True)
        )
        return Text("  ".join(padded), style)

    return [line(row, style) for row, style in zip(heads, ("running", "dim"), strict=False)] + [
        line(row, "text") for row in cells
    ]


def log_lines(records: Sequence[Message]) -> list[Text]:
    """The end of a step's log; records are as the live file has them, or as the catalog."""
    from datetime import datetime

    lines: list[Text] = []
    for one in records:
        when = datetime.fromtimestamp(one["t"] / 1e6).strftime("%H:%M:%S")
        level = str(one.get("level") or one.get("l") or "")
        stream = str(one.get("stream") or one.get("s") or "")
        text = str(one.get("text") if "text" in one else one.get("m", ""))
        style = {"ERROR": "failed", "CRITICAL": "failed", "WARNING": "stale"}.get(level.upper(), "")
        style = style or ("stale" if stream in ("stderr", "warnings") else "text")
        item = one.get("item") if "item" in one else one.get("i")
        lines.append(
            Text.assemble((f"{when} ", "dim"), (f"[{item}] " if item is not None else "", "dim"), (clean(text), style))
        )
    return lines
