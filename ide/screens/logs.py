"""5 Logs: what the steps of a run printed and logged, as it comes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.suggester import SuggestFromList
from textual.worker import Worker

from ...engine.errors import InstepError
from ..asking import Document
from ..text import clean
from ..views.live import Live, Message
from ..views.log_lines import item_of, line_of, names_width, shown
from ..views.logs import LEVELS, Counted, Looked, Manner, above, below, counted_of, nothing
from ..widgets.lines import Lines
from ..widgets.log_view import LogView
from .cancelling import cancel
from .place import Place

BEFORE = 60
"""Rows asked for above the first that is looked at: scrolling up finds them there."""
_AGAIN = 0.05


class LogsPlace(Place):
    """Follows the run that goes on, or shows the newest, unless another one is `chosen`."""

    DEFAULT_CSS = "LogsPlace #log-head { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.looked = Looked()
        self.chosen = False
        self.counted: Counted | None = None
        self.found: tuple[int, int] | None = None
        self.head, self.view = Lines(id="log-head"), LogView(id="log-lines", classes="pane")
        self.head.can_focus = False
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
        self.run_worker(self._load(message.row), group="log", exclusive=True, exit_on_error=False)

    def on_log_view_changed(self) -> None:
        self.draw()

    def on_line_view_opened(self) -> None:
        self.action_open()

    def on_line_view_moved(self) -> None:
        self.host.draw_bars()

    async def _look(self, looked: Looked) -> None:
        """Look at something else; the cursor stays on its line, or the next one that is left."""
        anew, self.looked = not looked.same_lines(self.looked), looked
        if looked.find != self.view.find:
            self.view.find, self.found = looked.find, None
        self.view.redraw()
        await self._load(anew=anew)

    async def _load(self, row: int | None = None, *, anew: bool = False) -> None:
        asked = self.looked
        self._asking = True
        try:
            answer = await self.host.ask("log", **asked.request(), **self._where(row, anew=anew))
        except InstepError as error:
            if asked.same_lines(self.looked):
                self.view.say(nothing(asked, None, error.problems[0].what, error.problems[0].mend))
        else:
            if asked.same_lines(self.looked):
                self._show(answer, anew=anew)
        finally:
            self._asking = False
        self.draw()

    def _where(self, row: int | None, *, anew: bool) -> Mapping[str, Any]:  # Any: JSON
        """Which page is asked for: where it was, the end where that is followed, or around the cursor's line."""
        line = self.view.at_cursor()
        anchor = {"anchor": line.anchor} if line is not None else {}
        if row is not None:
            return {"offset": max(0, row - BEFORE), **anchor}
        if self.view.following or line is None:
            return {"end": True}
        return {**anchor, "around": True} if anew else {**anchor, "offset": max(0, self.view.scroll_offset.y - BEFORE)}

    def _show(self, answer: Document, *, anew: bool) -> None:
        before, counted = self.counted, counted_of(answer)
        self.counted = counted
        self.looked = replace(self.looked, run=counted.number)
        view, same = self.view, before is not None and before.number == counted.number
        rows = [line_of(one) for one in answer["rows"]]
        self._items = max([self._items if same else 0, *(len(item_of(one)) for one in rows)])
        self._widen()
        if counted.share < 1:
            self.set_timer(_AGAIN, self._poll)
        if counted.share < 1 or not counted.matching:
            view.say(nothing(self.looked, counted, "", ""))
            return
        if anew and (before is None or before.matching != counted.matching or not same):
            self.found = None
        grown = before is not None and before.total != counted.total
        at: int | None = answer["anchor"]
        if view.at_cursor() is not None and at is None and not view.following:
            at = counted.matching - 1 if anew else None
        view.show_page(counted.matching, answer["offset"], rows, at, anew=anew or grown or not same)

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

    # Actions

    def why_not(self, action: str) -> str:
        here = self.view.at_cursor()
        match action:
            case "cancel" if not self.host.live.going:
                return "no run is going on"
            case "follow" if self.counted is not None and not self.counted.going:
                return "the run has ended"
            case "next_match" | "previous_match" if not self.looked.find:
                return "find something first: /"
            case "open" | "copy" | "edit" if here is None:
                return "there is no line here"
            case "edit" if here is not None and here.step not in self.host.live.steps:
                return "this step is not in the project any more"
            case _:
                return ""

    def footer(self) -> str:
        line = self.view.at_cursor()
        return f"line {self.view.cursor + 1:,}  {clean(line.stream)} " if line is not None else ""

    def back(self) -> bool:
        plain = Looked(self.looked.run)
        if self.looked == plain:
            return False
        self._go(replace(self.looked, find="") if self.looked.find else plain)
        return True

    def _go(self, looked: Looked) -> None:
        self.run_worker(self._look(looked), group="log", exclusive=True, exit_on_error=False)

    def action_cancel(self) -> None:
        cancel(self.host)

    def action_find(self) -> Worker[None]:
        return self.run_worker(self._ask_find(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_find(self) -> None:
        find = await self.host.ask_text("find", self.looked.find)
        if find is not None:
            await self._look(replace(self.looked, find=find))
            await self._to_match(0)

    def action_next_match(self) -> None:
        self.run_worker(self._to_match(1), group="log-find", exclusive=True, exit_on_error=False)

    def action_previous_match(self) -> None:
        self.run_worker(self._to_match(-1), group="log-find", exclusive=True, exit_on_error=False)

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

    def action_narrow(self) -> Worker[None]:
        return self.run_worker(self._ask_text(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_text(self) -> None:
        text = await self.host.ask_text("only lines with", self.looked.text)
        if text is not None:
            await self._look(replace(self.looked, text=text))

    def action_step_only(self) -> Worker[None]:
        return self.run_worker(self._ask_step(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_step(self) -> None:
        names = list(self.counted.by_step or ()) if self.counted else []
        title = "step (empty: all)"
        name = await self.host.ask_text(title, self.looked.step, suggester=SuggestFromList(names, case_sensitive=False))
        if name is not None:
            await self._look(replace(self.looked, step=name.strip()))

    def action_this_step(self) -> None:
        line = self.view.at_cursor()
        self._go(replace(self.looked, step="" if self.looked.step or line is None else line.step))

    def action_level(self) -> None:
        self._go(self.looked.next_level())

    def action_follow(self) -> None:
        self.view.follow(not self.view.following)
        if self.view.following:
            self._poll()

    def action_wrap(self) -> None:
        self.view.set_wrap(not self.view.wrap)
        self.draw()

    def action_open(self) -> None:
        line = self.view.at_cursor()
        if line is not None:
            self.host.go("pipeline", step=line.step)

    def action_edit(self) -> None:
        line = self.view.at_cursor()
        if line is not None:
            step = self.host.live.steps[line.step]
            self.host.open_editor(step.path, step.line)

    def action_copy(self) -> None:
        line = self.view.at_cursor()
        if line is not None:
            self.host.copy(line.text)

    def action_older_run(self) -> None:
        self._beside("older")

    def action_newer_run(self) -> None:
        self._beside("newer")

    def _beside(self, which: str) -> None:
        self.run_worker(self._to_run(which), group="log-run", exclusive=True, exit_on_error=False)

    async def _to_run(self, which: str) -> None:
        if self.looked.run is None:
            return
        try:
            number = (await self.host.ask("neighbours", number=self.looked.run))[which]
        except InstepError as error:
            self.host.say(error.problems[0].what, "failed")
            return
        if number is None:
            self.host.say(f"there is no {which} run", "stale")
            return
        self.chosen = True
        self.view.following = True
        await self._look(replace(self.looked, run=number))

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        return {"wrap": self.view.wrap, "level": self.looked.level}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON
        self.view.wrap = bool(kept.get("wrap"))
        if kept.get("level") in LEVELS:
            self.looked = replace(self.looked, level=str(kept["level"]))
