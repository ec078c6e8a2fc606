"""The background engine: one process for a project that keeps Ray warm and answers commands and screens.

It is started by the first command that needs it, is nicer than what a person does meanwhile, and ends after
`IDLE_SECONDS` without anybody asking or anything running, or when told to. It holds the lease `engine` in the journal:
whoever finds runs marked as running without a live holder knows that they were interrupted.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from . import wire
from .documents import Document
from .errors import InstepError, UsageError, problem_to_json
from .hub import Hub
from .run import Notify
from .session import RunRequest, Session
from .watching import watch

IDLE_SECONDS = float(os.environ.get("INSTEP_IDLE_SECONDS", "900"))
NICE = 5


class Elsewhere(Protocol):
    """Runs that go on on clusters (`remote/elsewhere.py`)."""

    @property
    def busy(self) -> bool: ...

    def run(self, asked: RunRequest, notify: Notify, cancel: threading.Event) -> Document: ...

    def resume(self) -> None:
        """Take up what an engine before this one followed."""
        ...

    def learn(self, env: Mapping[str, str]) -> None:
        """The environment of who asks, which may have tokens that this process was not started with."""
        ...

    def adopt(self, name: str) -> list[int]:
        """Follow what goes on on that cluster and is not known here; the numbers of these runs."""
        ...

    def answer(self, request: dict[str, Any]) -> Document:
        """What a screen asks about a cluster."""
        ...

    def cancel(self, number: int | None = None) -> bool: ...

    def close(self) -> None: ...


class Service:
    """Listens on the project's socket; every connection is served by a thread of its own.

    `elsewhere` makes what knows clusters, given the session, where to tell screens, and what to call when what is stale
    may have changed; without it there are none.
    """

    def __init__(
        self,
        root: Path,
        session: Session | None = None,
        elsewhere: Callable[[Session, Notify, Callable[[], None]], Elsewhere] | None = None,
    ) -> None:
        self.root = root
        self.session = session or Session(root)
        self.hub = Hub(self.session)
        self.elsewhere = elsewhere(self.session, self.hub.tell, self.hub.look_again) if elsewhere else None
        self._path = wire.socket_path(str(root))
        self._open = 0
        self._last = time.monotonic()
        self._stopping = threading.Event()
        self._journal = _inode(self.session.journal.path)
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Answer until told to stop, or idle for long enough."""
        listener = self._listen()
        self.session.warm()
        if self.elsewhere is not None:
            self.elsewhere.resume()
        try:
            while not self._stopping.is_set():
                try:
                    channel, _ = listener.accept()
                except TimeoutError:
                    self._check()
                    continue
                threading.Thread(target=self._serve_one, args=(channel,), daemon=True).start()
        finally:
            with suppress(OSError):
                os.unlink(self._path)
            listener.close()
            if self.elsewhere is not None:
                self.elsewhere.close()
            self.hub.close()
            self.session.close(at_once=True)

    def stop(self) -> None:
        self._stopping.set()
        with suppress(OSError), socket.socket(socket.AF_UNIX) as nudge:
            nudge.connect(self._path)  # else the loop looks half a second later

    def _listen(self) -> socket.socket:
        if os.path.dirname(self._path) != str(self.session.store):
            from .scheduler.ray_local import private_folder

            private_folder()
        with suppress(OSError):
            os.unlink(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(self._path)
        finally:
            os.umask(before)
        listener.listen(64)
        listener.settimeout(0.5)
        return listener

    def _check(self) -> None:
        """End when idle, or when the project or its store is gone from under us."""
        self.session.renew()
        if self._journal != _inode(self.session.journal.path) or (
            self._open == 0 and not self._busy and time.monotonic() - self._last > IDLE_SECONDS
        ):
            self._stopping.set()

    @property
    def _busy(self) -> bool:
        return self.session.busy or (self.elsewhere is not None and self.elsewhere.busy)

    def _serve_one(self, channel: socket.socket) -> None:
        with self._lock:
            self._open += 1
        talk = _Talk(channel)
        try:
            messages = wire.receive(channel)
            request = next(messages, None)
            if request is not None and request.get("v", wire.VERSION) != wire.VERSION:
                self._give_way(talk)
            elif request is not None:
                self._answer(request, talk, messages)
        except (OSError, ValueError):
            pass  # the other side went away, or is not one of ours
        finally:
            talk.close()
            with self._lock:
                self._open -= 1
                self._last = time.monotonic()

    def _give_way(self, talk: "_Talk") -> None:
        """Another version of instep asks: end, so that it can start its own; a run that goes on is not cut off."""
        what = "an engine of another version of instep is at work here"
        busy = {"what": what, "place": None, "why": "", "mend": "Wait for its run to end, or `instep stop` it."}
        talk.say({"t": "error", "exit": 2, "problems": [busy], "gone": not self.session.busy})
        if not self.session.busy:
            self.stop()

    def _answer(self, request: dict[str, object], talk: "_Talk", messages: Iterable[Mapping[str, Any]]) -> None:
        try:
            if self.elsewhere is not None and "env" in request:
                self.elsewhere.learn(RunRequest.from_json(request).env)
            match request.get("op"):
                case "ping":
                    talk.say({"t": "end", "pid": os.getpid(), "v": wire.VERSION, "ray": self.session.ray_ready})
                case "status":
                    talk.say({"t": "end", "doc": self.session.status(RunRequest.from_json(request))})
                case "nothing":
                    talk.say({"t": "end", **self.session.nothing_to_run(RunRequest.from_json(request))})
                case "run":
                    self._run(RunRequest.from_json(request), talk, messages)
                case "watch":
                    self._watch(RunRequest.from_json(request), talk, messages)
                case "follow":
                    self.hub.follow(
                        RunRequest.from_json(request), talk.say, messages, auto=bool(request.get("auto", True))
                    )
                case "cancel":
                    talk.say({"t": "end", "cancelled": self._cancel(request.get("run"))})
                case "adopt":
                    talk.say({"t": "end", "runs": self._clusters().adopt(str(request.get("cluster")))})
                case "cluster":
                    talk.say({"t": "end", "doc": self._clusters().answer(request)})
                case "stop":
                    self.stop()
                    talk.say({"t": "end", "pid": os.getpid()})
                case other:
                    raise InstepError(f"the engine does not know `{other}`")
        except InstepError as error:
            talk.say(
                {"t": "error", "exit": error.exit_code, "problems": [problem_to_json(one) for one in error.problems]}
            )
        except ConnectionError:
            pass  # a screen or command that was killed
        except Exception as error:
            import traceback

            traceback.print_exc()
            what = f"instep itself failed: {type(error).__name__}: {error}"
            told = {
                "what": what,
                "place": None,
                "why": "",
                "mend": "This is a bug of instep; .instep/engine.log has the details.",
            }
            talk.say({"t": "error", "exit": 2, "problems": [told]})

    def _run(self, request: RunRequest, talk: "_Talk", messages: Iterable[Mapping[str, Any]]) -> None:
        cancel = threading.Event()
        if not request.detach:
            # What goes on elsewhere goes on when who asked for it is gone; it ends when they say so.
            gone = threading.Event() if request.on else cancel
            threading.Thread(target=_hear, args=(messages, cancel, gone), daemon=True).start()

        def notify(message: dict[str, Any]) -> None:
            talk.say(message)
            self.hub.tell(message)

        if request.on:
            # Screens hear of it through `elsewhere`, whoever asked for it.
            document = self._clusters().run(request, talk.say, cancel)
            talk.say({"t": "end", "doc": document})
            return
        document = self.session.run(request, notify, cancel)
        talk.say({"t": "end", "doc": document})
        if "nothing" not in document:
            self.hub.tell({"t": "ran", "doc": document})
            self.hub.look_again()

    def _cancel(self, number: object) -> bool:
        """The run of that number where it goes on elsewhere, else the one that goes on here."""
        if isinstance(number, int) and self.elsewhere is not None and self.elsewhere.cancel(number):
            return True
        return self.session.cancel()

    def _clusters(self) -> Elsewhere:
        if self.elsewhere is None:
            raise UsageError("this engine knows no clusters", mend="Start it with `instep`, not from Python.")
        return self.elsewhere

    def _watch(self, request: RunRequest, talk: "_Talk", messages: Iterable[Mapping[str, Any]]) -> None:
        ended = threading.Event()
        threading.Thread(target=_hear, args=(messages, ended, ended), daemon=True).start()
        watch(self.session, request, talk.say, ended)
        talk.say({"t": "end"})


class _Talk:
    """One side of a connection that several threads may speak on; deaf once the other side is gone."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def say(self, message: dict[str, object]) -> None:
        with self._lock, suppress(OSError):
            wire.send(self._channel, message)

    def close(self) -> None:
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()


def _inode(path: Path) -> int | None:
    """Which file has this name now. A worker of a run that went on may have made the folder, and a journal, again."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _hear(messages: Iterable[Mapping[str, Any]], cancel: threading.Event, gone: threading.Event) -> None:
    """Set `cancel` when the other side says so, `gone` when it goes away."""
    with suppress(OSError, ValueError):
        for message in messages:
            if message.get("op") == "cancel":
                cancel.set()
                return
    gone.set()


def _leave(store: Path) -> None:
    """End at once, without waiting for a Ray that is just being started (which may take half a minute)."""
    from .scheduler.ray_local import abandon

    abandon(store)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def serve(root: Path, elsewhere: Callable[[Session, Notify, Callable[[], None]], Elsewhere] | None = None) -> int:
    """Be the engine of the project at `root` until told to end; does nothing where another is."""
    with suppress(OSError):
        os.nice(NICE)
    os.umask(0o077)
    try:
        service = Service(root, elsewhere=elsewhere)
        if not service.session.take_lease():
            return 0
        signal.signal(signal.SIGTERM, lambda _number, _frame: service.stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        service.serve()
        if service.session.starting:
            _leave(service.session.store)
    except InstepError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
