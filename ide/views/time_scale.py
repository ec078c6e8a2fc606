"""From seconds to columns: how fine a chart is, where it begins, and the labels above it. Pure functions."""

from dataclasses import dataclass, replace

from rich.text import Text

from ..text import pad
from .timeline import Chart

LABEL = 22
"""Columns right of the last bar for what is said of it."""
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_HOURS = 3600
_APART = 9
"""Columns between ticks, at least."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`per` seconds a column, the first of `columns` at `left` seconds."""

    per: float
    left: float
    columns: int

    def column(self, moment: float) -> int:
        """May be outside what is shown."""
        return round((moment - self.left) / self.per)


def fitting(chart: Chart, columns: int) -> Scale:
    """The whole run, with room for what is said of the last bar."""
    room = max(10, columns - LABEL)
    return Scale(max(chart.end, 0.001) / room, 0.0, columns)


def zoomed(scale: Scale, factor: float, chart: Chart) -> Scale:
    """So much finer, around the middle; never coarser than the whole run, never finer than a millisecond a column."""
    whole = fitting(chart, scale.columns).per
    per = min(whole, max(0.001, scale.per / factor))
    middle = scale.left + scale.per * scale.columns / 2
    return moved(replace(scale, per=per, left=middle - per * scale.columns / 2), 0, chart)


def moved(scale: Scale, columns: int, chart: Chart) -> Scale:
    """So many columns to the right, within the run."""
    most = max(0.0, chart.end - scale.per * max(10, scale.columns - LABEL))
    return replace(scale, left=min(max(0.0, scale.left + columns * scale.per), most))


def axis(scale: Scale, names: int) -> Text:
    """The line of time: a label at every tick."""
    every = next((one for one in _TICKS if one / scale.per >= _APART), 0.0)
    while not every or every / scale.per < _APART:
        every = every * 2 if every else _HOURS * 2
    cells = [" "] * scale.columns
    tick = max(0, round(scale.left / every))
    while (at := scale.column(tick * every)) < scale.columns:
        label = _moment(tick * every)
        if at >= 0 and at + len(label) <= scale.columns:
            cells[at : at + len(label)] = label
        tick += 1
    return Text.assemble((pad("  step", names + 4), "dim"), ("".join(cells), "dim"), no_wrap=True, end="")


def _moment(value: float) -> str:
    if value < 60:
        return f"{value:g}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"
