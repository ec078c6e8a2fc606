"""The rows of a run drawn along a line of time. Pure functions.

Marks say what colours say: `█` is on the longest chain and `▆` is not, `░` waited for a worker, `▶` is now, `╌` is
expected, `✗` failed, `↻` was tried again, `‖` was ended.
"""

from itertools import groupby
from operator import itemgetter

from rich.text import Text

from ..text import clean, fit, pad, plural, seconds, width
from .time_scale import Scale
from .timeline import Chart, Row, Span

HEIGHTS = "▁▂▃▄▅▆▇█"
_SHORTEST = 8
"""Columns of a label that has no room."""
_STYLES = {"done": "ok", "failed": "failed", "running": "running", "cancelled": "dim", "interrupted": "dim"}
_ENDS = {"failed": "✗", "cancelled": "‖", "interrupted": "‖"}


def names_width(chart: Chart, columns: int) -> int:
    longest = max((width(clean(one.step)) for one in chart.rows), default=4)
    return min(longest, 24 if columns >= 100 else 12)


def bar_line(row: Row, chart: Chart, scale: Scale, names: int) -> Text:
    """One step: its mark and name, its bars, and what is to be said of it right of them."""
    mark, style = _mark(row)
    name = "text.bold" if row.step in chart.critical else "text"
    line = Text.assemble(
        (f"{mark} ", style), (pad(fit(clean(row.step), names), names) + "  ", name), no_wrap=True, end=""
    )
    cells = _Cells(scale)
    solid = "█" if row.step in chart.critical else "▆"
    if row.waited:
        cells.fill(row.ready or 0.0, row.spans[0].start, "░", "dim")
    if row.waits:
        cells.fill(row.ready or 0.0, chart.now, "░", "dim")
    for at, span in enumerate(row.spans):
        _draw(cells, row, span, solid, chart.now, last=at == len(row.spans) - 1)
    if row.expected is not None and row.rest() > 0:
        cells.fill(row.expected[0], row.expected[1], "╌", "running" if row.going else "dim")
    if row.going:
        cells.put(scale.column(chart.now), "▶", "running.bold")
    return line.append_text(cells.text(_label(row, chart), _label_style(row), _beyond(row, chart, scale)))


def _beyond(row: Row, chart: Chart, scale: Scale) -> str:
    """Which way its bar is, where it is not on the screen."""
    if not row.spans:
        return ""
    end = row.spans[-1].end
    last = row.expected[1] if row.expected is not None else chart.now if end is None else end
    if scale.column(last) < 0:
        return "‹"
    return "›" if scale.column(min(row.spans[0].start, row.ready or row.spans[0].start)) >= scale.columns else ""


def _draw(cells: "_Cells", row: Row, span: Span, solid: str, now: float, *, last: bool) -> None:
    end = now if span.end is None else span.end
    style = "remote" if row.target != "local" and span.state in ("done", "running") else _STYLES.get(span.state, "ok")
    if row.parallel:
        _draw_items(cells, row, span.start, end, style)
    else:
        cells.fill(span.start, end, "⇡" if style == "remote" else solid, style)
    mark = _ENDS.get(span.state, "") if last else "↻"
    if mark:
        cells.put(max(cells.scale.column(span.start), cells.scale.column(end) - 1), mark, f"{_STYLES[span.state]}.bold")


def _draw_items(cells: "_Cells", row: Row, start: float, end: float, style: str) -> None:
    """A fan-out: the more items at once, the higher."""
    scale, bins = cells.scale, len(row.parallel)
    first, last = scale.column(start), max(scale.column(start) + 1, scale.column(end))
    for at in range(max(0, first), min(scale.columns, last)):
        begin = (at - first) * bins // (last - first)
        part = row.parallel[begin : max(begin + 1, (at - first + 1) * bins // (last - first))]
        level = max(part) / max(1, row.peak)
        cells.put(at, HEIGHTS[min(7, max(0, round(level * 8) - 1))], style)


def _mark(row: Row) -> tuple[str, str]:
    if row.going:
        return "▶", "running"
    match row.state:
        case "reused":
            return "✓", "dim"
        case "done":
            return "✓", "ok"
        case "failed":
            return "✗", "failed"
        case "waiting" | "running":
            return "◌", "stale"
        case _:
            return "‖", "dim"


def _label(row: Row, chart: Chart) -> str:
    """What is said right of the bar."""
    took = seconds(row.worked(chart.now))
    if row.going:
        share = f"{row.share:.0%}  " if row.share is not None else ""
        return f"{share}eta {seconds(row.rest())}" if row.expected is not None else f"{share}{took}"
    items = _items(row)
    match row.state:
        case "reused":
            return f"✓ cached, saved {seconds(row.saved)}" if row.saved is not None else "✓ cached"
        case "waiting":
            wait = "waits  " if row.waits else ""
            return (
                f"{wait}~{seconds(row.rest())}"
                if row.rest() > 0
                else wait or ("" if row.expected else "not run before")
            )
        case "failed":
            return f"{took}  {items or clean(row.error)}".rstrip()
        case "done":
            return f"{took}  {items}".rstrip()
        case _:
            return f"‖ {row.state}" + (f" {took}" if row.spans else "")


def _items(row: Row) -> str:
    if not row.items:
        return ""
    every = sum(row.items.values())
    told = [plural(every, "item")]
    told += [f"{row.items[state]:,} {word}" for state, word in _SAID if row.items.get(state)]
    return " · ".join([*told, f"{row.peak} at once"] if row.peak > 1 else told)


_SAID = (("failed", "failed"), ("reused", "cached"))


def _label_style(row: Row) -> str:
    return {"failed": "failed", "reused": "dim", "waiting": "dim"}.get(row.state, "running" if row.going else "text")


class _Cells:
    """A line of characters, each with its style."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._chars = [" "] * scale.columns
        self._styles = [""] * scale.columns

    def put(self, at: int, char: str, style: str) -> None:
        if 0 <= at < self.scale.columns:
            self._chars[at], self._styles[at] = char, style

    def fill(self, start: float, end: float, char: str, style: str) -> None:
        """At least one column: what took no time to speak of was there."""
        first = self.scale.column(start)
        for at in range(max(0, first), min(self.scale.columns, max(first + 1, self.scale.column(end)))):
            self.put(at, char, style)

    def text(self, label: str, style: str, beyond: str) -> Text:
        """With the label where there is room: right of what is drawn, else left of it, else cut."""
        columns = self.scale.columns
        drawn = [at for at, char in enumerate(self._chars) if char != " "]
        if not drawn:
            label = {"‹": f"‹ {label}", "›": f"{label} ›"}.get(beyond, label)
            return Text(fit(label, columns).rjust(columns if beyond == "›" else 0), style, no_wrap=True, end="")
        if drawn[-1] + 2 + width(label) <= columns:
            return self._inked(0, drawn[-1] + 1).append(f" {label}", style)
        if width(label) < drawn[0]:
            space = " " * (drawn[0] - 1 - width(label))
            left = Text.assemble(space, (f"{label} ", style), no_wrap=True, end="")
            return left.append_text(self._inked(drawn[0], drawn[-1] + 1))
        room = max(_SHORTEST, columns - drawn[-1] - 2)
        return self._inked(0, min(drawn[-1] + 1, columns - room - 1)).append(f" {fit(label, room)}", style)

    def _inked(self, begin: int, end: int) -> Text:
        line = Text(no_wrap=True, end="")
        cells = zip(self._styles[begin:end], self._chars[begin:end], strict=True)
        for style, run in groupby(cells, key=itemgetter(0)):
            line.append("".join(char for _, char in run), style or None)
        return line


def title(chart: Chart) -> str:
    return f"Timeline  run {chart.number}"
