"""The commands' side of the socket: find the engine, start one where there is none, ask it, notice when it dies."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from . import wire
from .errors import EngineError
from .project import load_project

START_SECONDS = 30.0
ENGINE = "instep.remote.service"
"""The process that is started, by name alone: it puts more together than this package knows of."""
_started: list["subprocess.Popen[bytes]"] = []
"""Engines that this process started: they outlive it, and one that ends before is reaped."""


class EngineLost(EngineError):
    """The engine ended while it was asked something; the caller may ask again, a new one will be started."""


def ask(root: Path, request: dict[str, object], *, start: bool = True) -> "Answer":
    """Send `request` to the project's engine, starting one if `start`. Raises EngineError if there is none."""
    return Answer(_asked(root, request, start=start), lambda: _asked_anew(root, request, start=start))


def connected(root: Path) -> socket.socket | None:
    """A connection to the project's engine, or None if there is none. Raises EngineError for another user's."""
    try:
        return wire.connect(str(root))
    except wire.NotOurs as error:
        raise EngineError(str(error), mend="Work as that user, or in a copy of the project that is yours.") from None


def is_there(root: Path) -> bool:
    """Whether an engine of this project listens. Raises EngineError for another user's."""
    channel = connected(root)
    if channel is not None:
        channel.close()
    return channel is not None


def _asked(root: Path, request: dict[str, object], *, start: bool) -> socket.socket:
    channel = connected(root)
    if channel is None:
        if not start:
            raise EngineError("no engine is running for this project")
        channel = _start(root)
    try:
        wire.send(channel, {"v": wire.VERSION, **request})
    except OSError:
        raise EngineLost("the engine ended before it could be asked") from None
    return channel


def _asked_anew(root: Path, request: dict[str, object], *, start: bool) -> socket.socket:
    """Ask the engine that replaces one of another version, once that has ended."""
    deadline = time.monotonic() + START_SECONDS
    while os.path.exists(wire.socket_path(str(root))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return _asked(root, request, start=start)


class Answer:
    """What the engine says, message by message; closing it (or Ctrl-C) tells the engine that nobody listens."""

    def __init__(self, channel: socket.socket, again: Callable[[], socket.socket]) -> None:
        self._channel, self._again = channel, again

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Every message, the last with `t` `end` or `error`. Raises EngineLost if the engine dies before that."""
        try:
            for message in wire.receive(self._channel):
                if message.get("gone"):
                    self._channel.close()
                    self._channel = self._again()
                    yield from self
                    return
                yield message
                if message["t"] in ("end", "error"):
                    return
        except OSError:
            pass
        finally:
            self.close()
        raise EngineLost("the engine died", mend="What had finished is kept; run the command again.")

    def say(self, message: dict[str, object]) -> None:
        """Send something while the answer comes, such as a cancel."""
        with suppress(OSError):  # it is gone; reading will say so
            wire.send(self._channel, message)

    def close(self) -> None:
        self._channel.close()


def _start(root: Path) -> socket.socket:
    """Start an engine that outlives us and connect to it. Two commands may do so at once: one engine stays."""
    load_project(root)  # a mistake in the configuration is told here, not in the engine's log
    store = root / ".instep"
    log = store / "engine.log"
    try:
        store.mkdir(mode=0o700, exist_ok=True)
        out = os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    except OSError as error:
        raise EngineError(
            f"cannot write to {store} ({error.strerror})",
            mend="Make the project folder writable for you; nothing was run.",
        ) from None
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONHASHSEED"] = "0"
    with out:
        process = subprocess.Popen(
            [sys.executable, "-m", ENGINE, str(root)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=environment,
            cwd="/",
        )
    _started.append(process)
    deadline = time.monotonic() + START_SECONDS
    pause = 0.005
    while time.monotonic() < deadline:
        channel = connected(root)
        if channel is not None:
            return channel
        code = process.poll()
        if code not in (None, 0):
            raise EngineError(
                f"the engine could not start (it ended with {code})", mend=f"See {log}: {_last_line(log)}"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    raise EngineError(f"the engine did not answer within {START_SECONDS:.0f} s", mend=f"See {log}.")


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
