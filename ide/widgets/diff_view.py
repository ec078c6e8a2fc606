"""Two texts beside or under each other, drawn line by line as they are looked at: 5,000 lines cost what forty do.

The lines were aligned in another process.
"""

from collections.abc import Sequence

from rich.text import Text

from ..views.diff import Diff, Flat, flat_lines, side_text, unified_line
from .line_view import LineView

SPLIT_FROM = 90
"""Columns from which on both sides are shown beside each other unless a person said otherwise."""


class DiffView(LineView):
    """`show` takes the aligned lines; `split` None: as the width allows."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.split: bool | None = None
        self.diff = Diff()
        self._flat: Sequence[Flat] = ()
        self.is_split = True
        """How it is drawn now; follows what is wanted when the width is known."""

    def _wanted(self) -> bool:
        return self.split if self.split is not None else self.size.width >= SPLIT_FROM

    def show(self, diff: Diff, *, top: bool = True) -> None:
        """Draw other lines; with `top` the cursor goes to the first change."""
        self.diff, self._flat = diff, flat_lines(diff)
        self.is_split = self._wanted() if self.size.width else self.is_split
        first = self._starts()[0] if self._starts() else 0
        self.show_lines(self._many(), first if top else None)
        if top:
            self._show_around(first)

    def toggle(self) -> None:
        """Side by side or one under the other, the cursor on the same line."""
        self.split = not self.is_split
        self._lay_out()

    def on_resize(self) -> None:
        super().on_resize()
        if self.is_split != self._wanted():
            self._lay_out()

    def _lay_out(self) -> None:
        at = self.cursor if self.is_split else (self._flat[self.cursor].row if self._flat else 0)
        self.is_split = self._wanted()
        to = at if self.is_split else next((i for i, one in enumerate(self._flat) if one.row == at), 0)
        self.show_lines(self._many(), to)

    def _many(self) -> int:
        return len(self.diff.rows) if self.is_split else len(self._flat)

    def line(self, index: int) -> Text:
        if not self.is_split:
            return unified_line(self._flat[index])
        row = self.diff.rows[index]
        half = max(10, (self.size.width - 1) // 2)
        left = side_text(row.left, "side-a", half)
        return left.append("│", "line").append_text(side_text(row.right, "side-b", half))

    # Hunks

    def _starts(self) -> Sequence[int]:
        if self.is_split:
            return self.diff.hunks
        place: dict[int, int] = {}
        for at, one in enumerate(self._flat):
            place.setdefault(one.row, at)
        return [place[one] for one in self.diff.hunks]

    @property
    def hunk(self) -> tuple[int, int]:
        """The hunk that the cursor is in or behind, and how many there are."""
        starts = self._starts()
        return sum(one <= self.cursor for one in starts), len(starts)

    def to_hunk(self, by: int) -> bool:
        """To the next hunk, or the one before; False if there is none."""
        starts = self._starts()
        later = [one for one in starts if one > self.cursor] if by > 0 else [one for one in starts if one < self.cursor]
        if not later:
            return False
        self._show_around(later[0] if by > 0 else later[-1])
        return True

    def _show_around(self, index: int) -> None:
        """The cursor there, with a few lines above it in view."""
        self.move_to(index)
        self.scroll_to(y=max(0, index - 3), animate=False, force=True, immediate=True)

    @property
    def place(self) -> tuple[str, int] | None:
        """The file and line under the cursor: B's, else A's."""
        if not self.count:
            return None
        row = self.diff.rows[self.cursor if self.is_split else self._flat[self.cursor].row]
        line, path = (row.right, self.diff.paths[1]) if row.right else (row.left, self.diff.paths[0])
        return (path, line.number) if path and line else None
