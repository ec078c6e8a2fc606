"""Choose some of many: space or enter ticks, esc is done. Typing is not needed for a list that short."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen

from ..text import clean
from ..widgets.lines import Choices


class Checklist(ModalScreen[set[str] | None]):
    DEFAULT_CSS = """
    Checklist { align: center middle; }
    Checklist Vertical { width: 60; max-width: 96%; height: 80%; border: round $i-running; background: $i-ground; }
    """

    def __init__(self, title: str, names: Sequence[str], chosen: set[str]) -> None:
        super().__init__()
        self._title, self._names, self._chosen = title, names, set(chosen)

    def compose(self) -> ComposeResult:
        box = Vertical()
        box.border_title = self._title
        box.border_subtitle = "space choose · enter done · esc leave as it was"
        with box:
            yield Choices()

    def on_mount(self) -> None:
        self._draw()
        self.query_one(Choices).focus()

    def _draw(self) -> None:
        self.query_one(Choices).show(
            [Text.assemble(("✓ " if one in self._chosen else "  ", "ok"), (clean(one), "text")) for one in self._names]
        )

    def on_key(self, event: Key) -> None:
        event.stop()
        choices = self.query_one(Choices)
        match event.key:
            case "j" | "down":
                choices.action_down()
            case "k" | "up":
                choices.action_up()
            case "space" if self._names:
                self._chosen ^= {self._names[choices.cursor]}
                self._draw()
            case "enter":
                self.dismiss(self._chosen)
            case "escape" | "q":
                self.dismiss(None)
            case _:
                pass
