"""What the seven places have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.containers import Vertical
from textual.widget import Widget
from textual.worker import Worker

if TYPE_CHECKING:
    from ..app import InstepApp
    from ..views.live import Live, Message


class Host(Widget):
    """A widget that talks to the app."""

    @property
    def host(self) -> InstepApp:
        """The app, with its own type."""
        from ..app import InstepApp

        app: object = self.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # generic in Textual
        assert isinstance(app, InstepApp)
        return app

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that broke is told, wherever it belongs to."""
        self.host.look_at(event)


class Place(Host, Vertical):
    """One of the seven places. It is made when it is first gone to."""

    DEFAULT_CSS = "Place { height: 1fr; width: 1fr; }"

    async def refresh_shown(self) -> None:
        """It has become the place that is shown, or a run has ended: read what is out of date."""

    def arrive(self, **where: Any) -> None:  # Any: what the place understands
        """Gone to with something to show: a step, a run, a line."""

    def take(self, live: Live, message: Message) -> None:
        """The engine said something; `live` is what is known after it."""

    def tick(self, live: Live) -> None:
        """A fifth of a second has gone by while a run goes on."""

    def why_not(self, action: str) -> str:
        """ "" if the action can be used now, else why not, in a few words."""
        return ""

    def footer(self) -> str:
        """What to say at the right of the footer."""
        return ""

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        """What is kept of the place between sessions."""
        return {}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON that `remember` gave
        """Take up what was kept; called before the place is shown."""

    def back(self) -> bool:
        """Close what is open in the place (a filter, a zoom); False if nothing is."""
        return False
