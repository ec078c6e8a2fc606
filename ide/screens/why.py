"""`w`: why a run failed, or why a metric is not what it was, back to the causes; enter opens one in Compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key, Resize
from textual.screen import ModalScreen

from ...engine.errors import InstepError
from ..text import clean
from ..views.why import Line, page
from ..widgets.line_view import LineView
from ..widgets.lines import Choices
from .place import Host

_AGAIN = 2.0
"""Seconds between looks at a run that goes on."""
Opened = tuple[str, str, tuple[str, str]]
"""Run A, run B, and the kind and subject of the difference to look at."""


class Causes(Choices):
    """Only what can be opened can be stood on."""

    told: Sequence[Line] = ()

    def selectable(self, index: int) -> bool:
        return index < len(self.told) and self.told[index].one is not None


class Why(ModalScreen[Opened | None]):
    """Reads what it shows; answers with the difference that was chosen."""

    DEFAULT_CSS = """
    Why { align: center middle; }
    Why Vertical { width: 112; max-width: 98%; height: 86%; border: round $i-running; background: $i-ground; }
    """

    def __init__(self, host: Host, number: int, baseline: int | None, metric: str = "") -> None:
        super().__init__()
        self._host, self._number, self._baseline = host, number, baseline
        self._answer: Mapping[str, Any] | None = None  # Any: JSON
        self._metric = metric
        self._box, self._list = Vertical(), Causes()

    def compose(self) -> ComposeResult:
        self._box.border_title = f"Why run {self._number} is as it is"
        self._box.border_subtitle = "enter opens it in Compare · h l another metric · esc close"
        with self._box:
            yield self._list

    def on_mount(self) -> None:
        self._list.focus()
        self._list.show([Text("… looking for causes", "running")])
        self._read()

    def on_resize(self, event: Resize) -> None:
        self._draw()

    @work(exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        try:
            answer = await self._host.host.ask("why", number=self._number, baseline=self._baseline, metric=self._metric)
        except InstepError as error:
            problem = error.problems[0]
            self._list.show([Text(f"✗ {clean(problem.what)}", "failed"), Text(clean(problem.mend), "text")])
            return
        self._answer = answer
        if answer["metric"] is not None:
            self._metric = str(answer["metric"]["metric"]["subject"])
        if answer["failure"] is not None:
            self._box.border_title = f"Why run {self._number} failed"
        elif answer["against"] is not None:
            self._box.border_title = f"Why run {self._number} is not as run {answer['against']}"
        self._draw()
        if answer["going"]:
            self.set_timer(_AGAIN, self._read)

    def _draw(self) -> None:
        if self._answer is not None:
            self._list.told = page(self._answer, self._metric, max(40, self._list.size.width - 2))
            self._list.show([one.text for one in self._list.told])

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        message.stop()
        self._open()

    def _open(self) -> None:
        at, answer = self._list.cursor, self._answer
        one = self._list.told[at].one if 0 <= at < len(self._list.told) else None
        if answer is None or one is None:
            return
        before = answer["failure"]["last_good"] if answer["failure"] is not None else answer["against"]
        self.dismiss((str(before), str(self._number), (one.kind, one.subject)))

    def _other(self, by: int) -> None:
        names = list(self._answer["metrics"]) if self._answer is not None else []
        if len(names) > 1 and self._metric in names:
            self._metric = names[(names.index(self._metric) + by) % len(names)]
            self._read()

    def on_key(self, event: Key) -> None:
        event.stop()
        match event.key:
            case "j" | "down":
                self._list.action_down()
            case "k" | "up":
                self._list.action_up()
            case "ctrl+d" | "pagedown":
                self._list.action_half_down()
            case "ctrl+u" | "pageup":
                self._list.action_half_up()
            case "g" | "home":
                self._list.action_first()
            case "G" | "end":
                self._list.action_last()
            case "h" | "left":
                self._other(-1)
            case "l" | "right":
                self._other(1)
            case "enter":
                self._open()
            case "escape" | "q" | "w":
                self.dismiss(None)
            case _:
                pass
