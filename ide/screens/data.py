"""Being built."""

from textual.app import ComposeResult

from ..widgets.lines import Lines
from .place import Place


class DataPlace(Place):
    def compose(self) -> ComposeResult:
        yield Lines(classes="pane")
