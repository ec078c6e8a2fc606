"""6 Time: when each step of a run ran, what it waited for, and where the time went."""

import time
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.worker import Worker

from ...engine.errors import InstepError
from ..asking import Document
from ..text import clean, seconds
from ..views.charting import chart_of
from ..views.gantt import title
from ..views.live import Live, Message
from ..views.sums import below, figures
from ..views.timeline import Chart
from ..widgets.gantt import Gantt
from ..widgets.line_view import LineView
from ..widgets.lines import Lines
from .asking_run import asked_run
from .place import Place

_FACTOR = 2.0
_LOW, _LOWEST = 30, 18
"""Below so many rows of the terminal the sums have fewer, or are not shown."""


class TimePlace(Place):
    """Shows the run that goes on, or the newest, unless another one is `chosen`."""

    DEFAULT_CSS = """
    TimePlace #time-none { height: 1fr; }
    TimePlace #time-chart { height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.number: int | None = None
        self.chosen = False
        self.chart: Chart | None = None
        self.box = Vertical(Gantt(id="time-gantt"), id="time-chart", classes="pane")
        self.sums, self.none = Lines(id="time-sums", classes="pane"), Lines(id="time-none", classes="pane")
        self._document: Document | None = None
        self._outdated = True
        self._asking = False
        self._arrived = ""
        self.sums.can_focus = self.none.can_focus = False

    def compose(self) -> ComposeResult:
        self.sums.border_title = "Where the time went"
        self.none.border_title = "Timeline"
        yield self.none
        yield self.box
        yield self.sums

    def on_mount(self) -> None:
        self._say([("… reading the run", "running")])

    @property
    def gantt(self) -> Gantt:
        return self.query_one(Gantt)

    # What comes in

    async def refresh_shown(self) -> None:
        await self._load()

    def arrive(self, **where: Any) -> None:  # Any: a run's number, a step's name
        if "run" in where:
            self.chosen, self.number = where["run"] is not None, where["run"]
        self._arrived = str(where.get("step", ""))

    def take(self, live: Live, message: Message) -> None:
        inner = message["message"]["t"] if message["t"] == "elsewhere" else message["t"]
        self._outdated = self._outdated or inner in ("run", "step", "ran", "over")

    def tick(self, live: Live) -> None:
        if self._outdated and not self._asking:
            self.run_worker(self._load(), group="time", exit_on_error=False)
        else:
            self.draw()

    def on_line_view_opened(self) -> None:
        self.action_open()

    def on_line_view_moved(self, message: LineView.Moved) -> None:
        self.host.draw_bars()

    async def _load(self) -> None:
        self._asking, self._outdated = True, False
        number = self.number if self.chosen else None
        try:
            answer = await self.host.ask("timeline", number=number)
        except InstepError as error:
            problem = error.problems[0]
            self._say([(f"✗ {clean(problem.what)}", "failed"), (f"  {clean(problem.mend)}", "text")])
            return
        finally:
            self._asking = False
        if number == (self.number if self.chosen else None):
            self._take_in(answer)

    def _take_in(self, answer: Document) -> None:
        if answer["number"] is None:
            self._say([("Nothing was run here yet.", "text"), ("`1` then `r` runs the steps.", "dim")])
        elif not answer["steps"] and not answer["going"]:
            self._say(
                [(f"Run {answer['number']} ended before any step did.", "text"), ("`[` goes to the run before.", "dim")]
            )
            self.number = answer["number"]
        else:
            self._document, self.number = answer, answer["number"]
            self.draw()

    def _say(self, told: list[tuple[str, str]]) -> None:
        """Say this in place of a chart."""
        self.chart, self._document = None, None
        self.none.show([Text(), *(Text(f"  {text}", style) for text, style in told)])
        self._which(chart=False)

    def _which(self, *, chart: bool) -> None:
        self.none.display, self.box.display, self.sums.display = not chart, chart, chart

    def draw(self) -> None:
        """Draw what is known for this moment."""
        if self._document is None:
            return
        first = self.chart is None
        chart = self.chart = chart_of(self._document, self.host.live, time.time())
        self.box.border_title, self.box.border_subtitle = Text(title(chart)), Text(below(chart))
        self._which(chart=True)
        if first and self.host.focused in (None, self):
            self.gantt.bars.focus()
        self.gantt.show(chart)
        if self._arrived:
            self.gantt.bars.to_step(self._arrived)
            self._arrived = ""
        lines = figures(chart, self.size.width - 4, 5 if self.host.size.height < _LOW else 7)
        self.sums.styles.height = len(lines) + 2
        self.sums.show(lines)
        self.sums.display = self.host.size.height >= _LOWEST

    def on_resize(self) -> None:
        self.draw()

    # Actions

    def why_not(self, action: str) -> str:
        if self.chart is None and action in ("open", "copy", "finer", "coarser", "older_run", "newer_run"):
            return "there is no run here"
        if self.chart is not None and action == "coarser" and self.gantt.bars.scale is None:
            return "the whole run is shown"
        return ""

    def footer(self) -> str:
        row = next((one for one in self.chart.rows if one.step == self.gantt.bars.step), None) if self.chart else None
        if row is None or self.chart is None or not row.spans:
            return ""
        waited = f", waited {seconds(row.waited)}" if row.waited else ""
        return (
            f"{clean(row.step)}: from {seconds(row.spans[0].start)} for {seconds(row.worked(self.chart.now))}{waited} "
        )

    def action_open(self) -> None:
        if self.gantt.bars.step:
            self.host.go("pipeline", step=self.gantt.bars.step)

    def action_copy(self) -> None:
        chart = self.chart
        row = next((one for one in chart.rows if one.step == self.gantt.bars.step), None) if chart else None
        if row is not None and chart is not None:
            self.host.copy(f"{clean(row.step)} {seconds(row.worked(chart.now))}")

    def action_finer(self) -> None:
        self.gantt.bars.zoom(_FACTOR)

    def action_coarser(self) -> None:
        self.gantt.bars.zoom(1 / _FACTOR)

    def action_older_run(self) -> None:
        self._to(self.chart.older if self.chart else None, "older")

    def action_newer_run(self) -> None:
        self._to(self.chart.newer if self.chart else None, "newer")

    def action_choose_run(self) -> Worker[None]:
        return self.run_worker(self._ask_run(), group="time-ask", exclusive=True, exit_on_error=False)

    async def _ask_run(self) -> None:
        number = await asked_run(self.host, self.number)
        if number is not None:
            self._to(number, "such")

    def _to(self, number: int | None, which: str) -> None:
        if number is None:
            self.host.say(f"there is no {which} run", "stale")
            return
        self.chosen, self.number = True, number
        self.gantt.bars.scale = None
        self.run_worker(self._load(), group="time", exclusive=True, exit_on_error=False)
