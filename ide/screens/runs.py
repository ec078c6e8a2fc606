"""2 Runs: the history as a table, what each run changed, and what a person says of them."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.events import Resize

from ...engine.errors import InstepError
from ..offloading import offload, which_cluster, why_not_offload
from ..text import clean, oneline
from ..views import history as view
from ..views.live import Live, Message
from ..widgets.grid import Cell, Grid
from ..widgets.line_view import LineView
from ..widgets.lines import Lines
from .place import Place

FIRST = 64
"""Runs that are asked for at once: about a screen full."""


class RunsPlace(Place):
    DEFAULT_CSS = """
    RunsPlace #history { height: 1fr; }
    RunsPlace #brief { height: 11; }
    RunsPlace.low #brief { height: 6; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.choice = view.Choice()
        self._chosen = False
        self._rows: Sequence[view.RunRow] = ()
        self._known: tuple[Sequence[str], Sequence[str]] = ((), ())
        self._series: Sequence[str] = ()
        self._listed = view.Listed((), ())
        self._wanted: int | None = None
        self._loaded = self._more = False

    def compose(self) -> ComposeResult:
        grid = Grid(cells=True, id="history")
        grid.add_class("pane")
        yield grid
        yield Lines(id="brief", classes="pane")

    @property
    def grid(self) -> Grid:
        return self.query_one("#history", Grid)

    @property
    def run(self) -> view.RunRow | None:
        """The run under the cursor."""
        at = self.grid.cursor_row
        return self._listed.rows[at] if 0 <= at < len(self._listed.rows) else None

    def on_mount(self) -> None:
        self.grid.border_title = "Runs"
        self.grid.body.column = 1
        self.grid.border_subtitle = "reading …"
        self.grid.body.focus()
        self.query_one("#brief", Lines).show([Text("reading the history …", "dim")])

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height < 28, "low")
        if self._loaded:
            self.draw()

    def take(self, live: Live, message: Message) -> None:
        inner = message["message"]["t"] if message["t"] == "elsewhere" else message["t"]
        if inner in ("run", "over"):
            self.run_worker(self.refresh_shown(), group="runs", exclusive=True, exit_on_error=False)

    def arrive(self, **where: Any) -> None:  # Any: what `go` was given
        if "run" in where:
            self._wanted = int(where["run"])

    async def refresh_shown(self) -> None:
        try:
            # The newest at once; of thousands of others what is shown of them, a moment later.
            if not self._more:
                self._take(await self.host.ask("runs", where=self.choice.where, limit=FIRST))
            while self._more:
                needed = self._needed
                self._take(await self.host.ask("runs", where=self.choice.where, metrics=needed), more=True)
                if set(self._needed) <= set(needed):
                    break
        except InstepError as error:
            self.grid.border_subtitle = "cannot be read"
            self.host.say(str(error).replace("\n", " "), "failed", 10)
            problem = error.problems[0]
            told = [Text(f"✗ {clean(problem.what)}", "failed"), Text(clean(problem.mend), "text")]
            self.query_one("#brief", Lines).show(told)
            if self.choice.where:
                self.choice = replace(self.choice, where="")

    @property
    def _needed(self) -> list[str]:
        """The metrics whose values are shown or sorted by."""
        return [*self.choice.metrics, self.choice.sort.removeprefix("-")]

    def _take(self, answer: Mapping[str, Any], *, more: bool = False) -> None:  # Any: JSON
        self._more = more or answer["more"]
        self._rows = [view.RunRow.of(row) for row in answer["runs"]]
        self._known = (answer["metrics"], answer["params"])
        self._series = answer["series"]
        if not self._chosen:
            metrics, params = view.defaults(self._rows, *self._known, list(self.host.live.steps))
            self.choice = replace(self.choice, metrics=tuple(metrics), params=tuple(params))
        self._loaded = True
        self.draw()

    def draw(self) -> None:
        before = self.run.number if self.run else self._wanted
        before = self._wanted or before
        self._wanted = None
        self._listed = view.listed(self._rows, self.choice, self.size.width, course=bool(self._series))
        grid, found = self.grid, self._listed.rows
        sort = self.choice.sort
        grid.marks = {sort.removeprefix("-"): "↓" if sort.startswith("-") else "↑"} if sort else {}
        at = next((index for index, row in enumerate(found) if row.number == before), None)
        grid.show(self._listed.columns, len(found), self._fetch, keep=True)
        if at is not None:
            grid.body.move_to(at, tell=False)
        filtered = "  / where " + self.choice.where if self.choice.where else ""
        filtered += f"  / {self.choice.find}" if self.choice.find else ""
        grid.border_title = Text(f"Runs{clean(filtered)}")
        parts = [f"{len(found)} run" + ("" if len(found) == 1 else "s")]
        if len(found) != len(self._rows):
            parts[0] += f" of {len(self._rows)}"
        parts += [f"{len(self.choice.marked)} marked"] if self.choice.marked else []
        parts += [f"sorted by {sort.removeprefix('-')}"] if sort else []
        grid.border_subtitle = Text(clean(" · ".join(parts)))
        self._brief()

    async def _fetch(self, offset: int, count: int) -> Sequence[Sequence[Cell]]:
        rows = self._listed.rows[offset : offset + count]
        chosen = [name for name in self.choice.metrics if name in self._series]
        metric = (chosen or [*self._series, ""])[0]
        numbers = [row.number for row in rows]
        answer = await self.host.ask("about", numbers=numbers, baseline=self._listed.baseline, metric=metric)
        about, now = answer["about"], time.time()
        return [view.cells(row, self._listed.columns, self.choice, about.get(str(row.number), {}), now) for row in rows]

    @work(group="brief", exclusive=True, exit_on_error=False)
    async def _brief(self) -> None:
        lines, run = self.query_one("#brief", Lines), self.run
        if run is None:
            lines.border_title = ""
            none = "no run is like that; esc shows all" if self._rows else "no runs yet: `1`, then `r` runs the steps"
            lines.show([Text(none, "dim")])
            return
        try:
            document = await self.host.ask("brief", number=run.number, baseline=self._listed.baseline)
        except InstepError as error:
            lines.show([Text(clean(error.problems[0].what), "failed")])
            return
        lines.border_title = Text(f"{run.number}" + (f"  {oneline(run.note)}" if run.note else ""))
        against = document["against"]
        lines.border_subtitle = f"against run {against}" if against is not None else "nothing to compare with"
        lines.show(view.brief_lines(document, self.size.width), top=True)

    @on(LineView.Moved)
    def _moved(self) -> None:
        self.grid.redraw_head()
        self._brief()

    @on(LineView.Opened)
    def _opened(self) -> None:
        self.action_open()

    # Acting

    def why_not(self, action: str) -> str:
        match action:
            case "open" | "mark" | "why" | "baseline" | "note" | "delete" | "copy" if self._loaded and self.run is None:
                return "there is no run"
            case "compare" if len(self.choice.marked) < 2 and self._listed.baseline is None:
                return "mark two runs with space, or set a baseline with b"
            case "offload":
                return why_not_offload(self.host) or ("" if self.run is not None else "there is no run")
            case _:
                return ""

    @work(exit_on_error=False)
    async def action_offload(self) -> None:
        """Run it again there, with nothing re-used: what it was is what it must be."""
        run = self.run
        cluster = await which_cluster(self.host, run.target if run is not None else "")
        if cluster is not None and run is not None:
            await offload(self.host, cluster, replay=run.number)

    def action_open(self) -> None:
        if self.run is not None:
            self.host.go("time", run=self.run.number)

    def action_mark(self) -> None:
        run = self.run
        if run is None:
            return
        marked = self.choice.marked
        marked = tuple(one for one in marked if one != run.number) if run.number in marked else (*marked, run.number)
        self.choice = replace(self.choice, marked=marked)
        self.draw()

    def action_compare(self) -> None:
        marked, run = self.choice.marked, self.run
        if len(marked) >= 2:
            self.host.go("compare", runs=list(marked))
        elif run is not None:
            self.host.go("compare", runs=[self._listed.baseline, run.number])

    @work(exit_on_error=False)
    async def action_why(self) -> None:
        from .why import Why

        run = self.run
        if run is not None:
            found = await self.host.push_screen_wait(Why(self, run.number, self._listed.baseline))
            if found is not None:
                before, after, key = found
                self.host.go("compare", runs=[before, after], at=key)

    @on(Grid.Titled)
    def _titled(self) -> None:
        self.action_sort()

    def action_sort(self) -> None:
        column = self.grid.column
        if column is None or column.name in ("mark", "trend", "changed"):
            self.host.say("this column cannot be sorted by: h and l choose another", "stale")
            return
        name = column.name
        order = {"": name, name: f"-{name}", f"-{name}": ""}
        self.choice = replace(self.choice, sort=order.get(self.choice.sort, name))
        self.draw()

    @work(exit_on_error=False)
    async def action_filter(self) -> None:
        def narrow(text: str) -> None:
            if not text.lstrip("/").startswith("where "):
                self.choice = replace(self.choice, find=text)
                self.draw()

        old = f"where {self.choice.where}" if self.choice.where else self.choice.find
        text = await self.host.ask_text("/", old, on_change=narrow)
        where = (text or "").lstrip("/")
        if where.startswith("where "):
            self.choice = replace(self.choice, find="", where=where.removeprefix("where ").strip())
        else:
            self.choice = replace(self.choice, find=text or "", where="")
        await self.refresh_shown()

    def back(self) -> bool:
        if not (self.choice.find or self.choice.where):
            return False
        self.choice = replace(self.choice, find="", where="")
        self.run_worker(self.refresh_shown(), group="runs", exclusive=True, exit_on_error=False)
        return True

    @work(exit_on_error=False)
    async def action_columns(self) -> None:
        from .checklist import Checklist

        metrics, params = self._known
        shown = {*self.choice.metrics, *self.choice.params}
        chosen = await self.host.push_screen_wait(Checklist("Columns", [*metrics, *params], shown))
        if chosen is not None:
            self._chosen = True
            self.choice = replace(
                self.choice,
                metrics=tuple(one for one in metrics if one in chosen),
                params=tuple(one for one in params if one in chosen),
            )
            await self.refresh_shown()

    def action_baseline(self) -> None:
        if self.run is not None:
            on = not self.run.baseline
            self._mark(f"baseline {self.run.number}", [self.run.number], "baseline", on)

    def action_delete(self) -> None:
        if self.run is not None:
            numbers = list(self.choice.marked) or [self.run.number]
            self.choice = replace(self.choice, marked=())
            self._mark(f"deleted {', '.join(map(str, numbers))}", numbers, "hidden", True)

    @work(exit_on_error=False)
    async def action_note(self) -> None:
        run = self.run
        if run is not None:
            text = await self.host.ask_text(f"note of run {run.number}", run.note)
            if text is not None and text != run.note:
                self._mark(f"note of run {run.number}", [run.number], "note", text)

    @work(exit_on_error=False)
    async def _mark(self, what: str, numbers: list[int], field: str, value: object) -> None:
        host = self.host
        try:
            answer = await host.ask("mark", numbers=numbers, **{field: value})
        except InstepError as error:
            host.say(str(error), "failed")
            return
        host.undone.append((what, self._undoing(answer["before"], field)))
        host.say(f"{what}; `u` takes it back", "ok")
        await self.refresh_shown()

    def _undoing(self, before: Sequence[Sequence[Any]], field: str) -> Callable[[], None]:  # Any: JSON
        async def restore() -> None:
            for number, old in before:
                empty: Any = "" if field == "note" else False  # Any: JSON
                await self.host.ask("mark", numbers=[number], **{field: old if old is not None else empty})
            await self.refresh_shown()

        return lambda: self._start(restore())

    def _start(self, doing: Awaitable[None]) -> None:
        self.run_worker(doing, exit_on_error=False)

    def action_copy(self) -> None:
        row = self.grid.body.row(self.grid.cursor_row)
        if row is not None:
            cell = row[self.grid.cursor_column]
            self.host.copy(cell.plain if isinstance(cell, Text) else cell)

    # Remembering

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        chosen = {"metrics": self.choice.metrics, "params": self.choice.params} if self._chosen else {}
        return {"sort": self.choice.sort, **chosen}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON
        self._chosen = "metrics" in kept
        self.choice = view.Choice(
            tuple(kept.get("metrics", ())), tuple(kept.get("params", ())), str(kept.get("sort", ""))
        )
