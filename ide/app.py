"""The screen: two lines that never move and the place between them. It draws; everything else is done elsewhere."""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.suggester import Suggester
from textual.widgets import ContentSwitcher

from ..engine.errors import InstepError
from . import kept, keys
from .asking import Asker, Document
from .editing import edit
from .feed import Feed
from .messages import EngineSpoke, RunEnded
from .screens.place import Place
from .themes import DARK, PALETTES, styles_of, themes
from .views import frame
from .views.live import Live, take
from .widgets.bars import Bar

TICK = 0.2
"""Seconds between looks at the clock while a run goes on."""
_PLACES = {
    "pipeline": ("pipeline", "PipelinePlace"),
    "runs": ("runs", "RunsPlace"),
    "compare": ("later", "ComparePlace"),
    "data": ("data", "DataPlace"),
    "logs": ("logs", "LogsPlace"),
    "time": ("timeline", "TimePlace"),
    "cluster": ("later", "ClusterPlace"),
    "start": ("start", "StartPlace"),
}


class InstepApp(App[None]):
    """One project (or a folder that may become one) on one terminal. `feed` is None where there is no project."""

    CSS_PATH = "styles/app.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "instep"

    def __init__(self, root: Path, feed: Feed | None) -> None:
        super().__init__()
        self.root, self.feed = root, feed
        self.live = Live(project=root.name)
        self.kept = kept.load(root) if feed else {}
        self.asker = Asker(root)
        self.place = ""
        self.places: dict[str, Place] = {}
        self.undone: list[tuple[str, Callable[[], Any]]] = []
        self._pending = ""
        self._said = Text()
        self._said_until = 0.0
        self._styles = styles_of("")
        self.console.push_theme(self._styles)
        for theme in themes():
            self.register_theme(theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {f"i-{key}": value for key, value in DARK.items()}

    def compose(self) -> ComposeResult:
        yield Bar(id="top")
        yield ContentSwitcher(id="places")
        yield Bar(id="bottom")

    async def on_mount(self) -> None:
        wanted = str(self.kept.get("theme", ""))
        self.theme = wanted if wanted in PALETTES else "instep-dark"
        await self.show_place(str(self.kept.get("place", "pipeline")) if self.feed else "start")
        if self.feed is not None:
            self.follow(self.feed)
        self.set_interval(TICK, self._tick)

    def follow(self, feed: Feed) -> None:
        """Hear what the engine says from now on."""
        self.feed = feed
        feed.listen(lambda: self.post_message(EngineSpoke()))

    async def on_unmount(self) -> None:
        if self.feed is not None:
            self.feed.close()
        await self.asker.close()

    def leave(self) -> None:
        """Keep what is remembered, and end."""
        if self.feed is not None:
            kept.save(self.root, self.remembered())
        self.exit()

    async def action_quit(self) -> None:
        self.leave()

    def remembered(self) -> kept.Kept:
        places = {name: dict(one.remember()) for name, one in self.places.items()}
        theme = {"theme": self.theme, "place": self.place if self.place in keys.PLACES else "pipeline"}
        return {**self.kept, **theme, "places": {**self.kept.get("places", {}), **places}}

    # Places

    @property
    def here(self) -> Place | None:
        """The place that is shown."""
        return self.places.get(self.place)

    async def show_place(self, name: str, **where: Any) -> None:  # Any: what the place understands
        if name not in _PLACES:
            name = "pipeline"
        switcher = self.query_one("#places", ContentSwitcher)
        if name not in self.places:
            module, kind = _PLACES[name]
            made: Place = getattr(import_module(f".screens.{module}", __package__), kind)(id=name)
            made.recall(self.kept.get("places", {}).get(name, {}))
            made.display = False
            await switcher.mount(made)
            self.places[name] = made
        self.place = name
        switcher.current = name
        place = self.places[name]
        place.arrive(**where)
        focusable = next((one for one in place.query("*") if one.can_focus and one.display), None)
        if self.focused is None or place not in self.focused.ancestors:
            (focusable or place).focus()
        self.draw_bars()
        self.run_worker(place.refresh_shown(), group=f"refresh-{name}", exclusive=True, exit_on_error=False)

    def go(self, name: str, **where: Any) -> None:  # Any: what the place understands
        """Change the place, with something to show there."""
        self.run_worker(self.show_place(name, **where), group="go", exit_on_error=False)

    # The engine

    def on_engine_spoke(self) -> None:
        for message in self.feed.drain() if self.feed is not None else ():
            self.live = take(self.live, message, time.time(), time.monotonic())
            for place in self.places.values():
                place.take(self.live, message)
            if message["t"] == "ran" and self.here is not None:
                self.run_worker(self.here.refresh_shown(), group=f"refresh-{self.place}", exit_on_error=False)
        self.draw_bars()

    def on_run_ended(self, message: RunEnded) -> None:
        if message.problems:
            first = message.problems[0]
            self.say(" — ".join(str(first[part]) for part in ("what", "mend") if first.get(part)), "failed")
        elif message.document is not None and "nothing" in message.document:
            self.say("nothing to run: every step is fresh", "ok")

    async def ask(self, op: str, **request: Any) -> Document:  # Any: JSON
        """Ask the reading process. Raises InstepError."""
        return await self.asker.ask(op, request)

    def _tick(self) -> None:
        if self._said and time.monotonic() > self._said_until:
            self._said = Text()
        if self.live.going and self.here is not None:
            self.here.tick(self.live)
        self.draw_bars()

    # The two lines

    def draw_bars(self) -> None:
        if not self.query("#top"):
            return
        width = self.size.width
        self.query_one("#top", Bar).show(frame.top(self.live, self.place, width))
        actions = [one for one in keys.valid_in(self.place) if one.shown]
        right = self._said or Text(self.here.footer() if self.here else "", "dim")
        if right.cell_len > width - 20:
            right = right[: max(0, width - 20)]
        self.query_one("#bottom", Bar).show(frame.bottom(actions, self.why_not, right, width, self._pending))

    def say(self, text: str, style: str = "text", seconds: float = 5.0) -> None:
        """Something to read at the right of the bottom line, for a while."""
        from .text import clean

        self._said, self._said_until = Text(f"{clean(text)} ", style), time.monotonic() + seconds
        self.draw_bars()

    async def ask_text(
        self,
        title: str,
        value: str = "",
        *,
        on_change: Callable[[str], object] | None = None,
        suggester: Suggester | None = None,
    ) -> str | None:
        """A line from the person, None if given up. Call it from a worker."""
        from .screens.prompt import Prompt

        return await self.push_screen_wait(Prompt(title, value, on_change=on_change, suggester=suggester))

    # Keys

    async def on_key(self, event: events.Key) -> None:
        if len(self.screen_stack) > 1:
            return
        typed = self._pending + keys.key_of(event.key, event.character)
        action = keys.find(self.place, typed)
        self._pending = typed if action is None and keys.begins(self.place, typed) else ""
        if action is not None:
            event.stop()
            event.prevent_default()
            await self.act(action.name)
        self.draw_bars()

    def why_not(self, action: str) -> str:
        """ "" if the action can be used now, else the reason."""
        if action == "undo" and not self.undone:
            return "there is nothing to undo"
        return self.here.why_not(action) if self.here is not None else ""

    async def act(self, name: str) -> None:
        """Do an action, or say why it cannot be done."""
        why = self.why_not(name)
        if why:
            self.say(why, "stale")
            return
        if name.startswith("go_"):
            await self.show_place(name.removeprefix("go_"))
            return
        # What has the focus may be outside the place that is shown: then the place itself is asked first.
        chain: list[object] = [*self.focused.ancestors_with_self] if self.focused is not None else []
        place = self.here
        for one in chain if place in chain else [place, *chain]:
            call: Callable[[], object] | None = getattr(one, f"action_{name}", None)
            if call is not None:
                result = call()
                if asyncio.iscoroutine(result):
                    await result
                return

    def on_bar_clicked(self, message: Bar.Clicked) -> None:
        for name, (key, title) in keys.PLACES.items():
            if message.bar.id == "top" and message.word in (title, key, f"{key} {title}"):
                self.go(name)
        for one in keys.valid_in(self.place):
            if message.bar.id == "bottom" and one.shown and one.label in message.word:
                self.run_worker(self.act(one.name), exit_on_error=False)

    def action_leave(self) -> None:
        if self.here is not None and self.here.back():
            return
        if self.place in ("pipeline", "start"):
            self.leave()
        else:
            self.go("pipeline" if self.feed else "start")

    def action_next_pane(self) -> None:
        self.screen.focus_next()

    def action_previous_pane(self) -> None:
        self.screen.focus_previous()

    def action_undo(self) -> None:
        what, take_back = self.undone.pop()
        take_back()
        self.say(f"undone: {what}", "ok")

    def action_help(self) -> None:
        from .screens.help import Help

        self.push_screen(Help(self.place, self.why_not))

    def action_theme(self) -> None:
        names = list(PALETTES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.say(f"theme {self.theme}")

    def action_suspend(self) -> None:
        self.action_suspend_process()

    def open_editor(self, path: str, line: int = 0) -> None:
        """The editor at a line of a file of the project, and back."""
        problem = edit(self, self.root / path, line)
        if problem:
            self.say(problem, "failed")

    def copy(self, text: str, what: str = "") -> None:
        self.copy_to_clipboard(text)
        self.say(f"copied {what or text[:40]}", "ok")

    def watch_theme(self, name: str) -> None:
        self._styles = styles_of(name)
        self.console.pop_theme()
        self.console.push_theme(self._styles)
        from .widgets.line_view import LineView

        for view in self.query(LineView):
            view.redraw()


async def answered(app: InstepApp, op: str, **request: Any) -> Document | InstepError:  # Any: JSON
    """The answer, or the error as a value: for places that show it."""
    try:
        return await app.ask(op, **request)
    except InstepError as error:
        return error
