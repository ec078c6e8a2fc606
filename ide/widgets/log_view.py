"""The lines of a log, drawn when they are looked at: ten of them and a million cost the same.

It keeps the rows around what is shown and says `Wants` when it would draw one that it has not. Unless it follows the
end, what comes in moves neither the cursor from its line nor that line on the screen.
"""

# pyright: reportUnknownMemberType=false
# Textual's `app` is generic in what the app returns.

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from ..views.log_lines import LogLine, body, columns_of, from_column, head, height, wrapped
from .line_view import LineView

ROWS = 2_000
"""Rows that are kept, at most."""
_SIDEWAYS = 16


class LogView(LineView):
    """`show_page` gives it rows. With `wrap` a line takes as many rows of the screen as it needs, at most all."""

    class Wants(Message):
        """A row is looked at that is not there."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    class Changed(Message):
        """Whether it follows the end has changed, or from which column on it shows lines."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: dict[int, LogLine] = {}
        self.names = 4
        self.find = ""
        self.wrap = False
        self.following = True
        self.aside = 0
        self.notice: Sequence[Text] = ()
        self._still = False
        self._wanted = -1
        self._laid: list[Text] = []
        self._owners: list[int] = []
        self._laid_for: tuple[int, int, int] = (-1, -1, -1)

    # What the place does

    def show_page(self, total: int, offset: int, rows: Sequence[LogLine], cursor: int | None, *, anew: bool) -> None:
        """There are `total` lines, these from `offset` on. `cursor` is where the cursor's line is now; with `anew` what
        was there before is forgotten."""
        kept = {} if anew or len(self.rows) > ROWS else self.rows
        self.rows = kept | dict(enumerate(rows, offset))
        self._wanted = -1
        self.notice = ()
        below_top = self.cursor - self.scroll_offset.y
        at = total - 1 if self.following else self.cursor if cursor is None else cursor
        moved = not self.following and at != self.cursor
        self._still = not self.following
        self.show_lines(total, at)
        self._still = False
        self._measure()
        if self.following:
            self._follow()
        elif moved:
            self.scroll_to(y=max(0, at - below_top), animate=False, force=True, immediate=True)
        self.call_after_refresh(self._set_thumb)

    def _set_thumb(self) -> None:
        """A scrollbar that was not there yet when the view was scrolled does not know where it is."""
        self.vertical_scrollbar.position = self.scroll_offset.y

    def say(self, notice: Sequence[Text]) -> None:
        """Say this in place of lines."""
        self.rows, self.notice = {}, notice
        self.show_lines(0)

    def at_cursor(self) -> LogLine | None:
        return self.rows.get(self.cursor) if self.count else None

    def follow(self, on: bool) -> None:
        if on != self.following:
            self.following = on
            self.post_message(self.Changed())
        if on and self.count:
            self._put(self.count - 1)

    def set_wrap(self, on: bool) -> None:
        self.wrap, self.aside = on, 0
        self.redraw()
        self._measure()
        self._follow()

    # Drawing

    def line(self, index: int) -> Text:
        found = self.rows.get(index)
        if found is None:
            self._want(index)
            return Text("·", "dim")
        columns = self.scrollable_content_region.width
        first = head(found, self.names, columns)
        room = max(0, columns - first.cell_len)
        return Text.assemble(first, from_column(body(found, self.find), self.aside, room), no_wrap=True, end="")

    def render_line(self, y: int) -> Strip:
        if self.notice or not (self.wrap and self.count):
            return self._noticed(y) if self.notice else super().render_line(y)
        self._lay()
        width = self.scrollable_content_region.width
        ground = self.app.console.get_style("ground")
        if y >= len(self._laid):
            return Strip.blank(width, ground)
        if self._owners[y] == self.cursor:
            ground += self.app.console.get_style("cursor" if self.has_focus else "cursor-away")
        strip = Strip(list(self._laid[y].render(self.app.console))).apply_style(ground)
        return strip.crop_extend(0, width, ground)

    def _noticed(self, y: int) -> Strip:
        width, ground = self.scrollable_content_region.width, self.app.console.get_style("ground")
        if y >= len(self.notice):
            return Strip.blank(width, ground)
        return Strip(list(self.notice[y].render(self.app.console))).apply_style(ground).crop_extend(0, width, ground)

    def redraw(self) -> None:
        self._laid_for = (-1, -1, -1)
        super().redraw()

    def _lay(self) -> None:
        """The rows of the screen from the first line that is shown on, with the line that each belongs to."""
        room = self.scrollable_content_region.size
        if self._laid_for == (self.scroll_offset.y, room.width, room.height):
            return
        self._laid_for = (self.scroll_offset.y, room.width, room.height)
        self._laid, self._owners = [], []
        for index in range(self.scroll_offset.y, self.count):
            found = self.rows.get(index)
            if found is None:
                self._want(index)
            told = wrapped(found, self.find, self.names, room.width, room.height) if found else [Text("·", "dim")]
            self._laid += told
            self._owners += [index] * len(told)
            if len(self._laid) >= room.height:
                return

    def _want(self, row: int) -> None:
        if self._wanted < 0:
            self._wanted = row
            self.post_message(self.Wants(row))

    # Moving

    def move_to(self, index: int, *, tell: bool = True) -> None:
        if index < self.count - 1:
            self.follow(False)
        self._put(index, tell=tell)

    def _put(self, index: int, *, tell: bool = True) -> None:
        super().move_to(index, tell=tell)
        if self.wrap:
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and self.wrap and self.count:
            event.prevent_default()  # a row of the screen is no line here
            if offset.y < len(self._owners):
                self.move_to(self._owners[offset.y])

    def action_last(self) -> None:
        self.follow(True)

    def action_left(self) -> None:
        self._sideways(-_SIDEWAYS)

    def action_right(self) -> None:
        self._sideways(_SIDEWAYS)

    def _sideways(self, by: int) -> None:
        top = self.scroll_offset.y
        visible = (self.rows.get(top + at) for at in range(self.scrollable_content_region.height))
        widest = max((columns_of(one) for one in visible if one), default=0)
        self.aside = 0 if self.wrap else max(0, min(self.aside + by, widest - _SIDEWAYS))
        self.post_message(self.Changed())
        self.redraw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.follow(False)

    def _follow(self) -> None:
        if self._still:
            return
        if not self.wrap:
            super()._follow()
            return
        room = self.scrollable_content_region.height
        top = self.scroll_offset.y
        if self.cursor < top:
            to = self.cursor
        else:
            to, taken = self.cursor, self._rows_of(self.cursor)
            while to > top and taken + self._rows_of(to - 1) <= room:
                to -= 1
                taken += self._rows_of(to)
            to = max(to, top)
        if to != top:
            self.scroll_to(y=to, animate=False, force=True, immediate=True)

    def _rows_of(self, index: int) -> int:
        found = self.rows.get(index)
        room = self.scrollable_content_region.size
        return height(found, self.names, room.width, max(1, room.height)) if found else 1

    def _measure(self) -> None:
        """How far it can be scrolled: where lines are wrapped, fewer of them fit."""
        room = self.scrollable_content_region.height
        last, taken = self.count, 0
        while self.wrap and last > 0 and taken + self._rows_of(last - 1) <= room:
            last -= 1
            taken += self._rows_of(last)
        self.virtual_size = Size(0, last + room if self.wrap else self.count)
