"""What other threads tell the screen: one typed message per event."""

from typing import Any

from textual.message import Message


class EngineSpoke(Message):
    """There is something in the feed to drain."""


class RunEnded(Message):
    """A run that was asked for here has ended, or could not be begun: its document, or the problems."""

    def __init__(self, document: dict[str, Any] | None, problems: list[dict[str, Any]]) -> None:  # Any: JSON
        super().__init__()
        self.document, self.problems = document, problems
