"""The SQL console: a question over everything that was recorded, its rows in a grid, what it could go on with below."""

from collections.abc import Sequence

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from ...engine.errors import InstepError
from ..screens.place import Host
from ..text import clean, plural, seconds
from ..views import cells as view
from ..views.console import Names, hint_lines, remembered
from .grid import Cell, Grid
from .lines import Lines
from .sql_line import SqlLine

_HELP = (
    "run, step_run, run_metric, artifact, log_line, … are what was recorded; latest.NAME and run_42.NAME are tables",
    "for example: select number, state, seconds from run order by number desc",
)


class Console(Host, Vertical):
    DEFAULT_CSS = """
    Console #question { height: 3; }
    Console #answer { height: 1fr; }
    Console #hints { height: 6; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._numeric: Sequence[bool] = ()
        self._asked = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="question", classes="pane") as pane:
            pane.border_title = "SQL"
            yield SqlLine(id="sql")
        yield Grid(cells=True, id="answer").add_class("pane")
        yield Lines(id="hints", classes="pane")

    @property
    def line(self) -> SqlLine:
        return self.query_one("#sql", SqlLine)

    @property
    def grid(self) -> Grid:
        return self.query_one("#answer", Grid)

    @property
    def hints(self) -> Lines:
        return self.query_one("#hints", Lines)

    def on_mount(self) -> None:
        self.hints.can_focus = False
        self._hint(())

    @work(group="names", exclusive=True, exit_on_error=False)
    async def read_names(self) -> None:
        """What can be completed; without it the console works all the same."""
        try:
            told = await self.host.ask("names")
        except InstepError:
            return
        self.line.names = Names(told["tables"], told["words"])

    @on(SqlLine.Hinted)
    def _hinted(self, message: SqlLine.Hinted) -> None:
        self._hint(message.names)

    def _hint(self, names: Sequence[str]) -> None:
        room, tall = max(20, self.hints.size.width), max(1, self.hints.size.height or 4)
        self.hints.show(hint_lines(names, room, tall) or [Text(one, "dim") for one in _HELP], top=True)

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        query = message.value.strip()
        if query:
            self.line.history = remembered(self.line.history, query)
        self.line.forget_turn()
        self.run_query(query)

    @work(group="query", exclusive=True, exit_on_error=False)
    async def run_query(self, query: str) -> None:
        self.grid.border_subtitle = "asking …"
        try:
            told = await self.host.ask("ask", query=query)
            first = await self.host.ask("answered", offset=0)
        except InstepError as error:
            problem = error.problems[0]
            self.grid.border_subtitle = "✗ not answered"
            lines = [Text(f"✗ {clean(problem.what)}", "failed"), Text(clean(problem.mend), "dim")]
            self.hints.show([one for line in lines for one in line.split("\n")], top=True)
            return
        self._asked += 1
        self._numeric = told["numeric"]
        rows = view.answer_cells(first["rows"], self._numeric)
        columns = view.columns_of(told["columns"], self._numeric, rows, max(20, self.grid.body.size.width))
        self.grid.show(columns, told["total"], self._fetch)
        if rows:
            self.grid.body.put(0, rows)
        more = " (more were left out: count or narrow in the question)" if told["more"] else ""
        self.grid.border_subtitle = f"{plural(told['total'], 'row')}{more} · {seconds(told['seconds'])}"

    async def _fetch(self, offset: int, count: int) -> Sequence[Sequence[Cell]]:
        answer = await self.host.ask("answered", offset=offset, count=count)
        return view.answer_cells(answer["rows"], self._numeric)

    @work(exit_on_error=False)
    async def copy_cell(self) -> None:
        """The cell under the cursor, whole."""
        row, at = self.grid.cursor_row, self.grid.cursor_column
        if row < 0:
            return
        try:
            answer = await self.host.ask("answered", offset=row, count=1, most=100_000)
        except InstepError as error:
            self.host.say(error.problems[0].what, "failed")
            return
        if answer["rows"]:
            self.host.copy(answer["rows"][0][at] or "")
