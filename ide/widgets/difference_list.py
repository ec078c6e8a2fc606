"""The list of what differs between two runs."""

from collections.abc import Callable, Sequence

from ..views.compare import Row
from .lines import Choices


class DifferenceList(Choices):
    """Its rows; headings cannot be stood on. `beside` takes steps to the left and right, for the curve of a row."""

    def __init__(self, beside: Callable[[int], None], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: Sequence[Row] = ()
        self._beside = beside

    def action_left(self) -> None:
        self._beside(-1)

    def action_right(self) -> None:
        self._beside(1)

    def to_kind(self, way: int) -> None:
        """The first difference of the next kind: params, code, … metrics, tables, logs."""
        kinds = list(dict.fromkeys(one.key[0] for one in self.rows if one.one is not None))
        wanted = kinds[(kinds.index(self.rows[self.cursor].key[0]) + way) % len(kinds)]
        self.move_to(next(at for at, one in enumerate(self.rows) if one.one is not None and one.key[0] == wanted))

    def selectable(self, index: int) -> bool:
        return index < len(self.rows) and self.rows[index].one is not None
