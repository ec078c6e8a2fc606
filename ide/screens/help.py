"""`?`: the keys that are valid here, on one page, with why one cannot be used now."""

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen

from ..keys import PLACES, valid_in
from ..text import pad
from ..widgets.lines import Lines

_GROUPS = {"act": "Do", "look": "Look", "move": "Move", "app": "Everywhere"}


def help_lines(place: str, why_not: Callable[[str], str]) -> list[Text]:
    """The page as lines."""
    lines: list[Text] = []
    for group, title in _GROUPS.items():
        found = [one for one in valid_in(place) if one.group == group and one.keys]
        if found:
            lines += [Text(), Text(f" {title}", "running.bold")]
        for one in found:
            why = why_not(one.name)
            keys = pad("  ".join(one.keys), 16)
            line = Text.assemble(("   " + keys, "dim" if why else "key"), (one.help, "dim" if why else "text"))
            lines.append(line.append(f"   not now: {why}", "stale") if why else line)
    return lines[1:]


class Help(ModalScreen[None]):
    DEFAULT_CSS = """
    Help { align: center middle; }
    Help Vertical { width: 84; max-width: 96%; height: 90%; border: round $i-running; background: $i-ground; }
    """

    def __init__(self, place: str, why_not: Callable[[str], str]) -> None:
        super().__init__()
        self._place, self._why_not = place, why_not

    def compose(self) -> ComposeResult:
        box = Vertical()
        box.border_title = f"Keys in {PLACES[self._place][1] if self._place in PLACES else 'Start'}"
        box.border_subtitle = "j k scroll · esc close"
        with box:
            yield Lines()

    def on_mount(self) -> None:
        lines = self.query_one(Lines)
        lines.show(help_lines(self._place, self._why_not))
        lines.focus()

    def on_key(self, event: Key) -> None:
        event.stop()
        lines = self.query_one(Lines)
        match event.key:
            case "j" | "down":
                lines.action_down()
            case "k" | "up":
                lines.action_up()
            case "ctrl+d" | "pagedown" | "space":
                lines.action_half_down()
            case "ctrl+u" | "pageup":
                lines.action_half_up()
            case _:
                self.dismiss(None)
