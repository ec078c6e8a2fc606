"""What of a log is looked at, and how it is brought to the screen: page by page, and again while a run goes on.

What a person does with it is in `logs.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual.app import ComposeResult

from ...engine.errors import InstepError
from ..asking import Document
from ..text import clean
from ..views.live import Live, Message
from ..views.log_lines import item_of, line_of, names_width, shown
from ..views.logs import LEVELS, Counted, Looked, Manner, above, below, counted_of, nothing
from ..widgets.lines import Lines
from ..widgets.log_view import LogView
from .place import Place

BEFORE = 60
"""Rows asked for above the first that is looked at: scrolling up finds them there."""
_AGAIN = 0.05


class LogReading(Place):
    """Follows the run that goes on, or shows the newest, unless another one is `chosen`."""

    DEFAULT_CSS = "LogReading #log-head { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        """`_of` is what the rows that are there belong to, `_anchor` the line that the cursor was on last."""
        super().__init__(id=id)
        self.looked = Looked()
        self.chosen = False
        self.counted: Counted | None = None
        self.found: tuple[int, int] | None = None
        self.head, self.view = Lines(id="log-head"), LogView(id="log-lines", classes="pane")
        self.head.can_focus = False
        self._of = Looked(-1)
        self._anchor: list[Any] | None = None  # Any: JSON
        self._asking = self._arrived = False
        self._items = 0

    def compose(self) -> ComposeResult:
        self.view.border_title = "Logs"
        yield self.head
        yield self.view

    def on_mount(self) -> None:
        self.view.say(nothing(self.looked, None, "", ""))
        self.draw()

    # What comes in

    async def refresh_shown(self) -> None:
        if self.chosen:
            await self._load()
        else:
            await self._look(replace(self.looked, run=None))
        if self._arrived:
            self._arrived = False
            await self._to_match(0)

    def arrive(self, **where: Any) -> None:  # Any: a run's number, a step's name, a text to find
        if "run" in where:
            self.chosen = where["run"] is not None
            self.looked = replace(self.looked, run=where["run"])
        if "step" in where:
            self.looked = replace(self.looked, step=str(where["step"]))
        if "find" in where:
            self.looked, self._arrived = replace(self.looked, find=str(where["find"])), True

    def take(self, live: Live, message: Message) -> None:
        if message["t"] == "run" and not self.chosen:
            self.looked = replace(self.looked, run=None)
            self.view.follow(True)

    def tick(self, live: Live) -> None:
        if not self._asking and (self.counted is None or self.counted.going or self.looked.run is None):
            self.run_worker(self._load(), group="log-poll", exit_on_error=False)

    def on_log_view_wants(self, message: LogView.Wants) -> None:
        self.run_worker(self._load(message.row), group="log-rows", exclusive=True, exit_on_error=False)

    def on_log_view_changed(self) -> None:
        self.draw()

    def on_line_view_moved(self) -> None:
        self.host.draw_bars()

    async def _look(self, looked: Looked) -> None:
        """Look at something else; the cursor stays on its line, or the next one that is left."""
        self.looked = looked
        if looked.find != self.view.find:
            self.view.find, self.found = looked.find, None
        self.view.redraw()
        await self._load()

    async def _load(self, row: int | None = None) -> None:
        """Read the lines around `row`, or those that are shown; what was asked before something else was looked at is
        not shown any more."""
        asked, was = self.looked, self.view.cursor
        other = asked.turns_from(self._of)
        where = self._where(None if other else row, other=other)
        self._asking = True
        try:
            answer = await self.host.ask("log", **asked.request(), **where)
        except InstepError as error:
            if asked.same_lines(self.looked):
                self.view.say(nothing(asked, None, error.problems[0].what, error.problems[0].mend))
        else:
            if asked.same_lines(self.looked):
                self._show(answer, was, other=other)
        finally:
            self._asking = False
        self.draw()

    def _where(self, row: int | None, *, other: bool) -> Mapping[str, Any]:  # Any: JSON
        """Which page is asked for: where it was, the end where that is followed, or around the cursor's line."""
        line = self.view.at_cursor()
        self._anchor = line.anchor if line is not None else self._anchor
        anchor = {"anchor": line.anchor if line is not None else None}
        if row is not None:
            return {"offset": max(0, row - BEFORE), **anchor}
        if self.view.following or self._anchor is None:
            return {"end": True, **anchor}
        if other or not self.view.count:
            return {"anchor": self._anchor, "around": True}
        return {"offset": max(0, self.view.scroll_offset.y - BEFORE), **anchor}

    def _show(self, answer: Document, was: int, *, other: bool) -> None:
        """Show a page that was asked for when the cursor was on row `was`."""
        before, counted = self.counted, counted_of(answer)
        anew = other or counted.number != self._of.run
        self.counted, self.looked = counted, replace(self.looked, run=counted.number)
        self._of = self.looked
        rows = [line_of(one) for one in answer["rows"]]
        self._items = max([0 if anew else self._items, *(len(item_of(one)) for one in rows)])
        self._widen()
        if counted.share < 1:
            self.set_timer(_AGAIN, self._poll)
        if counted.share < 1 or not counted.matching:
            self.view.say(nothing(self.looked, counted, "", ""))
            return
        if anew:
            self.found = None
        at: int | None = answer["anchor"]
        if anew or not self.view.count:
            at = counted.matching - 1 if at is None else at
        elif at is not None:
            at = self.view.cursor + at - was  # it may have moved since, and so may its line
        grown = before is not None and before.total != counted.total
        self.view.show_page(counted.matching, answer["offset"], rows, at, anew=anew or grown)

    def _poll(self) -> None:
        self.run_worker(self._load(), group="log-poll", exit_on_error=False)

    def draw(self) -> None:
        width, counted = self.size.width, self.counted or Counted()
        manner = Manner(self.view.following, self.view.wrap, self.view.aside)
        self.head.show([above(self.looked, counted, self.found, manner, width)])
        self.view.border_subtitle = Text(below(counted) if self.counted and counted.number is not None else "")

    def on_resize(self) -> None:
        self._widen()
        self.draw()

    def _widen(self) -> None:
        """Room for the names of steps, with the longest item that was seen."""
        names = (self.counted.by_step if self.counted else None) or ()
        self.view.names = names_width(names, self._items, self.size.width)

    async def _to_match(self, by: int) -> None:
        asked = self.looked
        if not asked.find:
            return
        request = {**asked.request(), "find": asked.find, "row": max(0, self.view.cursor), "by": by}
        try:
            answer = await self.host.ask("log_find", **request)
        except InstepError as error:
            self.host.say(error.problems[0].what, "failed")
            return
        if asked != self.looked:
            return
        self.found = (answer["index"], answer["count"])
        if answer["row"] is not None:
            self.view.move_to(answer["row"])
        else:
            self.host.say(f"no line has “{shown(asked.find)}”", "stale")
        self.draw()

    def footer(self) -> str:
        line = self.view.at_cursor()
        return f"line {self.view.cursor + 1:,}  {clean(line.stream)} " if line is not None else ""

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        return {"wrap": self.view.wrap, "level": self.looked.level}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON
        self.view.wrap = bool(kept.get("wrap"))
        if kept.get("level") in LEVELS:
            self.looked = replace(self.looked, level=str(kept["level"]))
