"""The graph, a step a row, with its state."""

import time

from rich.text import Text
from textual.message import Message

from ..views.live import Live
from ..views.rail import RailRow, rail
from ..views.steps import names_width, rail_line
from .line_view import LineView


class DagRail(LineView):
    """The cursor stands on steps, not on the lines between them. `only` keeps the steps whose name has that text;
    `marked` are those that an action is for."""

    class Sideways(Message):
        """h or l: there is nothing to the sides of a step, so it is for what is beside the rail."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: list[RailRow] = []
        self._live = Live()
        self._shape: object = None
        self._names = 8
        self.only = ""
        self.marked: frozenset[str] = frozenset()

    @property
    def step(self) -> str:
        """The step under the cursor, or ""."""
        return self.rows[self.cursor].step if self.rows and 0 <= self.cursor < len(self.rows) else ""

    def show(self, live: Live) -> None:
        """Draw the project as it is now; the cursor stays on its step."""
        before, self._live = self.step, live
        needs = {name: one.needs for name, one in live.steps.items() if self.only.lower() in name.lower()}
        spaced = 2 * len(needs) <= max(1, self.size.height)
        shape = ({name: tuple(found) for name, found in needs.items()}, spaced)
        if shape != self._shape:
            self._shape = shape
            self.rows = rail(needs, spaced=spaced)
            self._names = names_width(live)
            self.show_lines(len(self.rows), self._row_of(before))
        else:
            self.redraw()

    def go_to(self, step: str) -> None:
        at = self._row_of(step)
        if at is not None:
            self.move_to(at, tell=False)

    def _row_of(self, step: str) -> int | None:
        return next((index for index, row in enumerate(self.rows) if step and row.step == step), None)

    def selectable(self, index: int) -> bool:
        return bool(self.rows[index].step)

    def line(self, index: int) -> Text:
        row = self.rows[index]
        one = self._live.steps.get(row.step) if row.step else None
        room = self.scrollable_content_region.width
        return rail_line(row.art, one, time.monotonic(), room, self._names, marked=row.step in self.marked)

    def action_left(self) -> None:
        self.post_message(self.Sideways(-1))

    def action_right(self) -> None:
        self.post_message(self.Sideways(1))

    def on_resize(self) -> None:
        super().on_resize()
        self.show(self._live)
