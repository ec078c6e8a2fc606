"""Two runs along one line of time, one below the other. Pure functions."""

from collections.abc import Sequence

from rich.text import Text

from ..text import clean, seconds
from .gantt import bar_line, names_width
from .time_scale import axis, fitting
from .timeline import Chart


def two_charts(charts: Sequence[tuple[str, Chart | None]], columns: int) -> list[Text]:
    """Each with its label (`A 41`), every bar on the scale of the run that took longer; None for what has no times."""
    drawn = [one for _, one in charts if one is not None]
    if not drawn:
        return [Text("neither has run", "dim")]
    longest = max(drawn, key=lambda one: one.end)
    names = max(names_width(one, columns) for one in drawn)
    scale = fitting(longest, max(10, columns - names - 4))
    lines = [axis(scale, names)]
    for label, chart in charts:
        ink = f"side-{label[:1].lower()}.bold"
        if chart is None:
            lines.append(Text.assemble((f" {clean(label)}", ink), ("  has not run", "dim")))
            continue
        took = f"  {seconds(chart.now)}{' so far' if chart.going else ''}"
        path = " → ".join(clean(one) for one in chart.critical)
        told = Text.assemble(
            (f" {clean(label)}", ink), (took, "text"), (f" · critical path: {path}" if path else "", "dim")
        )
        lines.append(told)
        lines += [bar_line(row, chart, scale, names) for row in chart.rows]
    return lines
