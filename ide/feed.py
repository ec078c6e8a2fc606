"""What the engine says, brought to the screen: a thread that follows it and starts it where there is none, or it died.

It is begun before Textual is imported, so that the engine starts meanwhile.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..engine import client
from ..engine.errors import InstepError, problem_to_json

Message = Mapping[str, Any]  # Any: JSON from the engine
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Feed:
    """`listen` gives it somebody to wake; until then what comes is kept. `drain` hands over what has come since."""

    def __init__(self, root: Path, *, auto: bool = True) -> None:
        self.root = root
        self.auto = auto
        self._messages: deque[Message] = deque()
        self._wake: Callable[[], object] | None = None
        self._answer: client.Answer | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._woken = False
        self._thread = threading.Thread(target=self._follow, name="feed", daemon=True)
        self._thread.start()

    def listen(self, wake: Callable[[], object]) -> None:
        """From now on call `wake` (from the feed's thread) when there is something to drain."""
        with self._lock:
            self._wake = wake
            waiting, self._woken = bool(self._messages), bool(self._messages)
        if waiting:
            wake()

    def drain(self) -> list[Message]:
        with self._lock:
            self._woken = False
            messages = list(self._messages)
            self._messages.clear()
        return messages

    def watching(self, on: bool) -> None:
        """Whether a save may start a run for this screen."""
        self.auto = on
        answer = self._answer
        if answer is not None:
            answer.say({"op": "auto", "on": on})

    def close(self) -> None:
        self._closed.set()
        answer = self._answer
        if answer is not None:
            answer.close()

    def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                self._answer = client.ask(self.root, {"op": "follow", "env": dict(os.environ), "auto": self.auto})
                for message in self._answer:
                    self._put(message)
            except InstepError as error:
                if not self._closed.is_set():
                    self._put({"t": "lost", "problems": [problem_to_json(one) for one in error.problems]})
            except OSError as error:
                self._put({"t": "lost", "problems": [{"what": str(error), "place": None, "why": "", "mend": ""}]})
            self._answer = None
            # An engine that lived is replaced at once; one that cannot live is not started again and again.
            pause = _FIRST_PAUSE if time.monotonic() - began > 10 else min(pause * 2, _LONGEST_PAUSE)
            self._closed.wait(pause)

    def _put(self, message: Message) -> None:
        with self._lock:
            self._messages.append(message)
            wake = None if self._woken else self._wake
            self._woken = self._woken or wake is not None
        if wake is not None:
            wake()


def tell_engine(root: Path, request: dict[str, object]) -> None:
    """Say something to the engine that lives; where none does, there is nothing to be told."""
    with suppress(InstepError):
        for _ in client.ask(root, request, start=False):
            pass
