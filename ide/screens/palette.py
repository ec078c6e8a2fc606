"""`:`: find and do anything by a few letters."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from ...engine.errors import InstepError
from ..views.history import RunRow, when
from ..views.palette import Entry, entries, line, matching
from ..widgets.lines import Choices

if TYPE_CHECKING:
    from ..app import InstepApp


class Palette(ModalScreen[Entry | None]):
    DEFAULT_CSS = """
    Palette { align: center top; }
    Palette Vertical {
        width: 92; max-width: 96%; height: 22; max-height: 90%; margin-top: 2;
        border: round $i-running; background: $i-ground;
    }
    Palette Input { border: none; height: 1; padding: 0 1; background: $i-ground; }
    Palette Input:focus { border: none; }
    """

    def __init__(self, every: Sequence[Entry]) -> None:
        super().__init__()
        self.every = list(every)
        self.found: list[Entry] = []
        self._typed = ""

    def compose(self) -> ComposeResult:
        box = Vertical()
        box.border_title = "Commands"
        box.border_subtitle = "enter do · esc close"
        with box:
            yield Input(placeholder="type  >command   @step   #run   /log text")
            yield Choices()

    def on_mount(self) -> None:
        self.query_one(Choices).can_focus = False
        self.set_focus(self.query_one(Input))
        self._narrow("")

    def add(self, more: Sequence[Entry]) -> None:
        """More to find: what had to be read first."""
        self.every += more
        self._narrow(self.query_one(Input).value)

    def _narrow(self, typed: str) -> None:
        self._typed = typed
        self.found = matching(self.every, typed)
        choices = self.query_one(Choices)
        width = max(40, min(90, self.app.size.width - 6))  # pyright: ignore[reportUnknownMemberType]  # Textual's `app`
        choices.show([line(one, width) for one in self.found] or [Text("nothing is called that", "dim")], top=True)
        choices.move_to(0)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def on_key(self, event: Key) -> None:
        choices = self.query_one(Choices)
        match event.key:
            case "down" | "ctrl+n" | "tab":
                choices.action_down()
            case "up" | "ctrl+p":
                choices.action_up()
            case "escape":
                self.dismiss(None)
            case "enter":
                typed = self.query_one(Input).value
                if typed != self._typed:  # enter came before the last letter was taken in
                    self._narrow(typed)
                self.dismiss(self.found[choices.cursor] if self.found else None)
            case _ if event.character is not None and event.is_printable and self.focused is None:
                self.query_one(Input).insert_text_at_cursor(event.character)
            case _:
                return
        event.stop()
        event.prevent_default()


async def choose(app: "InstepApp") -> Entry | None:
    """Show the palette and wait for what is chosen. The runs come a moment later: they have to be read."""
    palette = Palette(entries(app.live, app.place, (), app.why_not))

    async def add_runs() -> None:
        with suppress(InstepError):
            rows, now = [RunRow.of(row) for row in (await app.ask("runs", metrics=[]))["runs"]], time.time()
            told = [(one, f"run {one.number}  {one.state}  {one.note}") for one in rows]
            palette.add([Entry("run", text, str(one.number), "", when(one.started, now)) for one, text in told])

    reading = asyncio.create_task(add_runs())
    try:
        return await app.push_screen_wait(palette)
    finally:
        reading.cancel()
