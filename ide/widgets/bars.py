"""The top and the bottom line."""

# pyright: reportUnknownMemberType=false
# Textual's `app` is generic in what the app returns.

from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from .inert import inert


class Bar(Widget):
    """One line of text; a click on it says where."""

    DEFAULT_CSS = "Bar { height: 1; background: $i-bar; }"

    class Clicked(Message):
        def __init__(self, bar: "Bar", word: str) -> None:
            super().__init__()
            self.bar, self.word = bar, word

        @property
        def control(self) -> "Bar":
            return self.bar

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Text()

    def show(self, text: Text) -> None:
        """Draw only what is new: this line is asked to change with everything that happens."""
        if text != self._text:
            self._text = text
            self.refresh()

    @property
    def plain(self) -> str:
        return self._text.plain

    def render(self) -> RenderResult:
        return ""

    def render_line(self, y: int) -> Strip:
        ground = self.app.console.get_style("bar")
        strip = Strip(list(inert(self._text).render(self.app.console))).apply_style(ground)
        return strip.crop_extend(0, self.size.width, ground)

    def on_click(self, event: events.Click) -> None:
        """The two words around the click: a key and its label stand side by side."""
        plain = self._text.plain
        left = plain.rfind("  ", 0, event.x + 1)
        right = plain.find("  ", event.x)
        self.post_message(self.Clicked(self, plain[max(0, left) : right if right > 0 else len(plain)].strip()))
