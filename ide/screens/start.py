"""The start page: a folder without steps, and the two ways to a first result."""

import platform
from collections.abc import Callable
from pathlib import Path

from textual import work
from textual.app import ComposeResult

from ...engine.errors import InstepError
from ...engine.first_steps import (
    Candidate,
    Written,
    candidates,
    mark_steps,
    python_files,
    take_back,
    write_first_steps,
)
from ...engine.project import CONFIG
from ..feed import Feed
from ..views.live import Live, Message
from ..views.start import candidate_names, page
from ..widgets.lines import Lines
from .place import Place


class StartPlace(Place):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._found: list[Candidate] = []
        self._files = 0

    def compose(self) -> ComposeResult:
        lines = Lines(classes="pane")
        lines.border_title = "No steps yet"
        yield lines

    async def refresh_shown(self) -> None:
        self._look()

    @work(thread=True, exclusive=True, group="start", exit_on_error=False)
    def _look(self) -> None:
        """Reading many files takes a moment: not in the thread that draws."""
        found, files = candidates(self.host.root), len(python_files(self.host.root))
        self.host.call_from_thread(self._draw, found, files)

    def _draw(self, found: list[Candidate], files: int) -> None:
        self._found, self._files = found, files
        root = self.host.root
        folder = f"~/{root.relative_to(Path.home())}" if root.is_relative_to(Path.home()) else str(root)
        project, python = self.host.feed is not None, ".".join(platform.python_version_tuple()[:2])
        self.query_one(Lines).show(page(folder, files, found, project=project, python=python))

    def take(self, live: Live, message: Message) -> None:
        if live.steps and self.host.place == "start":
            self.host.go("pipeline")

    def why_not(self, action: str) -> str:
        if action == "pick" and not self._found:
            return "there is no function that could be a step"
        return ""

    def action_begin(self) -> None:
        self._written(lambda: write_first_steps(self.host.root), "wrote a first pipeline")

    @work(exit_on_error=False)
    async def action_pick(self) -> None:
        from .checklist import Checklist

        names = candidate_names(self._found)
        chosen = await self.host.push_screen_wait(Checklist("Which of these are steps?", names, set()))
        if chosen:
            picked = [one for one, name in zip(self._found, names, strict=True) if name in chosen]
            self._written(lambda: mark_steps(self.host.root, picked), f"marked {len(picked)} functions")

    def _written(self, write: Callable[[], Written], what: str) -> None:
        host = self.host
        try:
            written = write()
        except InstepError as error:
            host.say(str(error).replace("\n", " "), "failed", 10)
            return

        def back() -> None:
            kept = take_back(host.root, written)
            if kept:
                host.say(f"{', '.join(kept)} was changed since and is left as it is", "stale")
            if not (host.root / CONFIG).exists():
                host.go("start")

        host.undone.append((what, back))
        host.say(f"{what}: {', '.join(written.files)}; `u` takes it back", "ok", 10)
        host.run_first = True
        if host.feed is None:
            host.follow(Feed(host.root))
        host.go("pipeline")
