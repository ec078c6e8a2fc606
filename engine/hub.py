"""Tells every screen what happens in a project: plans after each save, runs as they go, whoever started them.

One watcher and one thread serve all followers, so that two screens on one project start one run for one save. It plans
while a run goes on: what a save made stale shows at once, and runs when the run before it has ended.
"""

import os
import queue
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from .documents import picture_document
from .errors import InstepError, problem_to_json
from .requests import RunRequest
from .session import Session
from .watch import Watcher

Say = Callable[[dict[str, object]], None]


@dataclass(slots=True, eq=False)
class _Follower:
    """One screen: where it listens, the environment it was started in, and whether a save may start a run for it."""

    say: Say
    request: RunRequest
    auto: bool


class Hub:
    """Methods may be called from any thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._followers: list[_Follower] = []
        self._wake: queue.SimpleQueue[set[str] | None] = queue.SimpleQueue()
        self._watcher: Watcher | None = None
        self._lock = threading.Lock()
        self._run: threading.Thread | None = None
        self._again: RunRequest | None = None
        self._closed = False
        self._going: dict[tuple[object, ...], dict[str, object]] = {}

    def tell(self, message: dict[str, object]) -> None:
        """Pass on what a run says, and keep of it what a screen that comes later must know."""
        match message["t"]:
            case "run":
                self._going = {("run",): message, **self._elsewhere()}
            case "step" | "progress" as kind:
                self._going[kind, message["step"]] = message
            case "ran":
                self._going = self._elsewhere()
            case "elsewhere":
                self._keep(message)
            case _:
                pass
        for one in list(self._followers):
            one.say(message)

    def _elsewhere(self) -> dict[tuple[object, ...], dict[str, object]]:
        return {key: one for key, one in self._going.items() if key[0] == "elsewhere"}

    def _keep(self, message: dict[str, Any]) -> None:  # Any: JSON
        """The last of each kind that was said of a run on a cluster, until it is over."""
        run, inner = message["run"], message["message"]
        if inner["t"] == "over":
            self._going = {key: one for key, one in self._going.items() if key[:2] != ("elsewhere", run)}
        elif inner["t"] in ("run", "step", "progress", "shipping", "arriving", "sight"):
            self._going["elsewhere", run, inner["t"], inner.get("step")] = message

    def look_again(self) -> None:
        """Something other than a file changed what is stale: a run ended."""
        if self._followers:
            self._wake.put(set())

    def follow(self, request: RunRequest, say: Say, messages: Iterable[Mapping[str, Any]], *, auto: bool) -> None:
        """Tell this screen everything until it goes away; it may say {"op": "auto", "on": bool} meanwhile."""
        one = _Follower(say, request, auto)
        say({"t": "hello", "pid": os.getpid(), "project": self._session.planner.project.name})
        self._session.when_ready(lambda error: say({"t": "ray", "state": "failed" if error else "ready", "why": error}))
        for message in list(self._going.values()):
            say(message)
        with self._lock:
            self._followers.append(one)
            if self._watcher is None:
                self._watcher = Watcher(self._session.root, self._wake.put)
                threading.Thread(target=self._serve, name="hub", daemon=True).start()
        self._wake.put(set())
        threading.Thread(target=self._tell_git, args=(say,), daemon=True).start()
        try:
            for message in messages:
                if message.get("op") == "auto":
                    one.auto = bool(message["on"])
        finally:
            self._followers.remove(one)

    def close(self) -> None:
        self._closed = True
        self._wake.put(None)

    def _serve(self) -> None:
        watcher = self._watcher
        assert watcher is not None
        started = False
        while (changed := self._wake.get()) is not None:
            while not self._wake.empty() and (more := self._wake.get()) is not None:
                changed |= more
            folders = self._look(changed)
            if not folders:
                continue
            if started:
                watcher.follow(folders)
            else:
                watcher.start(folders)
                started = True
                self._wake.put(set())  # what was saved before anybody watched
        if started:
            watcher.stop()

    def _look(self, changed: set[str]) -> set[str]:
        """Plan, tell, and start what may start; returns the folders to watch, none if nobody follows."""
        followers = list(self._followers)
        if not followers:
            return set()
        saved = sorted(filter(self._telling, changed))
        try:
            picture, stale = self._picture(followers[-1].request)
        except InstepError as error:
            told = [problem_to_json(one) for one in error.problems]
            self.tell({"t": "problems", "problems": told, "paths": saved})
        except (OSError, sqlite3.Error) as error:  # the store is gone: the service ends
            told = {"what": f"the project's store cannot be used ({error})", "place": None, "why": "", "mend": ""}
            self.tell({"t": "problems", "problems": [told], "paths": saved})
        else:
            self.tell({"t": "picture", "doc": picture, "paths": saved})
            starter = next((one for one in followers if one.auto), None)
            if changed and stale and picture["auto"] and starter is not None:
                self._start(starter.request)
        return self._session.watched_folders()

    def _telling(self, path: str) -> bool:
        """Editors write under names of their own before they rename."""
        return os.path.exists(os.path.join(self._session.root, path)) or bool(os.path.splitext(path)[1])

    def _picture(self, request: RunRequest) -> tuple[dict[str, Any], bool]:  # Any: JSON
        session = self._session
        facts, plan, seconds = session.look(request)
        return picture_document(facts, plan, seconds), bool(plan.stale())

    def _start(self, request: RunRequest) -> None:
        """Run what a save made stale, after the run that goes on; one waiting run is enough for any number of saves."""
        with self._lock:
            if self._run is not None and self._run.is_alive():
                self._again = request
                return
            self._again = None
            self._run = threading.Thread(target=self._run_it, args=(request,), name="auto-run", daemon=True)
            self._run.start()

    def _run_it(self, request: RunRequest) -> None:
        while True:
            with suppress(InstepError):  # told as problems by the plan that comes next
                document = self._session.run(replace(request, auto_only=True), self.tell, threading.Event())
                if "nothing" not in document:
                    self.tell({"t": "ran", "doc": document})
            self.look_again()
            with self._lock:
                if self._again is None or self._closed:
                    self._run = None
                    return
                request, self._again = self._again, None

    def _tell_git(self, say: Say) -> None:
        """The branch, and whether something is not committed; outside a repository nothing."""
        command = ["git", "--no-optional-locks", "-C", str(self._session.root)]
        with suppress(OSError, subprocess.SubprocessError):
            branch = _output([*command, "rev-parse", "--abbrev-ref", "HEAD"])
            say({"t": "git", "branch": branch, "dirty": bool(_output([*command, "status", "--porcelain", "--", "."]))})


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, timeout=5, check=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "replace").strip()
