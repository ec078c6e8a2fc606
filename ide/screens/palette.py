"""`:`: find and do anything by a few letters."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from ..views.palette import Entry, line, matching
from ..widgets.lines import Choices


class Palette(ModalScreen[Entry | None]):
    DEFAULT_CSS = """
    Palette { align: center top; background: transparent; }
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

    def compose(self) -> ComposeResult:
        box = Vertical()
        box.border_title = "Commands"
        box.border_subtitle = "enter do · esc close"
        with box:
            yield Input(placeholder="type  >command   @step   #run   /log text")
            yield Choices()

    def on_mount(self) -> None:
        self.query_one(Choices).can_focus = False
        self.query_one(Input).focus()
        self._narrow("")

    def add(self, more: Sequence[Entry]) -> None:
        """More to find: what had to be read first."""
        self.every += more
        self._narrow(self.query_one(Input).value)

    def _narrow(self, typed: str) -> None:
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
                self.dismiss(self.found[choices.cursor] if self.found else None)
            case _:
                return
        event.stop()
        event.prevent_default()
