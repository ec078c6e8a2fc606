"""The app with its places: which there are, going to one, and what is remembered of them."""

from importlib import import_module
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.widgets import ContentSwitcher

from . import kept, keys
from .feed import Feed
from .frame import Frame
from .screens.place import Place
from .widgets.bars import Bar

PLACES = {
    "pipeline": ("pipeline", "PipelinePlace"),
    "runs": ("runs", "RunsPlace"),
    "compare": ("compare", "ComparePlace"),
    "data": ("data", "DataPlace"),
    "logs": ("logs", "LogsPlace"),
    "time": ("timeline", "TimePlace"),
    "cluster": ("cluster", "ClusterPlace"),
    "start": ("start", "StartPlace"),
}

"""Where a place is made; a place is imported when it is first gone to."""


class Places(Frame):
    """`feed` is None where there is no project."""

    def __init__(self, root: Path, feed: Feed | None) -> None:
        super().__init__(root)
        self.feed: Feed | None = feed
        self.kept = kept.load(root) if feed else {}
        self.place = ""
        self.places: dict[str, Place] = {}

    def compose(self) -> ComposeResult:
        yield Bar(id="top")
        yield ContentSwitcher(id="places")
        yield Bar(id="bottom")

    @property
    def here(self) -> Place | None:
        """The place that is shown."""
        return self.places.get(self.place)

    async def show_place(self, name: str, **where: Any) -> None:  # Any: what the place understands
        if name not in PLACES:
            name = "pipeline"
        switcher = self.query_one("#places", ContentSwitcher)
        if name not in self.places:
            module, kind = PLACES[name]
            made: Place = getattr(import_module(f".screens.{module}", __package__), kind)(id=name)
            made.recall(self.kept.get("places", {}).get(name, {}))
            made.display = False
            await switcher.mount(made)
            self.places[name] = made
        self.place = name
        switcher.current = name
        place = self.places[name]
        place.arrive(**where)
        focusable = next((one for one in place.query("*") if one.can_focus and one.display), None)
        if self.focused is None or place not in self.focused.ancestors:
            (focusable or place).focus()
        self.draw_bars()
        self.run_worker(place.refresh_shown(), group=f"refresh-{name}", exclusive=True, exit_on_error=False)

    def go(self, name: str, **where: Any) -> None:  # Any: what the place understands
        """Change the place, with something to show there."""
        self.run_worker(self.show_place(name, **where), group="go", exit_on_error=False)

    def leave(self) -> None:
        """Keep what is remembered, and end."""
        if self.feed is not None:
            kept.save(self.root, self.remembered())
        self.exit()

    async def action_quit(self) -> None:
        self.leave()

    def remembered(self) -> kept.Kept:
        places = {name: dict(one.remember()) for name, one in self.places.items()}
        theme = {"theme": self.theme, "place": self.place if self.place in keys.PLACES else "pipeline"}
        return {**self.kept, **theme, "places": {**self.kept.get("places", {}), **places}}
