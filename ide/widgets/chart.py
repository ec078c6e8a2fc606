"""The one place that knows plotext: curves over each other, thinned to the columns there are.

plotext is imported when the first curve is drawn; `preload` does it in a thread while nobody waits.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# plotext has no types.

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Any

from rich.color import Color
from rich.text import Text
from textual.app import RenderResult
from textual.strip import Strip
from textual.widget import Widget

Window = tuple[float, float]
_DENSER = 0.7
"""How much nearer to each other than wanted round values may be."""
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


def drawn(
    curves: Sequence[Curve],
    width: int,
    height: int,
    colours: dict[str, str],
    *,
    log: bool = False,
    window: Window | None = None,
) -> Text:
    """The plot as text of `height` lines. With `log` y is drawn by its power of ten, and 0 or less is left out;
    `window` is the part of the x axis that is shown."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    every: list[tuple[float, float]] = []
    for curve in curves:
        points = list(zip(*thin(within(curve, window), width), strict=True))
        if log:
            points = [(x, log10(y)) for x, y in points if y > 0]
        if not points:
            continue
        every += points
        marker = plotext.marker("braille", pixel=_rgb(colours.get(curve.style, "")))
        signal = figure.signal([x for x, _ in points], [y for _, y in points], marker=marker)
        figure.draw(signal.lines() if len(points) > 1 else signal)
    if every:
        xs, ys = [x for x, _ in every], [y for _, y in every]
        left, right = window or (min(xs), max(xs))
        if left < right:
            figure.ruler("x").lim(left, right)
            _tick(figure.ruler("x"), ticks(left, right, max(2, width // 14)))
        if min(ys) < max(ys):
            _tick(figure.ruler("y"), ticks(min(ys), max(ys), max(2, height // 4)), log=log)
    return Text.from_ansi(str(figure.build()).rstrip("\n"))


def within(curve: Curve, window: Window | None) -> Curve:
    """The part of a curve that is in the window."""
    if window is None:
        return curve
    inside = [at for at, x in enumerate(curve.x) if window[0] <= x <= window[1]]
    if not inside:
        return Curve(curve.name, curve.style, (), ())
    part = slice(inside[0], inside[-1] + 1)
    return Curve(curve.name, curve.style, curve.x[part], curve.y[part])


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between `low` and `high`, about `most` of them: 1, 2 or 5 times a power of ten apart."""
    apart = (high - low) / max(1, most)
    power = 10.0 ** floor(log10(apart))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= apart * _DENSER)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(at * step, 12) for at in range(first, last + 1)]


def _tick(ruler: Any, places: Sequence[float], *, log: bool = False) -> None:  # Any: plotext has no types
    if places:
        ruler.ticks(list(places), [f"{10**one if log else one:.4g}" for one in places])


def _rgb(colour: str) -> tuple[int, int, int]:
    try:
        found = Color.parse(colour.removeprefix("ansi_")).get_truecolor()
    except ValueError:
        return 128, 128, 128
    return found.red, found.green, found.blue


class Chart(Widget, can_focus=True):
    """Curves with a title and a legend; says what there is to say where there are none."""

    DEFAULT_CSS = "Chart { height: 1fr; background: $i-ground; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curves: Sequence[Curve] = ()
        self._title = ""
        self._empty = ""
        self._log = False
        self.window: Window | None = None
        self._lines: list[Text] = []
        self._made: object = None

    def show(self, title: str, curves: Sequence[Curve], *, empty: str = "", log: bool = False) -> None:
        if (title, curves, empty, log) != (self._title, self._curves, self._empty, self._log):
            if [one.name for one in curves] != [one.name for one in self._curves] or title != self._title:
                self.window = None  # another course: all of it
            self._title, self._curves, self._empty, self._log = title, curves, empty, log
            self._made = None
            self.refresh()

    def on_resize(self) -> None:
        self._made = None

    def extent(self) -> Window | None:
        """From the first to the last x of all curves."""
        xs = [x for curve in self._curves for x in (*curve.x[:1], *curve.x[-1:])]
        return (min(xs), max(xs)) if xs and min(xs) < max(xs) else None

    def zoom(self, factor: float) -> None:
        """So much finer, around the middle of what is shown; the whole where that is all there is."""
        whole = self.extent()
        if whole is None:
            return
        low, high = self.window or whole
        half = min((high - low) / factor, whole[1] - whole[0]) / 2
        self._look_at((low + high) / 2 - half, (low + high) / 2 + half, whole)

    def pan(self, by: float) -> None:
        """By a share of what is shown, to the right or to the left."""
        whole = self.extent()
        if whole is not None and self.window is not None:
            low, high = self.window
            self._look_at(low + by * (high - low), high + by * (high - low), whole)

    def _look_at(self, low: float, high: float, whole: Window) -> None:
        """Within the whole, and not finer than a thousandth of it."""
        wide = max(high - low, (whole[1] - whole[0]) / 1000)
        low = min(max(low, whole[0]), whole[1] - wide)
        self.window = None if wide >= (whole[1] - whole[0]) * 0.999 else (low, low + wide)
        self._made = None
        self.refresh()

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
        plot = drawn(self._curves, width - 1, height - 1, colours, log=self._log, window=self.window)
        return [head, *plot.split("\n")]
