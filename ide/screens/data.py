"""4 Data: every output by step and version, tables of any size in a grid, and questions in SQL."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize
from textual.suggester import Suggester
from textual.widgets import ContentSwitcher

from ...engine.errors import InstepError
from ..text import clean, size
from ..views import data as view
from ..views.console import column_completion
from ..widgets.console import Console
from ..widgets.grid import Grid
from ..widgets.line_view import LineView
from ..widgets.lines import Lines
from ..widgets.outputs import Outputs
from ..widgets.table_view import Seen, TableView
from .place import Place

NARROW = 100
"""Columns below which the table takes the place of the list instead of standing beside it."""
KEPT = 50


class ColumnSuggester(Suggester):
    """Completes the last word of a condition to a column's name."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = names

    async def get_suggestion(self, value: str) -> str | None:
        return column_completion(value, self._names)


class DataPlace(Place):
    DEFAULT_CSS = """
    DataPlace #outputs { width: 38; }
    DataPlace #shown { width: 1fr; height: 1fr; }
    DataPlace.narrow #outputs { width: 1fr; }
    DataPlace.narrow #shown { display: none; }
    DataPlace.open.narrow #outputs { display: none; }
    DataPlace.open.narrow #shown { display: block; }
    DataPlace.alone #outputs { display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._versions: list[view.Version] = []
        self._shown: view.Version | None = None
        self._value: Mapping[str, Any] | None = None  # Any: JSON
        self._wanted: Mapping[str, Any] = {}  # Any: what `go` was given
        self._seen: dict[str, Seen] = {}
        self._looking: Seen | None = None
        self._history: list[str] = []
        self._loaded = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Outputs(id="outputs", classes="pane")
            with ContentSwitcher(initial="value", id="shown"):
                yield Lines(id="value", classes="pane")
                yield TableView(id="table")
                yield Console(id="console")

    @property
    def list(self) -> Outputs:
        return self.query_one("#outputs", Outputs)

    @property
    def table(self) -> TableView:
        return self.query_one("#table", TableView)

    @property
    def sql(self) -> Console:
        return self.query_one("#console", Console)

    @property
    def lines(self) -> Lines:
        return self.query_one("#value", Lines)

    @property
    def mode(self) -> str:
        """What stands at the right: "table", "value" or "console"."""
        return self.query_one("#shown", ContentSwitcher).current or "value"

    def on_mount(self) -> None:
        self.list.border_title = "Outputs"
        self.lines.show([Text("reading …", "dim")])
        self.sql.line.history = self._history
        self.list.focus()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < NARROW, "narrow")

    def arrive(self, **where: Any) -> None:  # Any: what `go` was given
        self._wanted = where
        if where and self.mode == "console":
            self._switch("value")

    async def refresh_shown(self) -> None:
        try:
            document = await self.host.ask("outputs")
        except InstepError as error:
            problem = error.problems[0]
            self.list.say(Text(f"✗ {clean(problem.what)}\n{clean(problem.mend)}", "failed"))
            if self._shown is None:
                self.lines.show(
                    [Text(f"✗ {clean(problem.what)}", "failed"), Text(clean(problem.mend), "text")], top=True
                )
            return
        self._versions = view.versions_of(document)
        self._loaded = True
        self.list.border_subtitle = view.summary(self._versions)
        if not self._versions:
            self.list.say(Text("no outputs yet", "dim"))
            self.lines.border_title = ""
            self.lines.show(
                [Text("nothing yet: `1`, then `r` runs the steps;", "dim"), Text("their outputs stand here", "dim")]
            )
            return
        self.list.show_versions(self._versions, list(self.host.live.steps))
        wanted = view.chosen(self._versions, self._wanted) if self._wanted else None
        if wanted is None and self._wanted:
            self.host.say("this step has no output yet", "stale")
        open_it, self._wanted = bool(wanted), {}
        if wanted is None and self._shown is not None:
            wanted = view.chosen(self._versions, {"content": self._shown.content, "step": self._shown.step})
        wanted = wanted or next((one for one in self._versions if one.is_table and one.here), self._versions[0])
        self.list.choose(wanted)
        if open_it:
            self.add_class("open")
        if self._shown is None or self._shown != wanted:
            self._open(wanted)

    # What is shown

    @on(LineView.Moved, "#outputs")
    def _moved(self) -> None:
        row = self.list.row
        if row is not None and row.version is not None and not self.has_class("narrow") and self.mode != "console":
            self._open(row.version, rest=0.1)

    @on(LineView.Opened)
    async def _opened(self, message: LineView.Opened) -> None:
        message.stop()
        await self.action_open()

    @work(group="open", exclusive=True, exit_on_error=False)
    async def _open(self, version: view.Version, *, rest: float = 0.0, focus: bool = False) -> None:
        """`rest`: seconds to wait for another, while the cursor moves over the list."""
        if rest:
            from asyncio import sleep

            await sleep(rest)
        try:
            if version.is_table:
                seen = self._seen.get(f"{version.step}/{version.name}", Seen())
                await self._open_table(version, seen)
            else:
                self._value = await self.host.ask("value", content=version.content)
                self._draw_value(version)
        except InstepError as error:
            self._draw_problem(version, error)
        self._shown = version
        self.list.mark(version.content)
        if focus:
            (self.table.grid.body if self.mode == "table" else self.lines).focus()
        self.host.draw_bars()

    async def _open_table(self, version: view.Version, seen: Seen) -> None:
        older = view.previous(self._versions, version)
        try:
            await self.table.open(version, older, seen)
        except InstepError:
            if not seen.where:
                raise
            # The columns that the filter names may be gone from this version.
            await self.table.open(version, older, replace(seen, where=""))
            self.host.say("the filter does not fit this version and was left out", "stale")
        self._switch("table")
        self.table.call_after_refresh(self.table.redraw)

    def _draw_value(self, version: view.Version) -> None:
        if self._value is not None:
            self.lines.border_title = Text(f"{clean(version.title)}  (run {version.run})")
            self.lines.border_subtitle = size(version.bytes)
            self.lines.show(view.value_lines(self._value), top=True)
            self._switch("value")

    def _draw_problem(self, version: view.Version, error: InstepError) -> None:
        self._value = None
        self.lines.border_title = Text(clean(version.title))
        self.lines.border_subtitle = "✗ cannot be shown"
        told = [(f"✗ {clean(one.what)}", clean(one.mend)) for one in error.problems]
        self.lines.show(
            [Text(part, "text" if at else "failed") for one in told for at, part in enumerate(one)], top=True
        )
        self._switch("value")

    def _switch(self, mode: str) -> None:
        self.query_one("#shown", ContentSwitcher).current = mode

    # Acting

    def why_not(self, action: str) -> str:
        table = self.mode == "table" and self.table.version is not None
        match action:
            case "open" | "export" | "its_step" if self._loaded and not self._versions:
                return "there are no outputs yet"
            case "sort" | "filter" if self.mode == "console":
                return "say it in the question: order by, where"
            case "diff" | "sort" | "filter" if not table:
                return "this is no table"
            case "diff":
                older = self.table.older
                missing = "this is the first version" if older is None else "the version before was no table"
                return "" if older is not None and older.is_table else missing
            case _:
                return ""

    async def action_open(self) -> None:
        if self.list.has_focus:
            row = self.list.row
            if not self.list.toggle() and row is not None and row.version is not None:
                self.add_class("open")
                self._open(row.version, focus=True)
        elif self.mode == "table":
            self._guarded(self.table.show_cell)

    def action_diff(self) -> None:
        if self.table.below == "diff":
            self.table.close_below()
        else:
            self._guarded(self.table.show_changes)

    @on(Grid.Titled)
    def _titled(self, message: Grid.Titled) -> None:
        if message.grid is self.table.grid:
            self.action_sort()

    def action_sort(self) -> None:
        # Pressed twice before the first order has come, it means the second one.
        seen, column = self._looking or self.table.seen, self.table.grid.column
        if column is not None:
            name = column.name
            after = replace(seen, sort=name, descending=False)
            if seen.sort == name:
                after = (
                    replace(seen, descending=True) if not seen.descending else replace(seen, sort="", descending=False)
                )
            self._looking = after
            self._look(after)

    @work(group="look", exclusive=True, exit_on_error=False)
    async def _look(self, seen: Seen) -> None:
        try:
            await self.table.look(seen)
            self._keep()
        except InstepError as error:
            self.table.show_problem(error)
        finally:
            if self._looking == seen:
                self._looking = None

    @work(exit_on_error=False)
    async def action_filter(self) -> None:
        text = self.table.seen.where
        while True:
            typed = await self.host.ask_text("where", text, suggester=ColumnSuggester(self.table.names))
            if typed is None:
                self.table.close_below()
                return
            text = typed
            try:
                await self.table.look(replace(self.table.seen, where=typed.strip()))
            except InstepError as error:
                self.table.show_problem(error)
                continue
            self.table.close_below()
            self._keep()
            return

    def _keep(self) -> None:
        """The last table's view is the last one to be forgotten."""
        one = self.table.version
        if one is not None:
            self._seen.pop(key := f"{one.step}/{one.name}", None)
            if self.table.seen != Seen():
                self._seen[key] = self.table.seen

    @work(exit_on_error=False)
    async def _guarded(self, doing: Any) -> None:  # Any: a coroutine function of the table
        try:
            await doing()
        except InstepError as error:
            self.table.show_problem(error)

    def action_copy(self) -> None:
        if self.mode == "console":
            self.sql.copy_cell()
        elif self.mode == "table":
            self._guarded(self._copy_cell)
        elif self._value is not None:
            self.host.copy(str(self._value["text"] or self._value["preview"]))

    async def _copy_cell(self) -> None:
        text = await self.table.cell_text()
        if text is None:
            self.host.say("the cell is empty", "stale")
        else:
            self.host.copy(text)

    @work(exit_on_error=False)
    async def action_export(self) -> None:
        from .prompt import Question

        version = self._shown
        if version is None:
            return
        path = await self.host.ask_text(f"write {clean(version.title)} to", view.file_name(version))
        if not path:
            return
        try:
            told = await self.host.ask("export", content=version.content, path=path)
            if "exists" in told:
                if not await self.host.push_screen_wait(Question(f"overwrite it? {clean(told['exists'])} is there")):
                    return
                told = await self.host.ask("export", content=version.content, path=path, overwrite=True)
        except InstepError as error:
            self.host.say(
                " — ".join(part for part in (error.problems[0].what, error.problems[0].mend) if part), "failed", 10
            )
            return
        self.host.say(f"wrote {told['path']} ({size(told['bytes'])})", "ok")

    def action_its_step(self) -> None:
        row = self.list.row
        step = row.step if row is not None else self._shown.step if self._shown else ""
        if step:
            self.host.go("pipeline", step=step)

    def action_console(self) -> None:
        self._switch("console")
        self.add_class("open")
        self.sql.read_names()
        self.sql.line.focus()

    def back(self) -> bool:
        """The cell or difference below, then the console, then the filter, then (narrow) the table."""
        if self.mode == "console":
            if self.sql.line.has_focus and self.sql.grid.cursor_row >= 0:
                self.screen.set_focus(self.sql.grid.body)
                return True
            self._switch("table" if self._shown and self._shown.is_table and self.table.version else "value")
            self.screen.set_focus(self.list)
            return True
        if self.mode == "table" and self.table.close_below():
            return True
        if self.mode == "table" and self.table.seen.where:
            self._look(replace(self.table.seen, where=""))
            return True
        if self.has_class("narrow") and self.has_class("open"):
            self.remove_class("open")
            self.list.focus()
            return True
        if not self.list.has_focus:
            self.list.focus()
            return True
        return False

    # Remembering

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        seen = {key: one.request for key, one in list(self._seen.items())[-KEPT:]}
        history = self.sql.line.history if self.is_mounted else self._history
        shown = {"step": self._shown.step, "output": self._shown.name} if self._shown else {}
        return {"seen": seen, "history": list(history), "shown": shown}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON that `remember` gave
        self._history = [str(one) for one in kept.get("history", ())]
        for key, one in dict(kept.get("seen", {})).items():
            self._seen[key] = Seen(str(one.get("where", "")), str(one.get("sort", "")), bool(one.get("descending")))
        self._wanted = dict(kept.get("shown", {}))
