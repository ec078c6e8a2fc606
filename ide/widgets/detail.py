"""The detail of a step: its headline, why it is as it is, and tabs. Reads what it shows when it is looked at."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The documents of the reading process are read as JSON.

import time
from collections import deque
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult, RenderResult
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from ...engine.errors import InstepError
from ..screens.place import Host
from ..text import clean, oneline
from ..views import detail as view
from ..views.live import Live, Message, StepNow
from ..views.steps import error_lines, headline, why, wrapped
from .chart import Chart, Curve
from .lines import Choices, Lines

KEPT_LINES = 2_000
"""Log lines of a going run kept for the tab; all of them are in Logs."""


class Heading(Widget):
    """A few lines above the tabs' content."""

    DEFAULT_CSS = "Heading { height: auto; max-height: 8; background: $i-ground; }"

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[Text] = []

    def show(self, texts: list[Text]) -> None:
        if texts != self._texts:
            grown = len(texts) != len(self._texts)
            self._texts = texts
            self.styles.height = max(1, min(8, len(texts)))
            self.refresh(layout=grown)

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
        self.metric = 0
        self._live = Live()
        self._answer: Message | None = None
        self._code: Message | None = None
        self._problem = ""
        self._edition: object = None
        self._lines: deque[Message] = deque(maxlen=KEPT_LINES)
        self._points: dict[str, tuple[list[float], list[float]]] = {}

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
            self._points.clear()
            self.frames = 3
            self.metric = 0
            if one is not None and one.error and self.tab == "Metrics":
                self.tab = "Error"
            elif self.tab == "Error" and not self._error(one):
                self.tab = "Metrics"
        elif one is not None and one.doing == "failed" != self._doing and self.tab in ("Metrics", "Data"):
            self.tab = "Error"
        elif one is not None and self._doing == "failed" != one.doing and self.tab == "Error":
            self.tab = "Metrics"
        self._doing = one.doing if one is not None else ""
        edition = (step, live.run, live.going and one is not None and bool(one.doing) and one.doing != "reused")
        code = (edition, one and (one.path, one.line), tuple(str(reason) for reason in one.reasons) if one else ())
        if (edition, code) != self._edition:
            self._edition = (edition, code)
            self._read(step)
        self.draw(top=changed)

    def heard(self, message: Message) -> None:
        """What the step that is shown says while it runs."""
        if message.get("step") != self.step:
            return
        if message["t"] == "log":
            self._lines.extend(message["lines"])
            if self.tab == "Log":
                self.draw()
        elif message["t"] == "progress":
            for name, value in (message.get("metrics") or {}).items():
                xs, ys = self._points.setdefault(str(name), ([], []))
                if not ys or ys[-1] != value:
                    xs.append(len(xs))
                    ys.append(float(value))
        elif message["t"] == "step" and message["state"] == "launched":
            self._lines.clear()
            self._points.clear()

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
            first, self._answer = self._answer is None, answer
            self._code, self._problem = code, ""
            if first and self.tab == "Metrics" and self._error(one):
                self.tab = "Error"
            self.draw(top=True)

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
        reasons = why(one)
        more = [Text(f"  and {len(reasons) - 3} more", "dim")] if len(reasons) > 4 else []
        reasons = reasons[: 3 if more else 4] + more
        heading.show([view.tab_line(self.tab, counts, room), headline(one, time.monotonic(), room), *reasons, Text()])
        self.border_title = Text(clean(one.name) + (f" ✗ {oneline(error['title'])[:40]}" if error else ""))
        number = self._answer["number"] if self._answer else None
        where = [f"{one.path}:{one.line}", f"run {number}" if number else "never run"]
        self.border_subtitle = Text(oneline(" · ".join(where)))
        curves = self._curves() if self.tab == "Metrics" else []
        chart.display = bool(curves)
        params.display = self.tab == "Params" and bool(one.params)
        told.display = not chart.display and not params.display
        if curves:
            name = list(self._series())[self.metric % len(self._series())]
            many = len(self._series())
            chart.show(f"{name}" + (f"  {self.metric % many + 1}/{many}  ← → " if many > 1 else ""), curves)
        elif params.display:
            params.show(view.param_lines(one, self._params_before()))
        else:
            told.show(self._told(one, error, room), top=top)
            if top and self.tab == "Code" and self._code:
                told.scroll_to(y=max(0, view.changed_first(self._code) - 3), animate=False)
            if self.tab == "Log":
                told.call_after_refresh(told.action_last)

    def _told(self, one: StepNow, error: Message | None, room: int) -> list[Text]:
        answer = self._answer
        document: Message = answer["step"] if answer and answer["number"] is not None else {}
        loading = [Text("reading …", "dim")] if answer is None and not self._problem else []
        if self._problem and self.tab not in ("Error", "Log"):
            return wrapped(self._problem, room, "failed")
        match self.tab:
            case "Metrics":
                base = (answer or {}).get("baseline") or {}
                lines = view.metric_lines(document.get("metrics", {}), base.get("metrics", {}), base.get("number"))
                none = [Text("this step has measured nothing: `log(loss=…)` or return a dict of numbers", "dim")]
                return lines or loading or none
            case "Code":
                return view.code_lines(self._code) if self._code else loading
            case "Params":
                return [Text("this step has no params: keyword-only arguments with a default are params", "dim")]
            case "Data":
                never = [Text("nothing yet: the step has never run", "dim")]
                return view.output_lines(document.get("outputs", ())) or loading or never
            case "Log":
                kept = list(self._lines) or (answer or {}).get("tail") or []
                return view.log_lines(kept) or loading or [Text("it has printed nothing", "dim")]
            case _:
                return self._error_told(error, room) if error else [Text("no error", "dim")]

    def _error_told(self, error: Message, room: int) -> list[Text]:
        lines = error_lines(error, room, self.frames)
        good = (self._answer or {}).get("good")
        lines += [Text()]
        if good is not None:
            lines.append(Text(f"Last good run: {good}. `e` opens the line, `r` runs again.", "text"))
        else:
            lines.append(Text("It has never run well. `e` opens the line, `r` runs again.", "text"))
        return lines

    def _error(self, one: StepNow | None) -> Message | None:
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

    def _series(self) -> dict[str, Any]:  # Any: JSON
        if self._points and any(len(xs) > 1 for xs, _ in self._points.values()):
            return dict(self._points)
        return {name: found for name, found in ((self._answer or {}).get("series") or {}).items() if len(found) > 1}

    def _curves(self) -> list[Curve]:
        """The metric that is shown, over the baseline's."""
        series = self._series()
        if not series:
            return []
        name = list(series)[self.metric % len(series)]
        answer = self._answer or {}
        curves: list[Curve] = []
        base = answer.get("baseline") or {}
        before = (base.get("series") or {}).get(name)
        number = answer.get("number")
        if name in self._points:
            xs, ys = self._points[name]
            if before is None and number is not None and number != self._live.run:
                before = (answer.get("series") or {}).get(name)
                base = {"number": number}
            now = Curve(f"run {self._live.run} now", "side-a", tuple(xs), tuple(ys))
        else:
            now = Curve(f"run {number}", "side-a", *zip(*((x, y) for x, y in series[name]), strict=True))
        if before:
            label = f"run {base['number']}" + (" baseline" if base.get("marked") else "")
            curves.append(Curve(label, "side-b", *zip(*((x, y) for x, y in before), strict=True)))
        return [*curves, now]

    # Acting

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
        self.tab = tabs[(at + by) % len(tabs)]
        self.draw(top=True)

    def action_left(self) -> None:
        self.metric -= 1
        self.draw()

    def action_right(self) -> None:
        self.metric += 1
        self.draw()

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
