"""What every list, log, table and source of the screen is built on: lines that are made when they are looked at.

Only visible lines are ever drawn, so ten lines and five million cost the same. Where there is a cursor, updates leave
it on the line it was on.
"""

# pyright: reportUnknownMemberType=false
# Textual's `app` is generic in what the app returns.

from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from .inert import inert


class LineView(ScrollView, can_focus=True, inherit_bindings=False):
    """Subclasses give `line(index)`; `show_lines` says how many there are. `cursor` is the line under the cursor, or -1
    in a view that only scrolls."""

    DEFAULT_CSS = """
    LineView { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; background: $i-ground;
        scrollbar-background: $i-ground; scrollbar-background-hover: $i-ground; scrollbar-background-active: $i-ground;
        scrollbar-color: $i-line; scrollbar-color-hover: $i-dim; scrollbar-color-active: $i-dim; }
    """
    HAS_CURSOR = True

    class Moved(Message):
        """The cursor is on another line."""

        def __init__(self, view: "LineView", index: int) -> None:
            super().__init__()
            self.view, self.index = view, index

        @property
        def control(self) -> "LineView":
            return self.view

    class Opened(Message):
        """Enter, or a click on the line under the cursor."""

        def __init__(self, view: "LineView", index: int) -> None:
            super().__init__()
            self.view, self.index = view, index

        @property
        def control(self) -> "LineView":
            return self.view

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.count = 0
        self.cursor = 0 if self.HAS_CURSOR else -1
        self._drawn: dict[tuple[int, int, bool, bool], Strip] = {}

    # What subclasses give

    def line(self, index: int) -> Text:
        """The text of a line; it is cut or filled to the width there is."""
        raise NotImplementedError

    def selectable(self, index: int) -> bool:
        """Whether the cursor may stand here."""
        return True

    def lines_width(self) -> int:
        """Columns the widest line takes; more than there are can be scrolled to."""
        return 0

    # What callers do

    def show_lines(self, count: int, cursor: int | None = None) -> None:
        """There are now `count` lines; draws them anew."""
        self.count = count
        if self.HAS_CURSOR:
            self.cursor = self._near(min(max(0, self.cursor if cursor is None else cursor), max(0, count - 1)))
        self.virtual_size = Size(self.lines_width(), count)
        self.redraw()
        if self.HAS_CURSOR:
            self._follow()

    def redraw(self) -> None:
        """The lines are the same, what they say is not."""
        self._drawn.clear()
        self.refresh()

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Put the cursor on a line (or the next that can have it) and bring it into view."""
        if not self.HAS_CURSOR or not self.count:
            return
        before, self.cursor = self.cursor, self._near(min(max(0, index), self.count - 1), index - self.cursor)
        for one in {before, self.cursor}:
            self.refresh_lines(one - self.scroll_offset.y, 1)
        self._follow()
        if tell and before != self.cursor:
            self.post_message(self.Moved(self, self.cursor))

    def _near(self, index: int, step: int = 1) -> int:
        """The next line from `index` on, in the direction of `step`, that can have the cursor."""
        way = 1 if step >= 0 else -1
        for direction in (way, -way):
            at = index
            while 0 <= at < self.count:
                if self.selectable(at):
                    return at
                at += direction
        return min(max(0, index), max(0, self.count - 1))

    def _follow(self) -> None:
        """Scroll as little as brings the cursor into view."""
        height = self.scrollable_content_region.height
        top = self.scroll_offset.y
        if height and not top <= self.cursor < top + height:
            to = self.cursor if self.cursor < top else self.cursor - height + 1
            self.scroll_to(y=to, animate=False, force=True, immediate=True)

    # Drawing

    def render_line(self, y: int) -> Strip:
        offset = self.scroll_offset
        index, width = y + offset.y, self.scrollable_content_region.width
        ground = self.app.console.get_style("ground") + Style(color=self.rich_style.color)
        if not 0 <= index < self.count:
            return Strip.blank(width, ground)
        on = self.HAS_CURSOR and index == self.cursor
        key = (index, width, on, self.has_focus)
        strip = self._drawn.get(key)
        if strip is None:
            text = self.line(index)
            style = ground + self.app.console.get_style("cursor" if self.has_focus else "cursor-away") if on else ground
            strip = Strip(list(inert(text).render(self.app.console))).simplify().apply_style(style)
            strip = strip.adjust_cell_length(max(width, min(strip.cell_length, self.lines_width())), style)
            if len(self._drawn) > 2_000:
                self._drawn.clear()
            self._drawn[key] = strip
        return strip.crop_extend(offset.x, offset.x + width, ground).apply_offsets(offset.x, index)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self._drawn.clear()
        if self.HAS_CURSOR and self.count:
            self._follow()

    # Moving

    def _step(self, by: int) -> None:
        if self.HAS_CURSOR:
            self.move_to(self.cursor + by)
        else:
            self.scroll_relative(y=by, animate=False)

    def action_down(self) -> None:
        self._step(1)

    def action_up(self) -> None:
        self._step(-1)

    def action_half_down(self) -> None:
        self._step(max(1, self.size.height // 2))

    def action_half_up(self) -> None:
        self._step(-max(1, self.size.height // 2))

    def action_first(self) -> None:
        if self.HAS_CURSOR:
            self.move_to(0)
        else:
            self.scroll_to(y=0, animate=False)

    def action_last(self) -> None:
        if self.HAS_CURSOR:
            self.move_to(self.count - 1)
        else:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def action_left(self) -> None:
        self.scroll_relative(x=-8, animate=False)

    def action_right(self) -> None:
        self.scroll_relative(x=8, animate=False)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or not self.HAS_CURSOR:
            return
        index = offset.y + self.scroll_offset.y
        if index >= self.count:
            return
        if event.chain > 1:
            self.post_message(self.Opened(self, self.cursor))
        else:
            self.move_to(index)
