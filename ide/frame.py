"""The app without its places: themes, the line that says things, prompts, the editor, the clipboard."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.text import Text
from textual.app import App
from textual.suggester import Suggester
from textual.worker import Worker, WorkerState

from ..engine.project import STORE
from .editing import edit
from .text import clean
from .themes import DARK, PALETTES, styles_of, themes


class Frame(App[None]):
    """What a place may ask of the app that has nothing to do with the project."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "instep"

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.said = Text()
        self.failures: list[BaseException] = []
        self._said_until = 0.0
        self._styles = styles_of("")
        self.console.push_theme(self._styles)
        for theme in themes():
            self.register_theme(theme)

    def draw_bars(self) -> None:
        """Draw the two lines that never move."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {f"i-{key}": value for key, value in DARK.items()}

    def forget_said(self) -> None:
        """What was said has been there long enough."""
        if self.said and time.monotonic() > self._said_until:
            self.said = Text()

    def say(self, text: str, style: str = "text", seconds: float = 5.0) -> None:
        """Something to read at the right of the bottom line, for a while."""
        self.said, self._said_until = Text(f"{clean(text)} " if text else "", style), time.monotonic() + seconds
        self.draw_bars()

    def failed(self, error: BaseException) -> None:
        """Something of the screen itself broke: it goes on with what it shows, and says so."""
        self.failures.append(error)
        with suppress(OSError), (self.root / STORE / "screen.log").open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
        self.say(f"the screen itself failed: {type(error).__name__}; .instep/screen.log has the details", "failed", 30)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        self.look_at(event)

    def look_at(self, event: Worker.StateChanged) -> None:
        """Of a worker, wherever it was started: did it break?"""
        worker: Worker[Any] = event.worker  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if event.state is WorkerState.ERROR and worker.error is not None:
            self.failed(worker.error)

    async def ask_text(
        self,
        title: str,
        value: str = "",
        *,
        on_change: Callable[[str], object] | None = None,
        suggester: Suggester | None = None,
    ) -> str | None:
        """A line from the person, None if given up. Call it from a worker."""
        from .screens.prompt import Prompt

        return await self.push_screen_wait(Prompt(title, value, on_change=on_change, suggester=suggester))

    def open_editor(self, path: str, line: int = 0) -> None:
        """The editor at a line of a file of the project, and back."""
        problem = edit(self, self.root / path, line)
        if problem:
            self.say(problem, "failed")

    def copy(self, text: str, what: str = "") -> None:
        self.copy_to_clipboard(text)
        self.say(f"copied {what or text[:40]}", "ok")

    def action_theme(self) -> None:
        names = list(PALETTES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.say(f"theme {self.theme}")

    def action_suspend(self) -> None:
        self.action_suspend_process()

    def watch_theme(self, name: str) -> None:
        self._styles = styles_of(name)
        self.console.pop_theme()
        self.console.push_theme(self._styles)
        from .widgets.line_view import LineView

        for view in self.query(LineView):
            view.redraw()
