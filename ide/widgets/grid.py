"""A table that pages: rows are asked for when they are looked at, a page at a time, and forgotten again."""

# pyright: reportUnknownMemberType=false
# Textual's `app` is generic in what the app returns.

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import RenderResult
from textual.containers import Vertical
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import Worker

from ...engine.errors import InstepError
from ..frame import Frame
from ..text import clean, fit, width
from .line_view import LineView

PAGE = 200
"""Rows asked for at once: more than a screen, so that scrolling by pages finds them there."""
_PAGES = 30
Cell = Text | str
Fetch = Callable[[int, int], Awaitable[Sequence[Sequence[Cell]]]]


@dataclass(frozen=True, slots=True)
class Column:
    """`width` is in columns of the screen; `right` sets cells flush right."""

    name: str
    title: str
    width: int
    right: bool = False


class Head(Widget):
    """The titles, moving sideways with the rows."""

    DEFAULT_CSS = "Head { height: 1; background: $i-ground; }"

    def __init__(self) -> None:
        super().__init__()
        self.text = Text()
        self.offset_x = 0

    def on_click(self, event: Click) -> None:
        """On a title: the column, and sorted by it where that can be done."""
        grid = self.parent
        if isinstance(grid, Grid) and grid.body.cells:
            at = grid.body.column_at(event.x + self.offset_x)
            if at is not None:
                grid.body.focus()
                grid.body.to_column(at)
                self.post_message(Grid.Titled(grid))

    def render(self) -> RenderResult:
        return ""

    def render_line(self, y: int) -> Strip:
        ground = self.app.console.get_style("ground")
        strip = Strip(list(self.text.render(self.app.console))).apply_style(ground)
        return strip.crop_extend(self.offset_x, self.offset_x + self.size.width, ground)


class Body(LineView):
    """The rows of a `Grid`."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: Sequence[Column] = ()
        self.column = 0
        self.cells = False
        self._pages: dict[int, Sequence[Sequence[Cell]]] = {}
        self._asked: set[int] = set()
        self._fetch: Fetch | None = None
        self._edition = 0

    def show(self, columns: Sequence[Column], total: int, fetch: Fetch, *, keep: bool) -> None:
        self.columns, self._fetch = columns, fetch
        self._pages.clear()
        self._asked.clear()
        self._edition += 1
        self.column = min(self.column, max(0, len(columns) - 1))
        self.show_lines(total, None if keep else 0)

    def put(self, page: int, rows: Sequence[Sequence[Cell]]) -> None:
        """A page that need not be asked for."""
        self._asked.add(page)
        self._pages[page] = rows

    def lines_width(self) -> int:
        return sum(one.width + 2 for one in self.columns)

    def row(self, index: int) -> Sequence[Cell] | None:
        """The cells of a row, or None where they have not come yet (they are asked for then)."""
        page = index // PAGE
        if page not in self._pages:
            self._ask(page)
            return None
        rows = self._pages[page]
        at = index - page * PAGE
        return rows[at] if at < len(rows) else None

    def line(self, index: int) -> Text:
        cells = self.row(index)
        text = Text(no_wrap=True, end="")
        for at, column in enumerate(self.columns):
            cell: Cell = "·" if cells is None else cells[at] if at < len(cells) else ""
            marked = self.cells and index == self.cursor and at == self.column
            text.append_text(_cell(cell, column, marked=marked))
        return text

    def _ask(self, page: int) -> None:
        if page in self._asked or self._fetch is None:
            return
        self._asked.add(page)
        self.run_worker(self._load(page, self._edition, self._fetch), exit_on_error=False, group="grid")

    async def _load(self, page: int, edition: int, fetch: Fetch) -> None:
        try:
            rows = await fetch(page * PAGE, min(PAGE, self.count - page * PAGE))
        except InstepError as error:
            rows = [[Text(clean(error.problems[0].what), "failed")]]
        except asyncio.CancelledError:
            self._asked.discard(page)
            raise
        if edition != self._edition:
            return
        if len(self._pages) >= _PAGES:
            for far in sorted(self._pages, key=lambda one: abs(one - page))[_PAGES // 2 :]:
                del self._pages[far]
                self._asked.discard(far)
        self._pages[page] = rows
        self.redraw()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        app: object = self.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # generic in Textual
        assert isinstance(app, Frame)
        app.look_at(event)

    def action_left(self) -> None:
        self.to_column(self.column - 1)

    def action_right(self) -> None:
        self.to_column(self.column + 1)

    def to_column(self, column: int) -> None:
        self.column = min(max(0, column), max(0, len(self.columns) - 1))
        left = sum(one.width + 2 for one in self.columns[: self.column])
        right = left + self.columns[self.column].width + 2 if self.columns else 0
        x, room = self.scroll_offset.x, self.scrollable_content_region.width
        if left < x or right > x + room:
            self.scroll_to(x=left if left < x else right - room, animate=False, force=True, immediate=True)
        self.redraw()
        if isinstance(self.parent, Grid):
            self.parent.redraw_head()
        self.post_message(self.Moved(self, self.cursor))

    def column_at(self, x: int) -> int | None:
        """The column that is drawn so many columns of the screen from the left of all."""
        end = 0
        for at, one in enumerate(self.columns):
            end += one.width + 2
            if x < end:
                return at
        return None

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        at = self.column_at(offset.x + self.scroll_offset.x) if offset is not None and self.cells else None
        if at is not None:
            self.to_column(at)

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        if isinstance(self.parent, Grid):
            self.parent.redraw_head()


class Grid(Vertical):
    """Titles above rows. `show` gives it columns, how many rows there are, and how to get some of them.

    `cells` lets the cursor stand on a cell (for sorting by column, copying a cell); the rows post `LineView.Moved` and
    `LineView.Opened`.
    """

    DEFAULT_CSS = "Grid { background: $i-ground; }"

    class Titled(Message):
        """A click on the title of the column that has the cursor now."""

        def __init__(self, grid: "Grid") -> None:
            super().__init__()
            self.grid = grid

    def __init__(self, *, cells: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.head, self.body = Head(), Body()
        self.body.cells = cells
        self.marks: dict[str, str] = {}

    def compose(self):
        yield self.head
        yield self.body

    def show(self, columns: Sequence[Column], total: int, fetch: Fetch, *, keep: bool = False) -> None:
        """Show another table; `keep` leaves the cursor where it is (the same table, read again)."""
        self.body.show(columns, total, fetch, keep=keep)
        self.redraw_head()

    def show_rows(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, keep: bool = False) -> None:
        """Show rows that are all there."""

        async def fetch(offset: int, count: int) -> Sequence[Sequence[Cell]]:
            return rows[offset : offset + count]

        self.show(columns, len(rows), fetch, keep=keep)
        for page in range(0, min(len(rows), PAGE * 3), PAGE):
            self.body.put(page // PAGE, rows[page : page + PAGE])

    @property
    def cursor_row(self) -> int:
        return self.body.cursor if self.body.count else -1

    @property
    def cursor_column(self) -> int:
        return self.body.column

    @property
    def column(self) -> Column | None:
        columns = self.body.columns
        return columns[self.body.column] if columns else None

    def redraw_head(self) -> None:
        """`marks` are put behind titles: `↑` behind the column it is sorted by."""
        text = Text(no_wrap=True, end="")
        for at, one in enumerate(self.body.columns):
            mark = self.marks.get(one.name, "")
            title = fit(clean(one.title), one.width - len(mark) - (1 if mark else 0)) + (f" {mark}" if mark else "")
            style = "text.bold" if self.body.cells and at == self.body.column else "dim"
            text.append_text(_cell(Text(title, style), one))
        self.head.text, self.head.offset_x = text, self.body.scroll_offset.x
        self.head.refresh()


def _cell(cell: Cell, column: Column, *, marked: bool = False) -> Text:
    """A cell in its column, cut with an ellipsis, two columns of space behind it."""
    text = cell.copy() if isinstance(cell, Text) else Text(clean(cell).replace("\n", "⏎").replace("\t", " "))
    if text.cell_len > column.width:
        if len(text) > column.width:
            text = text[: column.width + 1]
        style = text.spans[0].style if text.spans else text.style
        text = Text(fit(text.plain, column.width), style)
    space = " " * max(0, column.width - width(text.plain))
    done = Text.assemble(space, text) if column.right else Text.assemble(text, space)
    if marked:
        done.stylize("reverse")
    done.append("  ")
    return done
