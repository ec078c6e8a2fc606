"""The screen: two lines that never move and the place between them. It draws; everything else is done elsewhere."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import work

from ..engine.project import STORE
from . import keys
from .acting import Acting
from .asking import Asker, Document, ask_engine
from .feed import Feed, tell_engine
from .messages import EngineSpoke, RunEnded
from .themes import PALETTES
from .views import frame as view
from .views.live import Live, ended, take
from .widgets.bars import Bar

TICK = 0.2
"""Seconds between looks at the clock while a run goes on."""


class InstepApp(Acting):
    """One project (or a folder that may become one) on one terminal. `feed` is None where there is no project."""

    CSS_PATH = "styles/app.tcss"

    def __init__(self, root: Path, feed: Feed | None) -> None:
        super().__init__(root, feed)
        self.live = Live(project=root.name, engine="starting" if feed else "none")
        self.asker = Asker(root)
        self.undone: list[tuple[str, Callable[[], Any]]] = []
        self.run_first = False
        self.compare_first: tuple[str, ...] = ()
        self.marked: frozenset[str] = frozenset()

    async def on_mount(self) -> None:
        wanted = str(self.kept.get("theme", ""))
        self.theme = wanted if wanted in PALETTES else "instep-dark"
        if self.compare_first:
            await self.show_place("compare", runs=self.compare_first)
        else:
            await self.show_place(str(self.kept.get("place", "pipeline")) if self.feed else "start")
        if self.feed is not None:
            self.follow(self.feed)
            self.call_after_refresh(self._warm)
        self.set_interval(TICK, self._tick)
        # What the shell wrote while this was suspended stands over what Textual believes to be there.
        self.app_resume_signal.subscribe(self, self._resumed)  # pyright: ignore[reportUnknownMemberType]  # generic in Textual

    def _warm(self) -> None:
        if (self.root / STORE).is_dir():
            self.run_worker(self.asker.warm(), group="warm", exit_on_error=False)

    def _resumed(self, _: object) -> None:
        self.refresh(layout=True)

    def follow(self, feed: Feed) -> None:
        """Hear what the engine says from now on."""
        self.feed = feed
        feed.listen(lambda: self.post_message(EngineSpoke()))

    async def on_unmount(self) -> None:
        if self.feed is not None:
            self.feed.close()
        await self.asker.close()

    # The engine

    def on_engine_spoke(self) -> None:
        for message in self.feed.drain() if self.feed is not None else ():
            self.live = take(self.live, message, time.time(), time.monotonic())
            for place in self.places.values():
                if self.is_running and place.is_mounted:  # else it is being taken away, or made
                    place.take(self.live, message)
            if ended(message) and self.is_running and self.here is not None:
                self.run_worker(self.here.refresh_shown(), group=f"refresh-{self.place}", exit_on_error=False)
        self.draw_bars()

    def on_run_ended(self, message: RunEnded) -> None:
        if message.problems:
            first = message.problems[0]
            self.say(" — ".join(str(first[part]) for part in ("what", "mend") if first.get(part)), "failed")
        elif message.document is not None and "nothing" in message.document:
            self.say("nothing to run: every step is fresh", "ok")
        else:
            self.say("")

    async def ask(self, op: str, **request: Any) -> Document:  # Any: JSON
        """Ask the reading process. Raises InstepError."""
        return await self.asker.ask(op, request)

    async def ask_engine(self, request: Document) -> Document:
        """Ask the engine about clusters. Raises InstepError."""
        return await ask_engine(self.root, request)

    def _tick(self) -> None:
        self.forget_said()
        going = self.live.going or self.live.elsewhere
        if going and self.is_running and self.here is not None and self.here.is_mounted:
            self.here.tick(self.live)
        self.draw_bars()

    # The two lines

    def draw_bars(self) -> None:
        if not self.is_running or not self.query("#top"):
            return
        width = self.size.width
        self.query_one("#top", Bar).show(view.top(self.live, self.place, width))
        actions = [one for one in keys.valid_in(self.place) if one.shown]
        right = self.said or Text(self.here.footer() if self.here else "", "dim")
        if right.cell_len > width - 20:
            right = right[: max(0, width - 20)]
        self.query_one("#bottom", Bar).show(view.bottom(actions, self.why_not, right, width, self.pending))

    # Actions

    def why_not(self, action: str) -> str:
        """ "" if the action can be used now, else the reason."""
        if action == "undo" and not self.undone:
            return "there is nothing to undo"
        if action == "cancel" and not self.live.going:
            return "nothing runs here; 7 stops what runs elsewhere" if self.live.elsewhere else "nothing is running"
        return super().why_not(action)

    def action_leave(self) -> None:
        if self.here is not None and self.here.back():
            return
        if self.place in ("pipeline", "start"):
            self.leave()
        else:
            self.go("pipeline" if self.feed else "start")

    def action_cancel(self) -> None:
        self.say("cancelling …", "stale")
        self.run_worker(lambda: tell_engine(self.root, {"op": "cancel"}), thread=True, exit_on_error=False)

    def action_next_pane(self) -> None:
        self.screen.focus_next()

    def action_previous_pane(self) -> None:
        self.screen.focus_previous()

    def action_undo(self) -> None:
        what, take_back = self.undone.pop()
        take_back()
        self.say(f"undone: {what}", "ok")

    @work(exit_on_error=False)
    async def action_palette(self) -> None:
        from .screens.palette import choose

        chosen = await choose(self)
        if chosen is None:
            return
        match chosen.kind:
            case "action":
                await self.act(chosen.does)
            case "step":
                self.go("pipeline", step=chosen.does)
            case "run":
                self.go("runs", run=int(chosen.does))
            case "log":
                self.go("logs", find=chosen.does)

    def action_help(self) -> None:
        from .screens.help import Help

        self.push_screen(Help(self.place, self.why_not))
