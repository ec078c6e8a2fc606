"""watchdog → debounced sets of changed paths.

Only the folders that hold first-party code or declared inputs are watched, each by itself: a recursive watch would take
an inotify handle for every folder of a virtual environment or a data lake below the project.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import DirCreatedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

QUIET = 0.008
"""Seconds without another event that end a burst: an editor writes a temporary file, renames, touches."""
LONGEST = 0.1
"""Seconds after which a burst is passed on even if events go on coming."""
_TELLING = {"created", "modified", "moved", "deleted", "closed"}


class Watcher(FileSystemEventHandler):
    """Calls `on_change` with the paths that changed (relative to `root`), from a thread of its own."""

    def __init__(self, root: Path, on_change: Callable[[set[str]], None]) -> None:
        self.root = root
        self._on_change = on_change
        self._observer = Observer()
        self._watches: dict[str, ObservedWatch] = {}
        self._changed: set[str] = set()
        self._first = 0.0
        self._wake = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._pass_on, name="watch", daemon=True)

    def start(self, folders: Iterable[str]) -> None:
        self.follow(folders)
        self._observer.start()
        self._thread.start()

    def follow(self, folders: Iterable[str]) -> None:
        """Watch exactly these folders (relative to the root)."""
        wanted = set(folders)
        for gone in self._watches.keys() - wanted:
            self._observer.unschedule(self._watches.pop(gone))
        for folder in wanted - self._watches.keys():
            full = os.path.join(self.root, folder)
            if os.path.isdir(full):
                self._watches[folder] = self._observer.schedule(self, full, recursive=False)

    def stop(self) -> None:
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._observer.stop()
        self._observer.join(2)

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread for every event."""
        told = event.event_type in _TELLING and (not event.is_directory or isinstance(event, DirCreatedEvent))
        if not told and not (event.is_directory and event.event_type in ("moved", "deleted")):
            return
        paths = {os.fsdecode(one) for one in (event.src_path, event.dest_path) if one}
        telling = {os.path.relpath(one, self.root) for one in paths if _counts(os.path.basename(one))}
        if telling:
            with self._wake:
                self._first = self._first or time.monotonic()
                self._changed |= telling
                self._wake.notify()

    def _pass_on(self) -> None:
        while True:
            with self._wake:
                while not self._changed and not self._stopped:
                    self._wake.wait()
                while not self._stopped and time.monotonic() - self._first < LONGEST and self._wake.wait(QUIET):
                    pass
                if self._stopped:
                    return
                changed, self._changed, self._first = self._changed, set(), 0.0
            self._on_change(changed)


def _counts(name: str) -> bool:
    return name not in ("__pycache__", ".instep", ".git") and not name.endswith((".pyc", "~", ".swp", ".swx", ".tmp"))
