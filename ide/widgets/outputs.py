"""The list of outputs: steps that fold, versions below them."""

# pyright: reportUnknownMemberType=false
# Textual's `app` is generic in what the app returns.

from collections.abc import Sequence

from rich.text import Text

from ..views.data import Row, Version, row_text, rows_of
from .line_view import LineView


class Outputs(LineView):
    """`show_versions` gives it what there is; the cursor stays on what it was on."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: Sequence[Row] = ()
        self.shown = ""
        self._versions: Sequence[Version] = ()
        self._steps: Sequence[str] = ()
        self._folded: set[str] = set()
        self._unrolled: set[tuple[str, str]] = set()
        self._note = Text("reading …", "dim")
        self.show_lines(1)

    def say(self, note: Text) -> None:
        """Something instead of a list: why there is none."""
        self.rows, self._versions, self._note = (), (), note
        self.show_lines(max(1, len(note.plain.splitlines())))

    def show_versions(self, versions: Sequence[Version], steps: Sequence[str]) -> None:
        self._versions, self._steps = versions, steps
        self._remake(self.row)

    @property
    def row(self) -> Row | None:
        """What is under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def line(self, index: int) -> Text:
        if not self.rows:
            lines = self._note.split("\n")
            return lines[index] if index < len(lines) else Text()
        return row_text(self.rows[index], self.scrollable_content_region.width, self.shown)

    def mark(self, content: str) -> None:
        """Say which content is shown beside the list."""
        self.shown = content
        self.redraw()

    def choose(self, one: Version) -> None:
        """Put the cursor on a version, unfolding what hides it."""
        self._folded.discard(one.step)
        if not any(row.version == one for row in rows_of(self._versions, self._steps, self._folded, self._unrolled)):
            self._unrolled.add((one.step, one.name))
        self._remake(Row("version", one.step, one.name, one))

    def toggle(self) -> bool:
        """Fold or unfold what is under the cursor; False on a version."""
        row = self.row
        if row is None or row.kind == "version":
            return False
        if row.kind == "more":
            self._unrolled.add((row.step, row.name))
        elif row.count:
            self._folded ^= {row.step}
        self._remake(row)
        return True

    def action_left(self) -> None:
        row = self.row
        if row is not None and row.step not in self._folded:
            self._folded.add(row.step)
            self._remake(Row("step", row.step))

    def action_right(self) -> None:
        row = self.row
        if row is not None and row.step in self._folded:
            self._folded.discard(row.step)
            self._remake(row)

    def _remake(self, row: Row | None) -> None:
        before = self.cursor
        self.rows = rows_of(self._versions, self._steps, self._folded, self._unrolled)
        at = next((index for index, one in enumerate(self.rows) if row is not None and _same(one, row)), before)
        if row is None:
            at = next((index for index, one in enumerate(self.rows) if one.kind == "version"), 0)
        self.show_lines(len(self.rows), at)


def _same(one: Row, other: Row) -> bool:
    if (one.kind, one.step, one.name) != (other.kind, other.step, other.name):
        return False
    return one.version is None or other.version is None or one.version.content == other.version.content
