"""The one place that knows plotext: curves over each other, thinned to the columns there are.

plotext is imported when the first curve is drawn; `preload` does it in a thread while nobody waits.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# plotext has no types.

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10

from rich.color import Color
from rich.text import Text
from textual.app import RenderResult
from textual.strip import Strip
from textual.widget import Widget

LEAST = (20, 5)
"""Columns and rows below which a plot tells nothing."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by x; `style` is a colour by meaning (`side-a`). None where a value is not a number."""

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float | None]


def preload() -> None:
    import plotext

    del plotext


def thin(curve: Curve, columns: int) -> tuple[list[float], list[float]]:
    """At most four points a column: first, smallest, largest and last of each, so that no spike is lost."""
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if y is not None and isfinite(y)]
    if len(points) > 4 * columns:
        kept: list[tuple[float, float]] = []
        for one in range(columns):
            part = points[one * len(points) // columns : (one + 1) * len(points) // columns]
            heights = [y for _, y in part]
            chosen = {0, len(part) - 1, heights.index(min(heights)), heights.index(max(heights))}
            kept += [part[index] for index in sorted(chosen)]
        points = kept
    return [x for x, _ in points], [y for _, y in points]


def drawn(curves: Sequence[Curve], width: int, height: int, colours: dict[str, str], *, log: bool = False) -> Text:
    """The plot as text of `height` lines. With `log` y is the power of ten, and 0 or less is left out."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    for curve in curves:
        x, y = thin(curve, width)
        if log:
            kept = [(a, log10(b)) for a, b in zip(x, y, strict=True) if b > 0]
            x, y = [a for a, _ in kept], [b for _, b in kept]
        if not x:
            continue
        marker = plotext.marker("braille", pixel=_rgb(colours.get(curve.style, "")))
        signal = figure.signal(x, y, marker=marker)
        figure.draw(signal.lines() if len(x) > 1 else signal)
    return Text.from_ansi(str(figure.build()).rstrip("\n"))


def _rgb(colour: str) -> tuple[int, int, int]:
    try:
        found = Color.parse(colour.removeprefix("ansi_")).get_truecolor()
    except ValueError:
        return 128, 128, 128
    return found.red, found.green, found.blue


class Chart(Widget):
    """Curves with a title and a legend; says what there is to say where there are none."""

    DEFAULT_CSS = "Chart { height: 1fr; background: $i-ground; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curves: Sequence[Curve] = ()
        self._title = ""
        self._empty = ""
        self._log = False
        self._lines: list[Text] = []
        self._made: object = None

    def show(self, title: str, curves: Sequence[Curve], *, empty: str = "", log: bool = False) -> None:
        if (title, curves, empty, log) != (self._title, self._curves, self._empty, self._log):
            self._title, self._curves, self._empty, self._log = title, curves, empty, log
            self._made = None
            self.refresh()

    def on_resize(self) -> None:
        self._made = None

    def render(self) -> RenderResult:
        return ""

    def render_line(self, y: int) -> Strip:
        ground = self.app.console.get_style("ground")
        key = (self.size, self.app.theme)
        if self._made != key:
            self._made, self._lines = key, self._make()
        if y >= len(self._lines):
            return Strip.blank(self.size.width, ground)
        strip = Strip(list(self._lines[y].render(self.app.console))).apply_style(ground)
        return strip.adjust_cell_length(self.size.width, ground)

    def _make(self) -> list[Text]:
        from ..themes import DARK, PALETTES

        width, height = self.size
        if not self._curves:
            return [Text(), Text(f" {self._empty}", "dim")]
        if width < LEAST[0] or height < LEAST[1] + 1:
            return [Text(" no room for a plot", "dim")]
        head = Text.assemble((f"  {self._title}", "text.bold"), ("  log" if self._log else "", "dim"))
        for curve in self._curves:
            head.append("   ").append("━━ ", curve.style).append(curve.name, "text")
        colours = dict(PALETTES.get(self.app.theme, DARK))
        plot = drawn(self._curves, width - 1, height - 1, colours, log=self._log)
        return [head, *plot.split("\n")]
