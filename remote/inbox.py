"""What home says to the agent: packages put into Ray's control store over the Jobs port, taken out here.

Home puts the request, the pieces of objects, and short messages; each has a name with a number, so the order is that
of the names and a package put twice is one.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from ..engine.ids import RunId
from .places import package

Message = dict[str, Any]  # Any: JSON
PAUSE, SOON = 0.1, 0.01
"""Seconds between looks: while nothing comes, and for as long after something came."""


class Inbox:
    """One run's. `on_pack` and `on_message` are called from a thread of its own."""

    def __init__(self, run_id: RunId, on_pack: Callable[[bytes], None], on_message: Callable[[Message], None]) -> None:
        from ray.experimental import internal_kv

        self._kv: Any = internal_kv  # Any: Ray's functions are untyped
        self._run_id, self._on_pack, self._on_message = run_id, on_pack, on_message
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, name="inbox", daemon=True)

    def request(self) -> bytes | None:
        """The request as home put it; it stays, for an agent that takes the run up again."""
        return self._kv._internal_kv_get(_key(package(self._run_id, "request")))

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop looking, and take the request out: nobody needs it any more."""
        self._ended.set()
        self._thread.join(timeout=5)
        with contextlib.suppress(Exception):  # the cluster may be going down; what stays is a few kilobytes
            self._kv._internal_kv_del(_key(f"instep-{self._run_id}-"), del_by_prefix=True)

    def _go(self) -> None:
        came = 0.0
        while not self._ended.wait(SOON if time.monotonic() - came < PAUSE else PAUSE):
            with contextlib.suppress(Exception):  # the control store restarts; what is there stays there
                if any([self._look("pack"), self._look("say")]):
                    came = time.monotonic()

    def _look(self, kind: str) -> bool:
        """Whether there was something. It is taken out when it was taken in: what is cut off comes again."""
        keys = sorted(self._kv._internal_kv_list(_key(f"instep-{self._run_id}-{kind}-")))
        for key in keys:
            data = self._kv._internal_kv_get(key)
            if data is None:
                continue
            if kind == "pack":
                self._on_pack(data)
            else:
                self._on_message(json.loads(data))
            self._kv._internal_kv_del(key)
        return bool(keys)


def _key(name: str) -> str:
    """Under what the Jobs port keeps a package of that name."""
    return f"gcs://{name}"
