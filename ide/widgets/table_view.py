"""One table: a grid that pages above, what the column under the cursor holds below; or what changed since before."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical

from ...engine.errors import InstepError
from ..screens.place import Host
from ..text import clean, fit
from ..views import cells as view
from ..views.column import change_lines, profile_lines
from ..views.data import Version
from .grid import Cell, Grid
from .line_view import LineView
from .lines import Lines

Document = Mapping[str, Any]  # Any: JSON
REST = 0.15
"""Seconds that the cursor rests on a column before its rows are counted: moving over columns asks for nothing."""
_NONE: Document = {"rows": 0, "columns": []}


@dataclass(frozen=True, slots=True)
class Seen:
    """How a table is looked at."""

    where: str = ""
    sort: str = ""
    descending: bool = False

    @property
    def request(self) -> dict[str, Any]:  # Any: JSON
        return {"where": self.where, "sort": self.sort, "descending": self.descending}


class TableView(Host, Vertical):
    """`open` shows a version; `older` is the one before it, if there is one."""

    DEFAULT_CSS = """
    TableView #grid { height: 1fr; }
    TableView #below { height: 9; }
    TableView.low #below { height: 6; }
    TableView.diff #below { height: 60%; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.version: Version | None = None
        self.older: Version | None = None
        self.seen = Seen()
        self.total = 0
        self.below: Literal["column", "diff", "cell"] = "column"
        self._table: Document = _NONE
        self._changes: Document | None = None
        self._profiles: dict[tuple[str, str], Document] = {}
        self._ids: dict[int, int] = {}

    def compose(self) -> ComposeResult:
        yield Grid(cells=True, id="grid").add_class("pane")
        yield Lines(id="below", classes="pane")

    @property
    def grid(self) -> Grid:
        return self.query_one("#grid", Grid)

    @property
    def lines(self) -> Lines:
        return self.query_one("#below", Lines)

    @property
    def names(self) -> list[str]:
        return [str(one["name"]) for one in self._table["columns"]]

    @property
    def column(self) -> Document | None:
        """What is known of the column under the cursor."""
        columns: Sequence[Document] = self._table["columns"]
        at = self.grid.cursor_column
        return {**columns[at], "rows": self._table["rows"]} if at < len(columns) else None

    async def open(self, version: Version, older: Version | None, seen: Seen) -> None:
        """Raises InstepError; what was shown before is then still there."""
        table = await self.host.ask("table", content=version.content)
        same = self.version is not None and (self.version.step, self.version.name) == (version.step, version.name)
        column = self.grid.column.name if same and self.grid.column is not None else ""
        names = [one["name"] for one in table["columns"]]
        seen = replace(seen, sort=seen.sort if seen.sort in names else "")
        page = await self.host.ask("page", content=version.content, **seen.request)
        self.version, self.older, self._table, self._changes = version, older, table, None
        self._show(page, seen)
        if column in names:
            self.grid.body.column = names.index(column)
            self.grid.redraw_head()
        self.close_below()
        self._compare()

    async def look(self, seen: Seen) -> None:
        """The same table, sorted or filtered. Raises InstepError, and leaves it as it was."""
        if self.version is None:
            return
        self.grid.border_subtitle = "sorting …" if seen.sort and seen.where == self.seen.where else "looking …"
        try:
            page = await self.host.ask("page", content=self.version.content, **seen.request)
        except InstepError:
            self.tell()
            raise
        column = self.grid.cursor_column
        self._show(page, seen)
        self.grid.body.column = column
        self.grid.redraw_head()

    def _show(self, page: Document, seen: Seen) -> None:
        self.seen, self.total = seen, page["total"]
        ids: Sequence[int] = page["ids"]
        self._ids = dict(enumerate(ids))
        columns: Sequence[Document] = self._table["columns"]
        rows = view.page_cells(page["rows"], [str(one["dtype"]) for one in columns])
        right = [view.is_number(one["dtype"]) for one in columns]
        self.grid.marks = {seen.sort: "↓" if seen.descending else "↑"} if seen.sort else {}
        found = view.columns_of(self.names, right, rows, max(20, self.grid.body.scrollable_content_region.width))
        self.grid.show(found, self.total, self._fetching(seen))
        if rows:
            self.grid.body.put(0, rows)
        self.tell()

    def _fetching(self, seen: Seen) -> Callable[[int, int], Awaitable[Sequence[Sequence[Cell]]]]:
        content = self.version.content if self.version else ""
        dtypes = [str(one["dtype"]) for one in self._table["columns"]]

        async def fetch(offset: int, count: int) -> Sequence[Sequence[Cell]]:
            page = await self.host.ask("page", content=content, offset=offset, count=count, **seen.request)
            if self.version is not None and (self.version.content, self.seen) == (content, seen):
                self._ids |= {offset + at: one for at, one in enumerate(page["ids"])}
            return view.page_cells(page["rows"], dtypes)

        return fetch

    def tell(self) -> None:
        """The titles: which table, filtered how, which rows are seen."""
        one, grid, width = self.version, self.grid, self.size.width
        if one is None:
            return
        head = f"{clean(one.title)}  (run {one.run})"
        where = view.where_title(self.seen.request, max(10, width - len(head) - 10))
        grid.border_title = Text(fit(f"{head}  {where}".strip(), max(10, width - 6)))
        height = max(1, grid.body.size.height)
        first = grid.body.scroll_offset.y
        last = min(self.total, first + height)
        of = f"{self.total:,}" + (f" of {self._table['rows']:,}" if self.seen.where else "")
        told = f"row {first + 1:,}–{last:,} of {of}" if self.total else "no row is like that" if self.seen.where else ""
        row = grid.cursor_row
        if self.total and width > 90:
            told += f" · at {row + 1:,}"
            told += f" (number {self._ids[row] + 1:,})" if row in self._ids and self._ids[row] != row else ""
        grid.border_subtitle = told or "no rows"

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        message.stop()
        self.grid.redraw_head()
        if self.below == "cell":
            self.below = "column"
        self.tell()
        self.draw_column()

    def on_resize(self) -> None:
        self.set_class(self.size.height < 26, "low")
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        if self.version is not None:
            self.tell()
            if self.below == "column":
                self.draw_column()
            elif self.below == "diff":
                self._draw_changes()

    # Below the grid

    @property
    def _room(self) -> int:
        return max(20, self.lines.scrollable_content_region.width)

    def close_below(self) -> bool:
        """Back to the column; False if that is what stands there."""
        before, self.below = self.below, "column"
        self.remove_class("diff")
        self.draw_column()
        return before != "column"

    def draw_column(self) -> None:
        """What is known now, and the rest when it has been counted."""
        column = self.column
        if self.below != "column" or self.version is None or column is None:
            return
        key = (self.version.content, str(column["name"]))
        profile, lines = self._profiles.get(key), self.lines
        title = f"{view.flat(key[1])}  {view.type_name(column['dtype'])}"
        lines.border_title = Text(fit(title, max(10, self.size.width - 6)))
        lines.border_subtitle = "d what changed" if self.older else ""
        room, tall = self._room, max(3, lines.scrollable_content_region.height)
        change = self._change_of(key[1])
        lines.show(profile_lines(column, profile, change, room, tall), top=True)
        if profile is None:
            self._count(*key)

    @work(group="profile", exclusive=True, exit_on_error=False)
    async def _count(self, content: str, name: str) -> None:
        from asyncio import sleep

        await sleep(REST)
        try:
            profile = await self.host.ask("profile", content=content, column=name)
        except InstepError as error:
            profile = {"why": error.problems[0].what, "rows": self._table["rows"]}
        self._profiles[content, name] = profile
        self.draw_column()

    def _change_of(self, name: str) -> Document | None:
        if self._changes is None or self.older is None or self.version is None:
            return None
        found = next((one for one in self._changes["columns"] if one["name"] == name), None)
        return found and {**found, "title": f"v{self.older.version} → v{self.version.version}"}

    @work(group="changes", exclusive=True, exit_on_error=False)
    async def _compare(self) -> None:
        version, older = self.version, self.older
        if version is None or older is None or not older.is_table:
            return
        try:
            changes = await self.host.ask("changes", content=version.content, previous=older.content)
        except InstepError:
            return  # what changed is missing from the column's lines; `d` says why
        if self.version is version:
            self._changes = changes
            self.redraw()

    async def show_changes(self) -> None:
        """Raises InstepError."""
        if self.version is not None and self.older is not None and self._changes is None:
            self._changes = await self.host.ask("changes", content=self.version.content, previous=self.older.content)
        self.below = "diff"
        self.add_class("diff")
        self._draw_changes()

    def _draw_changes(self) -> None:
        if self._changes is None or self.version is None or self.older is None:
            return
        lines = self.lines
        lines.border_title = Text(f"{clean(self.version.name)} v{self.older.version} → v{self.version.version}")
        lines.border_subtitle = "d back to the column"
        lines.show(change_lines(self._changes, self.older.title, self.version.title, self._room), top=True)

    def show_problem(self, error: InstepError) -> None:
        """A mistake, below the table it was made about."""
        problem, lines = error.problems[0], self.lines
        self.below = "cell"
        lines.border_title, lines.border_subtitle = "✗", ""
        found = [Text(f"✗ {clean(problem.what)}", "failed"), Text(clean(problem.mend), "text")]
        lines.show(wrapped(found, self._room), top=True)

    async def cell_text(self) -> str | None:
        """The cell under the cursor, whole; None for a missing value. Raises InstepError."""
        column, row = self.column, self.grid.cursor_row
        if column is None or self.version is None or row not in self._ids:
            return None
        answer = await self.host.ask(
            "cell", content=self.version.content, row=self._ids[row], column=str(column["name"])
        )
        return answer["text"]

    async def show_cell(self) -> None:
        """The cell under the cursor, whole, below. Raises InstepError."""
        text, column, lines = await self.cell_text(), self.column, self.lines
        if column is None:
            return
        self.below = "cell"
        lines.border_title = Text(fit(f"{view.flat(str(column['name']))}, row {self.grid.cursor_row + 1:,}", 60))
        lines.border_subtitle = "esc back to the column"
        shown = [Text(view.NULL + "  missing", "dim")] if text is None else [Text(one) for one in text.split("\n")]
        lines.show(wrapped([Text(clean(one.plain), one.style) for one in shown], self._room), top=True)


def wrapped(lines: Sequence[Text], room: int, most: int = 2_000) -> list[Text]:
    """Lines broken to the room; a cell of a megabyte has as many as one reads."""
    found: list[Text] = []
    for line in lines:
        plain = line.plain
        while plain and len(found) < most:
            piece = plain[:room]
            while Text(piece).cell_len > room:
                piece = piece[:-1]
            found.append(Text(piece, line.style))
            plain = plain[len(piece) :]
        if not line.plain:
            found.append(Text(""))
    return found[:most]
