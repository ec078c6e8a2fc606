"""The detail of a step: its headline, why it is as it is, and tabs. Reads what it shows when it is looked at."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The documents of the reading process are read as JSON.

import time
from collections import deque
from contextlib import suppress
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult, RenderResult
from textual.containers import Vertical
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ...engine.errors import InstepError
from ..screens.place import Host
from ..text import clean, oneline
from ..views import detail as view
from ..views.groups import group_lines
from ..views.live import ENDED, Live, StepNow
from ..views.live import Message as Told
from ..views.steps import error_lines, headline, why, why_it_ran, wrapped
from ..views.why import kept_lines, since_lines
from .chart import Chart, Curve
from .lines import Choices, Lines

_AGAIN = 0.3
"""Seconds until what was not there yet is looked for again."""
KEPT_LINES = 2_000
"""Log lines of a going run kept for the tab; all of them are in Logs."""


class Heading(Widget):
    """A few lines above the tabs' content."""

    DEFAULT_CSS = "Heading { height: auto; max-height: 8; background: $i-ground; }"

    class Clicked(Message):
        """A click on a word of the first line."""

        def __init__(self, word: str) -> None:
            super().__init__()
            self.word = word

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[Text] = []

    def show(self, texts: list[Text]) -> None:
        if texts != self._texts:
            grown = len(texts) != len(self._texts)
            self._texts = texts
            self.styles.height = max(1, min(8, len(texts)))
            self.refresh(layout=grown)

    def on_click(self, event: Click) -> None:
        line = self._texts[0].plain if self._texts and event.y == 0 else ""
        if event.x < len(line) and line[event.x] != " ":
            begin = line.rfind(" ", 0, event.x) + 1
            self.post_message(self.Clicked(line[begin:].partition(" ")[0]))

    def render(self) -> RenderResult:
        return ""

    def render_line(self, y: int) -> Strip:
        console = self.app.console
        ground = console.get_style("ground")
        if y >= len(self._texts):
            return Strip.blank(self.size.width, ground)
        strip = Strip(list(self._texts[y].render(console))).apply_style(ground)
        return strip.crop_extend(0, self.size.width, ground)


class Detail(Host, Vertical):
    """`show(live, step)` whenever something is new; what must be read is read once for a step and an ended run."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.tab = "Metrics"
        self.step = ""
        self._doing = ""
        self.frames = 3
        self.metric = ""
        self._live = Live()
        self._answer: Told | None = None
        self._code: Told | None = None
        self._problem = ""
        self._edition: object = None
        self._lines: deque[Told] = deque(maxlen=KEPT_LINES)
        self._live_series: Told = {}
        self._since: Told | None = None
        self._looking = False

    def compose(self) -> ComposeResult:
        yield Heading()
        yield Chart()
        yield Lines(id="told")
        yield Choices(id="params")

    def show(self, live: Live, step: str) -> None:
        """Draw a step of the project as it is now."""
        changed = step != self.step
        self._live, self.step = live, step
        one = live.steps.get(step)
        if changed:
            self._answer = self._code = None
            self._problem = ""
            self._lines.clear()
            self._live_series, self._since = {}, None
            self.frames = 3
            if one is not None and one.error and self.tab == "Metrics":
                self.tab = "Error"
            elif self.tab == "Error" and not self._error(one):
                self.tab = "Metrics"
        elif one is not None and one.doing == "failed" != self._doing and self.tab in ("Metrics", "Data"):
            self.tab = "Error"
        elif one is not None and self._doing == "failed" != one.doing and self.tab == "Error":
            self.tab = "Metrics"
        self._doing = one.doing if one is not None else ""
        phase = "" if one is None or not live.going else "ended" if one.doing in ENDED else "on"
        edition = (step, live.run, phase)
        code = (edition, one and (one.path, one.line), tuple(str(reason) for reason in one.reasons) if one else ())
        if (edition, code) != self._edition:
            self._edition = (edition, code)
            self._read(step)
        self.draw(top=changed)

    def heard(self, message: Told) -> None:
        """What the step that is shown says while it runs."""
        if message.get("step") != self.step:
            return
        if message["t"] == "log":
            self._lines.extend(message["lines"])
            if self.tab == "Log":
                self.draw()
        elif message["t"] == "step" and message["state"] == "launched":
            self._lines.clear()
            self._live_series = {}

    def tick(self) -> None:
        """Time has gone by while a run goes on: how far are the curves?"""
        one = self._live.steps.get(self.step)
        if one is not None and one.running and self.tab == "Metrics" and not self._looking:
            self._looking = True
            self._look(self.step, self._live.run)
        self.draw()

    @work(group="detail-live", exit_on_error=False)
    async def _look(self, step: str, run: int | None) -> None:
        try:
            answer = await self.host.ask("live_series", number=run, step=step, points=800)
        except InstepError:
            return  # the store is busy: the next look is soon
        finally:
            self._looking = False
        one = self._live.steps.get(step)
        if (step, run) == (self.step, self._live.run) and one is not None and one.running:
            self._live_series = answer["series"]
            self.draw()

    @work(group="detail", exclusive=True, exit_on_error=False)
    async def _read(self, step: str) -> None:
        one = self._live.steps.get(step)
        if one is None:
            return
        try:
            answer = await self.host.ask("latest", step=step, points=800)
            number = answer["number"]
            if number is not None:
                answer |= {"tail": (await self.host.ask("tail", number=number, step=step, lines=KEPT_LINES))["lines"]}
            good = answer.get("good") or number
            code = await self.host.ask("code", step=step, path=one.path, line=one.line, number=good)
        except InstepError as error:
            if step == self.step:
                self._problem = f"{error.problems[0].what}. {error.problems[0].mend}".strip()
                self.draw()
            return
        if step == self.step:
            first = self._answer is None or self._answer["number"] is None
            self._answer = answer
            self._code, self._problem = code, ""
            one = self._live.steps.get(step, one)
            if number == self._live.run and not one.running:
                self._live_series = {}
            elif self._live.going and one.doing in ("done", "reused", "failed"):
                self.set_timer(_AGAIN, lambda: self._again(step))  # it is said a moment before it is written
            if first and self.tab == "Metrics" and self._error(one):
                self.tab = "Error"
            self.draw(top=first)
            await self._read_since(one, number)

    def _again(self, step: str) -> None:
        if step == self.step:
            self._read(step)

    async def _read_since(self, one: StepNow, number: int | None) -> None:
        """Of a step that failed: what changed since it last went well."""
        if number is None or not self._error(one):
            return
        with suppress(InstepError):
            answer = await self.host.ask("since", number=number, step=one.name)
            if one.name == self.step:
                self._since = answer["since"]
                self.draw()

    def say(self, title: str, lines: list[Text]) -> None:
        """Something instead of a step: there is none yet."""
        if not self.query(Heading):
            return
        self.step, self._edition = "", None
        self.border_title, self.border_subtitle = Text(clean(title)), ""
        self.query_one(Heading).show([Text()])
        self.query_one(Chart).display = self.query_one("#params").display = False
        told = self.query_one("#told", Lines)
        told.display = True
        told.show(lines)

    # Drawing

    def on_resize(self) -> None:
        if self.step:
            self.draw()  # what was cut to the room there was

    def draw(self, *, top: bool = False) -> None:
        if not self.is_attached or not self.query(Heading):
            return
        one = self._live.steps.get(self.step)
        heading, chart = self.query_one(Heading), self.query_one(Chart)
        told, params = self.query_one("#told", Lines), self.query_one("#params", Choices)
        room = max(20, self.size.width - 4)
        if one is None:
            heading.show([Text("no step is chosen", "dim")])
            chart.display = params.display = False
            told.display = True
            told.show([])
            return
        error = self._error(one)
        counts = {"Error": ""} if error else {}
        if self._code and self._code["changed"]:
            counts["Code"] = f"Δ{self._code['changed']}"
        changed = sum(str(reason["kind"]) == "param" for reason in one.reasons)
        if changed:
            counts["Params"] = f"Δ{changed}"
        reasons = why(one) or why_it_ran(one, self._answer, room)
        more = [Text(f"  and {len(reasons) - 3} more", "dim")] if len(reasons) > 4 else []
        reasons = reasons[: 3 if more else 4] + more
        heading.show([view.tab_line(self.tab, counts, room), headline(one, time.monotonic(), room), *reasons, Text()])
        self.border_title = Text(clean(one.name) + (f" ✗ {oneline(error['title'])[:40]}" if error else ""))
        self.border_subtitle = Text(oneline(f"{one.path}:{one.line} · {self._when(one)}"))
        curves = self._curves() if self.tab == "Metrics" else []
        chart.display = bool(curves)
        params.display = self.tab == "Params" and bool(one.params)
        told.display = not chart.display and not params.display
        if curves:
            names = view.plotted(self._series())
            at = names.index(self._metric_shown(names))
            chart.show(names[at] + (f"  {at + 1}/{len(names)}  ← → " if len(names) > 1 else ""), curves)
        elif params.display:
            params.show(view.param_lines(one, self._params_before()))
        else:
            told.show(self._told(one, error, room), top=top)
            if top and self.tab == "Code" and self._code:
                told.scroll_to(y=max(0, view.changed_first(self._code) - 3), animate=False)
            if self.tab == "Log":
                told.call_after_refresh(told.action_last)

    def _when(self, one: StepNow) -> str:
        """Which run it is told of."""
        number = self._answer["number"] if self._answer else None
        if one.doing in ENDED and self._live.run is not None:
            number = self._live.run
        if number:
            return f"run {number}"
        return "cannot be read" if self._problem else "reading …" if self._answer is None else "never run"

    def _told(self, one: StepNow, error: Told | None, room: int) -> list[Text]:
        answer = self._answer
        document: Told = answer["step"] if answer and answer["number"] is not None else {}
        loading = [Text("reading …", "dim")] if answer is None and not self._problem else []
        if self._problem and self.tab not in ("Error", "Log"):
            return wrapped(self._problem, room, "failed")
        match self.tab:
            case "Metrics":
                base = (answer or {}).get("baseline") or {}
                lines = view.metric_lines(document.get("metrics", {}), base.get("metrics", {}), base.get("number"))
                none = "this step has measured nothing: `log(loss=…)` or return a dict of numbers"
                outputs = view.output_lines(document.get("outputs", ()))
                if groups := one.groups or (None if one.running else document.get("groups")):
                    return [*lines, *([Text()] if lines else []), *group_lines(groups, room)]
                return lines or loading or [*wrapped(none, room, "dim"), Text(), *outputs]
            case "Code":
                return view.code_lines(self._code) if self._code else loading
            case "Params":
                return wrapped("this step has no params: keyword-only arguments with a default are params", room, "dim")
            case "Data":
                never = [Text("nothing yet: the step has never run", "dim")]
                return view.output_lines(document.get("outputs", ())) or loading or never
            case "Log":
                kept = list(self._lines) or (answer or {}).get("tail") or []
                return view.log_lines(kept) or loading or [Text("it has printed nothing", "dim")]
            case _:
                return self._error_told(error, room) if error else [Text("no error", "dim")]

    def _error_told(self, error: Told, room: int) -> list[Text]:
        lines = error_lines(error, room, self.frames)
        good = (self._answer or {}).get("good")
        if self._answer is not None:
            lines += [Text(), *since_lines(self._since, good, room)]
        return [*lines, *kept_lines(self._live)]

    def _error(self, one: StepNow | None) -> Told | None:
        if one is None:
            return None
        if one.error:
            return one.error
        document = (self._answer or {}).get("step") or {}
        return document.get("error") if one.plan == "failed" else None

    def _params_before(self) -> dict[str, Any]:  # Any: JSON
        one = self._live.steps.get(self.step)
        reasons = one.reasons if one is not None else ()
        return {str(reason["subject"]): reason["before"] for reason in reasons if reason["kind"] == "param"}

    def _series(self) -> Told:
        if self._live_series:
            return self._live_series
        return {name: found for name, found in ((self._answer or {}).get("series") or {}).items() if len(found) > 1}

    def _metric_shown(self, names: list[str]) -> str:
        """The metric that is shown: the one that was chosen, in every step that has it."""
        return self.metric if self.metric in names else names[0]

    def _curves(self) -> list[Curve]:
        """The metric that is shown, over the baseline's; of a run that goes on without one over the run before."""
        names = view.plotted(self._series())
        if not names:
            return []
        name, answer = self._metric_shown(names), self._answer or {}
        base = answer.get("baseline") or {}
        before = (base.get("series") or {}).get(name)
        label = f"run {base.get('number')}" + (" baseline" if base.get("marked") else "")
        now = f"run {answer.get('number')}"
        if self._live_series:
            now = f"run {self._live.run} now"
            if not base.get("marked") and answer.get("number") not in (None, self._live.run):
                before, label = (answer.get("series") or {}).get(name), f"run {answer['number']}"
        curves = [Curve(label, "side-b", *zip(*before, strict=True))] if before else []
        return [*curves, Curve(now, "side-a", *zip(*self._series()[name], strict=True))]

    # Acting

    @on(Heading.Clicked)
    def _clicked(self, message: Heading.Clicked) -> None:
        tab = message.word.partition("·")[0]
        if tab in view.TABS:
            self.choose(tab)

    def tabs(self) -> list[str]:
        has_error = self._error(self._live.steps.get(self.step)) is not None
        return [one for one in view.TABS if one != "Error" or has_error]

    def action_next_tab(self) -> None:
        self.to_tab(1)

    def action_previous_tab(self) -> None:
        self.to_tab(-1)

    def to_tab(self, by: int) -> None:
        tabs = self.tabs()
        at = tabs.index(self.tab) if self.tab in tabs else 0
        self.choose(tabs[(at + by) % len(tabs)])

    def choose(self, tab: str) -> None:
        self.tab = tab
        self.draw(top=True)

    def action_left(self) -> None:
        self.other_metric(-1)

    def action_right(self) -> None:
        self.other_metric(1)

    def other_metric(self, by: int) -> None:
        names = view.plotted(self._series())
        if self.tab == "Metrics" and names:
            self.metric = names[(names.index(self._metric_shown(names)) + by) % len(names)]
            self.draw()

    def focus_shown(self) -> None:
        """The keyboard is for what is shown."""
        every = (self.query_one(Chart), self.query_one("#told", Lines), self.query_one("#params", Choices))
        next(one for one in every if one.display).focus()

    @property
    def number(self) -> int | None:
        """The newest run that has the step."""
        return (self._answer or {}).get("number")

    @property
    def good(self) -> int | None:
        """The newest run in which it did not fail."""
        return (self._answer or {}).get("good")

    @property
    def place_to_edit(self) -> tuple[str, int] | None:
        """Where the editor should open: the failing line, else the step."""
        one = self._live.steps.get(self.step)
        error = self._error(one)
        frames = (error or {}).get("frames") or []
        if self.tab == "Error" and frames:
            return str(frames[-1]["path"]), int(frames[-1]["line"])
        return (one.path, one.line) if one is not None else None

    @property
    def text_to_copy(self) -> str:
        error = self._error(self._live.steps.get(self.step))
        if self.tab == "Error" and error:
            return str(error.get("traceback") or error["title"])
        return "\n".join(line.plain for line in self.query_one("#told", Lines).texts)
