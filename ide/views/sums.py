"""Where the time of a run went, in words and numbers. Pure functions."""

from rich.text import Text

from ..text import clean, fit, pad, plural, seconds
from .timeline import Chart, Row

_NARROW = 100
"""Below so many columns only the numbers are told."""
_LEGEND = (
    ("█", "critical path"),
    ("▆", "other"),
    ("░", "waits for a worker"),
    ("╌", "expected"),
    ("▂▅█", "items at once"),
)


def below(chart: Chart) -> str:
    """In the frame: how long, and the longest chain."""
    length = f"{seconds(chart.now)} so far" if chart.going else f"{chart.state} in {seconds(chart.now)}"
    path = " → ".join(clean(one) for one in chart.critical)
    return f"{length} · critical path: {path}" if path else length


def figures(chart: Chart, columns: int, rows: int) -> list[Text]:
    """In `rows` lines: the longest steps with what they took before, beside the sums; last what the marks mean."""
    right = _sums(chart, narrow=columns < _NARROW)
    room = columns - max(one.cell_len for one in right) - 2
    longest = chart.longest()[: max(1, rows - 1)]
    left = [_longest(one, chart, room) for one in longest] or [Text("no step has run", "dim")]
    lines: list[Text] = []
    for at in range(min(max(1, rows - 1), max(len(left), len(right)))):
        line = left[at] if at < len(left) else Text(no_wrap=True, end="")
        line.truncate(room, overflow="ellipsis")
        line.pad_right(max(0, room - line.cell_len) + 2)
        lines.append(line.append_text(right[at]) if at < len(right) else line)
    return [*lines, legend(columns)]


def _longest(row: Row, chart: Chart, room: int) -> Text:
    names = min(24, max(8, room - 32))
    line = Text.assemble(
        (pad(fit(clean(row.step), names), names), "text.bold" if row.step in chart.critical else "text"),
        (f" {seconds(row.worked(chart.now)):>7}", "running" if row.going else "text"),
        no_wrap=True,
        end="",
    )
    before = f"  (run {row.before[0]}: {seconds(row.before[1])})" if row.before else "  (first time)"
    waited = f"  waited {seconds(row.waited)}" if row.waited >= _WORTH else ""
    for part, style in ((before, "dim"), (waited, "stale")):
        if line.cell_len + len(part) <= room:
            line.append(part, style)
    return line


_WORTH = 0.1
"""Seconds of waiting that are worth a word."""


def _sums(chart: Chart, *, narrow: bool) -> list[Text]:
    reused = sum(one.state == "reused" for one in chart.rows)
    worked = sum(one.worked(chart.now) for one in chart.rows)
    told = (
        ("saved by re-use", seconds(chart.saved) if chart.saved else "–", plural(reused, "step")),
        ("critical path", seconds(chart.critical_seconds), _share(chart.critical_seconds, chart.end)),
        ("steps in sum", seconds(worked), f"{worked / chart.now:.1f} at once" if chart.now > 0 else ""),
        ("waiting in sum", seconds(chart.waited) if chart.waited else "–", "for a worker"),
    )
    return [
        Text.assemble(
            (pad(name, 16), "dim"), (f"{took:>7}", "text"), ("" if narrow else pad(f"  {of}", 18), "dim"), end=""
        )
        for name, took, of in told
    ]


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%} of the run" if whole > 0 else ""


def legend(columns: int) -> Text:
    """As much of it as there is room for."""
    line = Text(no_wrap=True, end="")
    for mark, word in _LEGEND:
        if line.cell_len + len(mark) + len(word) + 1 <= columns:
            line.append(mark, "text").append(f" {word}   ", "dim")
    return line
