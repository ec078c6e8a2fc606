"""1 Pipeline: the graph with every step's state and reason, the detail of one, and what happened lately."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize

from ...engine.errors import InstepError
from ..offloading import offload, start_run, which_cluster, why_not_offload
from ..text import plural
from ..views.detail import TABS
from ..views.frame import cost
from ..views.live import Live, Message
from ..views.steps import activity, problem_lines, summary
from ..widgets.chart import preload
from ..widgets.dag_rail import DagRail
from ..widgets.detail import Detail
from ..widgets.line_view import LineView
from ..widgets.lines import Choices, Lines
from .place import Place

NARROW = 100
"""Columns below which the detail takes the place of the rail instead of standing beside it."""


class PipelinePlace(Place):
    DEFAULT_CSS = """
    PipelinePlace #rail { width: 44; }
    PipelinePlace #right { width: 1fr; }
    PipelinePlace #detail { height: 1fr; }
    PipelinePlace #activity { height: 8; }
    PipelinePlace.narrow #rail { width: 1fr; }
    PipelinePlace.narrow #right { display: none; }
    PipelinePlace.narrow.open #rail { display: none; }
    PipelinePlace.narrow.open #right { display: block; }
    PipelinePlace.zoomed #rail { display: none; }
    PipelinePlace.zoomed #activity { display: none; }
    PipelinePlace.low #activity { display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._wanted = self._tab = ""
        self._preloaded = False
        self._said_problems = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            rail = DagRail(id="rail", classes="pane")
            rail.border_title = "Pipeline"
            yield rail
            with Vertical(id="right"):
                yield Detail(id="detail", classes="pane")
                strip = Lines(id="activity", classes="pane")
                strip.border_title = "Activity"
                yield strip

    @property
    def rail(self) -> DagRail:
        return self.query_one(DagRail)

    @property
    def detail(self) -> Detail:
        return self.query_one(Detail)

    def on_mount(self) -> None:
        self.rail.focus()
        if self._tab in TABS and self._tab != "Error":
            self.detail.choose(self._tab)
        self.draw()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < NARROW, "narrow")
        self.set_class(event.size.height < 20, "low")

    def arrive(self, **where: Any) -> None:  # Any: what `go` was given
        if where.get("step"):
            self._wanted = str(where["step"])
        if where.get("tab"):
            self.detail.choose(str(where["tab"]))
        if where:
            self.draw()

    def take(self, live: Live, message: Message) -> None:
        if message["t"] in ("log", "progress", "step"):
            self.detail.heard(message)
        if message["t"] != "log":
            self.draw()

    def tick(self, live: Live) -> None:
        self.rail.redraw()
        self.detail.tick()

    def draw(self) -> None:
        live = self.host.live
        rail = self.rail
        rail.show(live)
        if self._wanted and self._wanted in live.steps:
            rail.go_to(self._wanted)
            self._wanted = ""
        rail.border_subtitle = summary(live) if live.loaded else "reading the project …"
        rail.border_title = Text(f"Pipeline  / {rail.only}" if rail.only else "Pipeline")
        if live.steps and rail.step:
            if self._said_problems:
                self.remove_class("open")
            self._said_problems = False
            self.detail.show(live, rail.step)
        elif live.problems:
            self._say_problems(live)
        elif not live.loaded:
            self._say_starting(live)
        strip = self.query_one("#activity", Lines)
        told = problem_lines(live.problems, strip.size.width - 4) if live.problems and live.steps else []
        strip.border_title = plural(len(live.problems), "mistake") if told else "Activity"
        strip.show(told or activity(live, 200))
        if not told:
            strip.call_after_refresh(strip.action_last)
        if live.loaded and not self._preloaded:
            self._preloaded = True
            self.run_worker(preload, thread=True, exit_on_error=False)
        if live.loaded and not live.steps and not live.problems:
            self.host.go("start")
        elif live.steps and self.host.run_first:
            self.host.run_first = False
            self.action_run()

    def _say_problems(self, live: Live) -> None:
        self._said_problems = True
        self.add_class("open")  # where there is room for one pane only, it is this one
        room = self.size.width - (6 if self.has_class("narrow") else 52)
        self.detail.say("The project cannot be read", problem_lines(live.problems, room))

    def _say_starting(self, live: Live) -> None:
        lost = "The engine ended and is being started again; the steps come when it is there."
        begun = "The engine is starting; the steps come in a moment."
        self.detail.say("", [Text(lost if live.engine == "lost" else begun, "dim")])

    def footer(self) -> str:
        problems = self.host.live.problems
        if problems:
            return f"✗ {plural(len(problems), 'mistake')}: {problems[0]['what']}"[:60]
        return cost(self.host.live)

    # Acting

    def why_not(self, action: str) -> str:
        live, step = self.host.live, self.host.live.steps.get(self.rail.step)
        match action:
            case "run" | "run_below" | "ignore_cache" if not live.loaded:
                return "the project is still being read"
            case "run" | "run_below" | "ignore_cache" if live.engine == "lost":
                return "the engine is being started again"
            case "run" if not live.steps:
                return "there are no steps"
            case "run" if live.loaded and not live.stale():
                return "every step is fresh"
            case "run_below" | "ignore_cache" | "edit" | "open" | "copy" | "mark" if step is None:
                return "no step is chosen"
            case "since" if self._two_sides() is None:
                return "nothing is known to compare it with"
            case "offload":
                return why_not_offload(self.host) or ("" if step is not None else "no step is chosen")
            case _:
                return ""

    def action_run(self) -> None:
        self._run({})

    def action_run_below(self) -> None:
        self._run({"steps": self._below(self.rail.step)})

    @work(exit_on_error=False)
    async def action_ignore_cache(self) -> None:
        from .prompt import Question

        step = self.rail.step
        if await self.host.push_screen_wait(Question(f"Run {step} again although its result is known?")):
            self._run({"steps": [step], "fresh": [step]})

    def _below(self, step: str) -> list[str]:
        """A step and all that need it, directly or not."""
        found = {step}
        for name, one in self.host.live.steps.items():  # in topological order
            if found & set(one.needs):
                found.add(name)
        return [name for name in self.host.live.steps if name in found]

    def _run(self, request: Mapping[str, Any]) -> None:  # Any: JSON
        self.host.say("starting …", "running", 2)
        start_run(self.host, dict(request))

    def action_mark(self) -> None:
        self.rail.marked = self.rail.marked ^ {self.rail.step}
        self.host.marked = self.rail.marked
        self.rail.redraw()

    @work(exit_on_error=False)
    async def action_offload(self) -> None:
        cluster = await which_cluster(self.host)
        if cluster is None:
            return
        steps = [name for name in self.host.live.steps if name in self.rail.marked] or [self.rail.step]
        if await offload(self.host, cluster, steps=steps):
            self.host.marked = self.rail.marked = frozenset()
            self.rail.redraw()

    def action_compare(self) -> None:
        self.host.go("compare")

    def _two_sides(self) -> tuple[str, str] | None:
        """What tells most of the step under the cursor: its last good run against the one that failed, or against the
        working tree where it is stale."""
        step, detail = self.host.live.steps.get(self.rail.step), self.detail
        if step is None or detail.good is None:
            return None
        if step.plan in ("stale", "pending"):
            return str(detail.good), "now"
        return (str(detail.good), str(detail.number)) if detail.good != detail.number else None

    def action_since(self) -> None:
        sides = self._two_sides()
        if sides is not None:
            self.host.go("compare", runs=sides)

    def action_pause(self) -> None:
        from dataclasses import replace

        host = self.host
        on = not host.live.watching
        host.live = replace(host.live, watching=on)
        if host.feed is not None:
            host.feed.watching(on)
        host.say(
            "a save runs what it made stale" if on else "paused: a save runs nothing until `p`", "ok" if on else "stale"
        )

    def action_open(self) -> None:
        if self.detail.tab == "Params" and self.detail.query_one("#params", Choices).has_focus:
            self._edit_param()
        elif self.has_class("narrow") and not self.has_class("open"):
            self.add_class("open")
            self.detail.focus_shown()
        elif self.detail.tab == "Data":
            self.host.go("data", step=self.rail.step)
        elif self.detail.tab == "Log":
            self.host.go("logs", step=self.rail.step, run=self.detail.number)
        else:
            self.detail.focus_shown()

    @work(exit_on_error=False)
    async def _edit_param(self) -> None:
        import json

        host, step = self.host, self.rail.step
        at = self.detail.query_one("#params", Choices).cursor
        name = list(host.live.steps[step].params)[at]
        old = json.dumps(host.live.steps[step].params[name], ensure_ascii=False)
        text = await host.ask_text(f"{step}.{name} =", old)
        if text is None or text.strip() == old:
            return
        try:
            answer = await host.ask("set_param", step=step, name=name, text=text or None)
        except InstepError as error:
            host.say(str(error), "failed")
            return
        before = None if answer["before"] is None else json.dumps(answer["before"])

        def take_back() -> None:
            host.run_worker(host.ask("set_param", step=step, name=name, text=before), exit_on_error=False)

        host.undone.append((f"{step}.{name} = {old}", take_back))
        host.say(f"wrote {step}.{name} to {host.live.config}; `u` takes it back", "ok")

    def action_next_tab(self) -> None:
        self.detail.to_tab(1)

    def action_previous_tab(self) -> None:
        self.detail.to_tab(-1)

    def action_zoom(self) -> None:
        if self.detail.tab == "Error":
            self.detail.frames = 0 if self.detail.frames else 3
            self.detail.draw()
        else:
            self.toggle_class("zoomed")
            if self.has_class("zoomed"):
                self.detail.focus_shown()
            else:
                self.rail.focus()

    def action_edit(self) -> None:
        place = self.detail.place_to_edit
        if place is not None:
            self.host.open_editor(*place)

    def action_copy(self) -> None:
        if self.rail.has_focus and self.detail.tab != "Error":
            self.host.copy(self.rail.step)
        else:
            self.host.copy(self.detail.text_to_copy, self.detail.tab.lower())

    @work(exit_on_error=False)
    async def action_filter(self) -> None:
        def narrow(text: str) -> None:
            self.rail.only = text
            self.draw()

        if await self.host.ask_text("/", self.rail.only, on_change=narrow) is None:
            narrow("")

    def back(self) -> bool:
        for name in ("zoomed", "open"):
            if self.has_class(name):
                self.remove_class(name)
                self.rail.focus()
                return True
        if self.rail.only:
            self.rail.only = ""
            self.draw()
            return True
        return False

    @on(LineView.Moved, "#rail")
    def _moved(self) -> None:
        self.detail.show(self.host.live, self.rail.step)

    @on(DagRail.Sideways)
    def _sideways(self, message: DagRail.Sideways) -> None:
        self.detail.other_metric(message.by)

    @on(LineView.Opened)
    def _opened(self) -> None:
        self.action_open()

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        return {"step": self.rail.step, "tab": self.detail.tab}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON
        self._wanted = str(kept.get("step", ""))
        self._tab = str(kept.get("tab", ""))
