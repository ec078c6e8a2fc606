"""A question of one line at the bottom of the screen, and a question of yes or no."""

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.events import Key
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Label


class Prompt(ModalScreen[str | None]):
    """Answers with the text, or None where it was given up. `on_change` hears every letter."""

    DEFAULT_CSS = """
    Prompt { align: left bottom; }
    Prompt Horizontal { height: 1; background: $i-bar; margin-bottom: 0; }
    Prompt Label { color: $i-stale; text-style: bold; padding: 0 1; }
    Prompt Input { width: 1fr; border: none; height: 1; padding: 0; background: $i-bar; }
    Prompt Input:focus { border: none; }
    """
    BINDINGS = [Binding("escape", "give_up", show=False)]  # noqa: RUF012 - Textual's own way to say it

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        on_change: Callable[[str], object] | None = None,
        suggester: Suggester | None = None,
    ) -> None:
        super().__init__()
        self._title, self._value, self._on_change, self._suggester = title, value, on_change, suggester

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label(self._title, markup=False)
            yield Input(self._value, suggester=self._suggester, select_on_focus=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one(Input))

    def on_key(self, event: Key) -> None:
        """A letter that came before the input could have the focus."""
        if event.character is not None and event.is_printable and self.focused is None:
            self.query_one(Input).insert_text_at_cursor(event.character)
            event.stop()

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._on_change is not None:
            self._on_change(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_give_up(self) -> None:
        self.dismiss(None)


class Question(ModalScreen[bool]):
    """`y` or enter: yes; everything else: no. Only for what cannot be undone."""

    DEFAULT_CSS = """
    Question { align: left bottom; }
    Question Label { width: 1fr; height: 1; background: $i-bar; color: $i-stale; text-style: bold; padding: 0 1; }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Label(f"{self._text}  y yes · n no", markup=False)

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss(event.key in ("y", "Y", "enter"))
