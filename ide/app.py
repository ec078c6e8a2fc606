"""The screen: two lines that never move and the place between them. It draws; everything else is done elsewhere."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import events, work
from textual.widgets import Input, TextArea
from textual.worker import Worker

from . import keys
from .asking import Asker, Document
from .feed import Feed, tell_engine
from .messages import EngineSpoke, RunEnded
from .places import Places
from .themes import PALETTES
from .views import frame as view
from .views.live import Live, take
from .widgets.bars import Bar

TICK = 0.2
"""Seconds between looks at the clock while a run goes on."""


class InstepApp(Places):
    """One project (or a folder that may become one) on one terminal. `feed` is None where there is no project."""

    CSS_PATH = "styles/app.tcss"

    def __init__(self, root: Path, feed: Feed | None) -> None:
        super().__init__(root, feed)
        self.live = Live(project=root.name, engine="starting" if feed else "none")
        self.asker = Asker(root)
        self.undone: list[tuple[str, Callable[[], Any]]] = []
        self.run_first = False
        self._pending = ""

    async def on_mount(self) -> None:
        wanted = str(self.kept.get("theme", ""))
        self.theme = wanted if wanted in PALETTES else "instep-dark"
        await self.show_place(str(self.kept.get("place", "pipeline")) if self.feed else "start")
        if self.feed is not None:
            self.follow(self.feed)
        self.set_interval(TICK, self._tick)
        # What the shell wrote while this was suspended stands over what Textual believes to be there.
        self.app_resume_signal.subscribe(self, self._resumed)  # pyright: ignore[reportUnknownMemberType]  # generic in Textual

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
        else:
            self.say("")

    async def ask(self, op: str, **request: Any) -> Document:  # Any: JSON
        """Ask the reading process. Raises InstepError."""
        return await self.asker.ask(op, request)

    def _tick(self) -> None:
        self.forget_said()
        if self.live.going and self.here is not None:
            self.here.tick(self.live)
        self.draw_bars()

    # The two lines

    def draw_bars(self) -> None:
        if not self.query("#top"):
            return
        width = self.size.width
        self.query_one("#top", Bar).show(view.top(self.live, self.place, width))
        actions = [one for one in keys.valid_in(self.place) if one.shown]
        right = self.said or Text(self.here.footer() if self.here else "", "dim")
        if right.cell_len > width - 20:
            right = right[: max(0, width - 20)]
        self.query_one("#bottom", Bar).show(view.bottom(actions, self.why_not, right, width, self._pending))

    # Keys

    async def on_event(self, event: events.Event) -> None:
        # Before it goes to the widget with the focus: an action may open a prompt, and what is typed next is for that.
        if isinstance(event, events.Key) and not event.is_forwarded and await self._typed(event):
            return
        await super().on_event(event)

    async def _typed(self, event: events.Key) -> bool:
        """Do what the key means here; False if it means nothing, or is a letter of a text."""
        if len(self.screen_stack) > 1 or isinstance(self.focused, Input | TextArea):
            return False
        typed = self._pending + keys.key_of(event.key, event.character)
        action = keys.find(self.place, typed)
        waits, self._pending = self._pending, typed if action is None and keys.begins(self.place, typed) else ""
        if action is not None:
            await self.act(action.name)
            for _ in range(50):
                if len(self.screen_stack) == 1 or self.focused is not None:
                    break
                await asyncio.sleep(0)
        self.draw_bars()
        return action is not None or bool(waits or self._pending)

    def why_not(self, action: str) -> str:
        """ "" if the action can be used now, else the reason."""
        if action == "undo" and not self.undone:
            return "there is nothing to undo"
        if action == "cancel" and not self.live.going:
            return "nothing is running"
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
        for one in chain if place in chain else [place, *chain, self]:
            call: Callable[[], object] | None = getattr(one, f"action_{name}", None)
            if call is not None:
                result = call()
                if asyncio.iscoroutine(result):
                    await result
                elif isinstance(result, Worker):
                    # It may open a prompt, which it does before it first waits for something.
                    for _ in range(3):
                        await asyncio.sleep(0)
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
