"""The screen over a store, with an engine that says what a test has it say."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from instep.ide.app import InstepApp
from instep.ide.feed import Feed

Message = Mapping[str, Any]


class Told(Feed):
    """A feed without an engine behind it."""

    def __init__(self) -> None:  # nothing of the thread that follows an engine
        self.auto = True
        self._queue: deque[Message] = deque()
        self._call: Callable[[], object] = lambda: None

    def listen(self, wake: Callable[[], object]) -> None:
        self._call = wake

    def drain(self) -> list[Message]:
        found = list(self._queue)
        self._queue.clear()
        return found

    def say(self, *messages: Message) -> None:
        self._queue.extend(messages)
        self._call()

    def watching(self, on: bool) -> None:
        self.auto = on

    def close(self) -> None:
        pass


def picture(*steps: Mapping[str, Any]) -> Message:
    """What the engine says of the project's plan."""
    told = [
        {
            "name": "train",
            "state": "fresh",
            "reasons": [],
            "blind_spots": [],
            "seconds": None,
            "needs": [],
            "place": ["pipeline.py", 3],
            "params": {},
            "outputs": [],
            "auto": True,
            "fan": False,
            "gpus": 0,
            **one,
        }
        for one in steps
    ]
    return {
        "t": "picture",
        "paths": [],
        "doc": {"project": "p", "steps": told, "problems": [], "auto": True, "config": "instep.toml"},
    }


def app_on(root: Path, place: str) -> InstepApp:
    """The screen that opens on a place."""
    app = InstepApp(root, Told())
    app.kept = {"place": place}
    return app
