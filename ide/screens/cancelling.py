"""Asking the engine to end the run that goes on, from any place."""

from contextlib import suppress
from typing import TYPE_CHECKING

from ...engine.errors import InstepError

if TYPE_CHECKING:
    from ..app import InstepApp


def cancel(host: "InstepApp") -> None:
    """Ask, and go on drawing; the run says itself when it has ended."""
    host.say("cancelling …", "stale")
    host.run_worker(lambda: _ask(host), thread=True, group="cancel", exit_on_error=False)


def _ask(host: "InstepApp") -> None:
    from ...engine import client

    with suppress(InstepError):  # an engine that does not live runs nothing
        for _ in client.ask(host.root, {"op": "cancel"}, start=False):
            pass
