"""3 Compare: what differs between two runs, causes before effects, and each difference to be looked at by itself."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The documents of the reading process are read as JSON.

import time
from collections.abc import Mapping
from typing import Any, Literal

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container

from ...engine.compare.axes import COUNT
from ...engine.errors import InstepError
from ..asking import Document
from ..text import clean, plural
from ..views import compare as view
from ..views.compare_many import LEGEND, columns_of, row_text, rows_of_matrix
from ..views.live import Live, Message
from ..widgets.difference_list import DifferenceList
from ..widgets.difference_pane import DifferencePane, has_course, has_data, has_lines, question_of
from ..widgets.grid import Grid
from ..widgets.line_view import LineView
from ..widgets.lines import Lines
from .place import Place

_AGAIN = 2.0
"""Seconds between looks at a run that goes on."""
_LOW = (100, 30)
"""Columns and rows of the terminal below which there is one pane at a time."""
_FACTOR = 2.0


class ComparePlace(Place):
    """`labels` are the runs that were chosen; none: the newest against the baseline, or the run before."""

    DEFAULT_CSS = """
    ComparePlace #compare-head { height: 2; }
    ComparePlace #compare-two { height: 1fr; }
    ComparePlace #compare-list { height: 2fr; }
    ComparePlace #compare-pane { height: 3fr; }
    ComparePlace #compare-many { height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.labels: tuple[str, ...] = ()
        self.shown: view.Shown | None = None
        self.matrix: Document | None = None
        self.equal = False
        self.alone: Literal["", "list", "pane"] = ""
        self.head = Lines(id="compare-head")
        self.list = DifferenceList(self.pan, id="compare-list", classes="pane")
        self.pane = DifferencePane(id="compare-pane")
        self.two = Container(self.list, self.pane, id="compare-two")
        self.none = Lines(id="compare-none", classes="pane")
        self.axis = COUNT
        self._many: tuple[str, ...] = ()
        self._wanted: view.Key | None = None
        self._read: dict[view.Key, Document] = {}
        self._asked: set[view.Key] = set()
        self._asking = self._outdated = False
        self._read_at = 0.0
        self.head.can_focus = self.none.can_focus = False

    def compose(self) -> ComposeResult:
        grid = Grid(cells=True, id="compare-many")
        grid.add_class("pane")
        yield self.head
        yield self.two
        yield grid
        yield self.none

    def on_mount(self) -> None:
        self.list.border_title = "What differs"
        self.none.border_title = "Compare"
        self._say([("… reading the runs", "running")])

    @property
    def grid(self) -> Grid:
        return self.query_one("#compare-many", Grid)

    @property
    def row(self) -> view.Row | None:
        """The row under the cursor."""
        rows, at = self.list.rows, self.list.cursor
        return rows[at] if self.shown is not None and 0 <= at < len(rows) and rows[at].one is not None else None

    # What comes in

    def arrive(self, **where: Any) -> None:  # Any: labels or numbers of runs
        if where.get("runs"):
            self._many = ()
            self._wanted = where.get("at")
            self._choose(tuple(str(one) for one in where["runs"]))

    def _choose(self, labels: tuple[str, ...]) -> None:
        if labels != self.labels:
            self.labels, self.shown, self.matrix = labels, None, None
            self._say([("… reading the runs", "running")])

    async def refresh_shown(self) -> None:
        await self._load()

    def take(self, live: Live, message: Message) -> None:
        inner = message["message"]["t"] if message["t"] == "elsewhere" else message["t"]
        self._outdated = self._outdated or inner in ("run", "ran", "over")

    def tick(self, live: Live) -> None:
        shown = self.shown
        going = (shown is not None and shown.going) or bool((self.matrix or {}).get("going"))
        if self.row is not None and self.row.one is not None and view.is_time(self.row.one) and shown is not None:
            self.pane.draw_times(shown, live)
        if (going or self._outdated) and not self._asking and time.monotonic() - self._read_at >= _AGAIN:
            self.run_worker(self._load(), group="compare", exit_on_error=False)

    async def _load(self) -> None:
        labels, self._asking, self._outdated = self.labels, True, False
        try:
            answer = await self.host.ask("compare_many" if len(labels) > 2 else "compare", runs=list(labels))
        except InstepError as error:
            if labels == self.labels:
                self._fail(error)
            return
        finally:
            self._asking, self._read_at = False, time.monotonic()
        if labels != self.labels:
            return
        if len(labels) > 2:
            self._take_many(answer)
        elif answer["a"] is None:
            self._say_empty(int(answer["there"]))
        else:
            self._take_two(view.Shown.of(answer))

    def _fail(self, error: InstepError) -> None:
        problem = error.problems[0]
        if self.shown is not None or self.matrix is not None:
            self.host.say(f"{problem.what}. {problem.mend}", "failed")
            return
        told = [(f"✗ {problem.what}", "failed"), (f"  {problem.mend}", "text")]
        self._say([*told, ("", "text"), ("  `A` and `B` choose runs; `2` lists them.", "dim")])

    def _say_empty(self, there: int) -> None:
        first = "Nothing was run here yet." if there == 0 else "There is one run, and nothing to hold against it."
        self.shown = None
        self._say([(first, "text"), ("`1` then `r` runs the steps; change something and run them again.", "dim")])

    def _say(self, told: list[tuple[str, str]]) -> None:
        """Say this instead of a comparison."""
        self.none.show([Text(), *(view.inked(Text(f"  {clean(text)}", style)) for text, style in told)])
        self.head.show([])
        if self.is_mounted:
            self._lay_out()

    def _take_two(self, shown: view.Shown) -> None:
        old, self.shown, self.matrix = self.shown, shown, None
        self._keep(old, shown)
        self.draw()

    def _keep(self, old: view.Shown | None, new: view.Shown) -> None:
        """Of what was read of single differences, that of those which are as they were."""
        same = old is not None and (old.a, old.b) == (new.a, new.b)
        still = new.unchanged_since(old) if same and old is not None else set[view.Key]()
        courses = {("metric", name) for name in new.courses} | {("step", view.TIME)} if same else set[view.Key]()
        self._asked &= still
        self._read = {key: one for key, one in self._read.items() if key in still | courses}

    def draw(self) -> None:
        """Draw the list anew, the cursor on the row it was on."""
        shown = self.shown
        if shown is None:
            self._lay_out()
            return
        key = self._wanted or (self.row.key if self.row else None)
        self._wanted = None
        rows = view.rows_of(shown, equal=self.equal)
        columns = max(20, self.size.width - 5)
        self.head.show(view.head(shown, columns))
        self.list.rows = rows
        at = next((index for index, one in enumerate(rows) if one.key == key), None)
        lines = view.lines_of(rows, columns)
        same = Text("nothing that was recorded differs: these runs are the same", "ok")
        self.list.show(lines or [view.inked(same)])
        self.list.move_to(at if at is not None else min(self.list.cursor, max(0, len(rows) - 1)), tell=False)
        self.list.border_subtitle = view.below(shown, equal=self.equal)
        self._lay_out()
        self._look(again=shown.going)

    def on_resize(self) -> None:
        if self.matrix is not None:
            self._lay_out()
        else:
            self.draw()

    @property
    def low(self) -> bool:
        return self.host.size.width < _LOW[0] or self.host.size.height < _LOW[1]

    def _lay_out(self) -> None:
        pair, many = self.shown is not None, self.matrix is not None
        alone = self.alone or ("list" if self.low else "")
        self.two.display, self.grid.display, self.none.display = pair, many, not (pair or many)
        self.head.display = pair or many
        self.list.display, self.pane.display = alone != "pane", alone != "list" and self.row is not None
        if self.host.here is not self:
            return
        focused = self.host.focused
        if focused is None or focused is self or not all(one.display for one in focused.ancestors_with_self):
            (self.grid.body if many else self.pane.shows if alone == "pane" else self.list).focus()

    # The difference under the cursor

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        if message.view is self.list:
            self._look()
        elif message.view is self.pane.diff:
            self.pane.tell()
        elif self.matrix is not None:
            self.grid.redraw_head()
        self.host.draw_bars()

    @on(LineView.Opened)
    def _opened(self) -> None:
        self.action_open()

    def _look(self, *, again: bool = False) -> None:
        """Show the row's difference, and read what is wanted of it."""
        shown, row = self.shown, self.row
        if shown is None or row is None or row.one is None:
            return
        self.pane.show(shown, row, self._read.get(row.key), self.host.live, asked=row.key in self._asked)
        one = row.one
        moves = has_course(shown, one) or view.is_time(one)
        wanted = moves or (has_lines(one) and not row.same)
        if wanted and (row.key not in self._read or (again and moves)):
            self._ask_of(shown, row)

    @work(group="compare-look", exclusive=True, exit_on_error=False)
    async def _ask_of(self, shown: view.Shown, row: view.Row) -> None:
        one = row.one
        if one is None:
            return
        try:
            question, more = question_of(shown, one, self.axis)
            answer = await self.host.ask(question, runs=[shown.a, shown.b], **more)
        except InstepError as error:
            self._asked.discard(row.key)
            answer = {"data": {"note": f"{error.problems[0].what}. {error.problems[0].mend}"}}
            if has_lines(one) or has_course(shown, one) or view.is_time(one):
                self.host.say(str(answer["data"]["note"]), "failed")
                return
        if self.shown is None or (self.shown.a, self.shown.b) != (shown.a, shown.b):
            return
        self._read[row.key] = answer
        if self.row is not None and self.row.key == row.key:
            self._look()
            self._lay_out()
            self.host.draw_bars()

    # Several runs

    def _take_many(self, answer: Document) -> None:
        first, labels = self.matrix is None, " ".join(map(str, answer["runs"]))
        self.matrix, self.shown = answer, None
        told = Text(f" {plural(len(answer['runs']), 'run')}: {clean(labels)}", "text.bold")
        self.head.show([view.inked(told), view.inked(Text(f" {LEGEND}", "dim"))])
        grid = self.grid
        grid.border_title = "What differs among them"
        equal = sum(answer["equal"].values())
        grid.border_subtitle = f"{plural(len(answer['rows']), 'row')} · {equal:,} equal hidden"
        if first:
            grid.body.column = len(columns_of(answer)) - 1
        grid.show_rows(columns_of(answer), rows_of_matrix(answer), keep=not first)
        self._lay_out()

    # Acting

    def why_not(self, action: str) -> str:
        row = self.row
        match action:
            case "equal" | "swap" if self.shown is None:
                return "two runs are needed" if self.matrix is None else "that is for two runs"
            case "open" | "copy" | "zoom" | "next_hunk" | "previous_hunk" if row is None and self.matrix is None:
                return "there is no difference here"
            case "zoom" | "next_hunk" | "previous_hunk" | "choose_a" | "choose_b" if self.matrix is not None:
                return "that is for two runs"
            case "split" if not (row is not None and self.pane.diff.display):
                return "this is no diff"
            case "log_scale" | "axis" | "finer" | "coarser" if not (row is not None and self.pane.chart.display):
                return "this is no curve"
            case "why" if self.shown is None or not (self.shown.a.isdigit() and self.shown.b.isdigit()):
                return "two runs are needed" if self.matrix is None else "that is for two runs"
            case "export" if self.shown is None and self.matrix is None:
                return "two runs are needed"
            case "edit" if self._place() is None:
                return "no line belongs to it"
            case _:
                return ""

    def back(self) -> bool:
        if self.alone:
            self.alone = ""
            self._lay_out()
            self.list.focus()
            return True
        if self._many and self.matrix is None:
            self._choose(self._many)
            self._many = ()
            self._start()
            return True
        return False

    def _start(self) -> None:
        self.run_worker(self._load(), group="compare", exclusive=True, exit_on_error=False)

    def action_open(self) -> None:
        if self.matrix is not None:
            self._open_column()
            return
        shown, row = self.shown, self.row
        if shown is None or row is None or row.one is None:
            return
        if has_data(row.one) and not row.same and row.key not in self._asked:
            self._asked.add(row.key)
            self._ask_of(shown, row)
            self._look()
        if self.low:
            self.alone = "pane"
            self._lay_out()
        self.pane.shows.focus()

    def _open_column(self) -> None:
        """Of several runs the one under the cursor against the first."""
        column = self.grid.column
        if column is None or not column.name.startswith("run ") or column.name == f"run {self.labels[0]}":
            self.host.say("h and l choose a run to hold against the first", "stale")
            return
        self._many = self.labels
        self._choose((self.labels[0], column.name.removeprefix("run ")))
        self._start()

    def action_zoom(self) -> None:
        focused = self.host.focused
        inside = focused is not None and self.pane in focused.ancestors_with_self
        self.alone = "" if self.alone else "pane" if inside or self.low else "list"
        if self.alone == "list" and self.row is not None and self.pane.diff.display:
            self.alone = "pane"
        self._lay_out()
        (self.pane.shows if self.alone == "pane" else self.list).focus()

    def action_equal(self) -> None:
        self.equal = not self.equal
        self.draw()

    def action_split(self) -> None:
        self.pane.diff.toggle()
        self.pane.tell()

    def action_log_scale(self) -> None:
        self.pane.log_scale = not self.pane.log_scale
        self._look()

    def action_axis(self) -> None:
        """Draw curves over the next of what there is."""
        self.axis = self.pane.next_axis
        if self.shown is not None and self.row is not None:
            self._ask_of(self.shown, self.row)

    def action_finer(self) -> None:
        self.pane.chart.zoom(_FACTOR)

    def action_coarser(self) -> None:
        self.pane.chart.zoom(1 / _FACTOR)

    def pan(self, way: int) -> None:
        if self.pane.chart.display:
            self.pane.chart.pan(way / 4)

    def action_left(self) -> None:
        self.pan(-1)

    def action_right(self) -> None:
        self.pan(1)

    def action_next_kind(self) -> None:
        self._to_kind(1)

    def action_previous_kind(self) -> None:
        self._to_kind(-1)

    def _to_kind(self, way: int) -> None:
        if self.row is not None:
            self.list.to_kind(way)

    @work(exit_on_error=False)
    async def action_why(self) -> None:
        from .why import Why

        shown, row = self.shown, self.row
        if shown is None:
            return
        metric = row.one.subject if row is not None and row.one is not None and row.one.kind == "metric" else ""
        found = await self.host.push_screen_wait(Why(self, int(shown.b), int(shown.a), metric))
        if found is not None:
            self.host.go("compare", runs=found[:2], at=found[2])

    @work(exit_on_error=False)
    async def action_export(self) -> None:
        labels = list(self.labels) if self.matrix is not None else [self.shown.a, self.shown.b] if self.shown else []
        path = await self.host.ask_text("write to (.csv, .parquet, .md)", f"compare-{'-'.join(labels)}.csv")
        if not path:
            return
        try:
            answer = await self.host.ask("export_many", runs=labels, path=path.strip())
        except InstepError as error:
            self.host.say(f"{error.problems[0].what}. {error.problems[0].mend}", "failed")
        else:
            self.host.say(f"wrote {plural(int(answer['rows']), 'row')} to {answer['path']}", "ok")

    def action_next_hunk(self) -> None:
        self._next(1)

    def action_previous_hunk(self) -> None:
        self._next(-1)

    def _next(self, by: int) -> None:
        """The next change of a diff; past the last one, and where there is none, the next row."""
        if self.pane.display and self.pane.diff.display and self.pane.diff.to_hunk(by):
            self.pane.tell()
            return
        before = self.list.cursor
        self.list.move_to(before + by)
        if self.list.cursor == before:
            self.host.say("there is no difference after this one" if by > 0 else "this is the first difference")

    def action_swap(self) -> None:
        shown = self.shown
        if shown is not None:
            self._choose((shown.b, shown.a))
            self._start()

    @work(exit_on_error=False)
    async def action_choose_a(self) -> None:
        await self._ask_run(0)

    @work(exit_on_error=False)
    async def action_choose_b(self) -> None:
        await self._ask_run(1)

    async def _ask_run(self, side: int) -> None:
        """Another run for a side; what is shown stays where there is no such run."""
        shown = self.shown
        pair = [shown.a, shown.b] if shown is not None else [*self.labels, "latest", "latest"][:2]
        text = await self.host.ask_text(f"run {'AB'[side]}: a number, latest or now", pair[side])
        label = (text or "").strip().removeprefix("#")
        if not label or label == pair[side]:
            return
        pair[side] = label
        try:
            answer = await self.host.ask("compare", runs=pair)
        except InstepError as error:
            self.host.say(f"{error.problems[0].what}. {error.problems[0].mend}", "stale")
            return
        self.labels = (str(answer["a"]), str(answer["b"]))
        self._take_two(view.Shown.of(answer))

    def _place(self) -> tuple[str, int] | None:
        """Where the editor should open."""
        row = self.row
        if row is None or row.one is None:
            return None
        at = self.pane.diff.place if row.one.kind == "code" and self.pane.diff.display else None
        return at or view.place_of(row.one, self.host.live.steps)

    def action_edit(self) -> None:
        place = self._place()
        if place is not None:
            self.host.open_editor(*place)

    def action_copy(self) -> None:
        if self.matrix is not None:
            if self.matrix["rows"]:
                self.host.copy(row_text(self.matrix, self.grid.cursor_row))
            return
        row = self.row
        if row is not None and row.one is not None:
            self.host.copy(view.as_text(row.one, self.pane.diff.diff if self.pane.diff.display else None), row.title)

    # Remembering

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        return {"equal": self.equal, "split": self.pane.diff.split}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON
        self.equal = bool(kept.get("equal", False))
        self.pane.diff.split = kept.get("split")
