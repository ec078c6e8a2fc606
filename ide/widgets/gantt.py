"""A run along a line of time: the line above, a row a step below; it is moved and scaled, never squeezed."""

from textual.app import ComposeResult
from textual.containers import Vertical

from ..views.gantt import bar_line, names_width
from ..views.time_scale import Scale, axis, fitting, moved, zoomed
from ..views.timeline import Chart
from .line_view import LineView
from .lines import Lines


class Bars(LineView):
    """The rows. The scale fits the run until it is changed, and again when it is as coarse as that."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chart: Chart | None = None
        self.scale: Scale | None = None

    def show(self, chart: Chart) -> None:
        """The cursor stays on its step."""
        step = self.step
        self.chart = chart
        at = next((row for row, one in enumerate(chart.rows) if one.step == step), None)
        self.show_lines(len(chart.rows), at)

    @property
    def step(self) -> str:
        """The step under the cursor."""
        rows = self.chart.rows if self.chart is not None else ()
        return rows[self.cursor].step if 0 <= self.cursor < len(rows) else ""

    def to_step(self, step: str) -> None:
        for at, one in enumerate(self.chart.rows if self.chart is not None else ()):
            if one.step == step:
                self.move_to(at)

    def drawn(self, chart: Chart) -> tuple[Scale, int]:
        """The scale for the room there is, and the width of names."""
        room = self.scrollable_content_region.width
        names = names_width(chart, room)
        columns = max(10, room - names - 4)
        if self.scale is None:
            return fitting(chart, columns), names
        return moved(Scale(self.scale.per, self.scale.left, columns), 0, chart), names

    def line(self, index: int):
        assert self.chart is not None, "there are no lines before there is a chart"
        scale, names = self.drawn(self.chart)
        return bar_line(self.chart.rows[index], self.chart, scale, names)

    def action_left(self) -> None:
        self._move(-1)

    def action_right(self) -> None:
        self._move(1)

    def _move(self, way: int) -> None:
        if self.chart is not None:
            scale, _ = self.drawn(self.chart)
            self._scale(moved(scale, way * max(1, scale.columns // 8), self.chart))

    def zoom(self, factor: float) -> None:
        if self.chart is not None:
            self._scale(zoomed(self.drawn(self.chart)[0], factor, self.chart))

    def _scale(self, scale: Scale) -> None:
        assert self.chart is not None, "only a chart has a scale"
        self.scale = None if scale.per >= fitting(self.chart, scale.columns).per else scale
        self.redraw()
        if isinstance(self.parent, Gantt):
            self.parent.redraw_axis()


class Gantt(Vertical):
    """`show` gives it a chart; the rows post `LineView.Moved` and `LineView.Opened`."""

    DEFAULT_CSS = "Gantt Lines { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.axis, self.bars = Lines(id="time-axis"), Bars(id="time-bars")
        self.axis.can_focus = False

    def compose(self) -> ComposeResult:
        yield self.axis
        yield self.bars

    def show(self, chart: Chart) -> None:
        self.bars.show(chart)
        self.redraw_axis()

    def redraw_axis(self) -> None:
        if self.bars.chart is not None and self.bars.scrollable_content_region.width:
            self.axis.show([axis(*self.bars.drawn(self.bars.chart))])

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw_axis)
