"""A line of SQL: tab completes names, up and down go through what was asked before."""

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.widgets import Input

from ..screens.place import Place
from ..views.console import Names, candidates, common, completed


class SqlLine(Input):
    """Posts `Hinted` with what the word under the cursor could be, `Input.Submitted` with the question."""

    DEFAULT_CSS = """
    SqlLine { border: none; height: 1; padding: 0; background: $i-ground; }
    SqlLine:focus { border: none; }
    """

    class Hinted(Message):
        """These are the names that the word could be completed to."""

        def __init__(self, names: Sequence[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="select … from …   tab completes, ↑ what was asked before", id=id)
        self.names = Names()
        self.history: list[str] = []
        self._back = 0
        self._draft = ""
        self._turn: tuple[str, int, Sequence[str], int] | None = None

    def forget_turn(self) -> None:
        """A new question begins: `up` starts at the newest one again."""
        self._back, self._draft = 0, ""

    def on_input_changed(self) -> None:
        self.post_message(self.Hinted(candidates(self.value, self.cursor_position, self.names)))

    async def _on_key(self, event: events.Key) -> None:
        if event.key in ("tab", "up", "down", "escape"):
            event.stop()
            event.prevent_default()
            if event.key == "escape":
                self._leave()
            elif event.key == "tab":
                self._complete()
            else:
                self._recall(1 if event.key == "up" else -1)
            return
        self._turn = None
        await super()._on_key(event)

    def _leave(self) -> None:
        """Esc: the place says what is next. At once: the next key is no longer for this line."""
        place = next((one for one in self.ancestors if isinstance(one, Place)), None)
        if place is not None:
            place.back()

    def _complete(self) -> None:
        """The part that all candidates share first, then one candidate after the other."""
        if self._turn is not None:
            text, at, found, index = self._turn
            self._put(*completed(text, at, found[index % len(found)]))
            self._turn = (text, at, found, index + 1)
            return
        found = candidates(self.value, self.cursor_position, self.names)
        if not found:
            return
        shared = common(found)
        text, at = completed(self.value, self.cursor_position, shared) if shared else (self.value, self.cursor_position)
        if len(found) == 1 or not shared or at <= self.cursor_position:
            self._turn = (self.value, self.cursor_position, found, 1)
            text, at = completed(self.value, self.cursor_position, found[0])
        self._put(text, at)

    def _put(self, text: str, at: int) -> None:
        self.value = text
        self.cursor_position = at

    def _recall(self, by: int) -> None:
        if not self._back:
            self._draft = self.value
        self._back = min(max(0, self._back + by), len(self.history))
        text = self.history[-self._back] if self._back else self._draft
        self._put(text, len(text))
