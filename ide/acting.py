"""The app between a key (or a click on the two lines) and the action it means."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.widgets import Input, TextArea
from textual.worker import Worker

from . import keys
from .feed import Feed
from .places import Places
from .widgets.bars import Bar


class Acting(Places):
    """Keys of two letters wait in `pending` for the second one."""

    def __init__(self, root: Path, feed: Feed | None) -> None:
        super().__init__(root, feed)
        self.pending = ""

    def why_not(self, action: str) -> str:
        """ "" if the action can be used now, else the reason."""
        return self.here.why_not(action) if self.here is not None else ""

    async def on_event(self, event: events.Event) -> None:
        # Before it goes to the widget with the focus: an action may open a prompt, and what is typed next is for that.
        if isinstance(event, events.Key) and not event.is_forwarded and await self._typed(event):
            return
        await super().on_event(event)

    async def _typed(self, event: events.Key) -> bool:
        """Do what the key means here; False if it means nothing, or is a letter of a text."""
        if len(self.screen_stack) > 1 or isinstance(self.focused, Input | TextArea):
            return False
        typed = self.pending + keys.key_of(event.key, event.character)
        action = keys.find(self.place, typed)
        waits, self.pending = self.pending, typed if action is None and keys.begins(self.place, typed) else ""
        if action is not None:
            await self.act(action.name)
            for _ in range(50):
                if len(self.screen_stack) == 1 or self.focused is not None:
                    break
                await asyncio.sleep(0)
        self.draw_bars()
        return action is not None or bool(waits or self.pending)

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
