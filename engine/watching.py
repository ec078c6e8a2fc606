"""The watch loop without a screen: run what is stale, now and after every save."""

import queue
import threading
from dataclasses import replace

from .documents import status_document
from .errors import InstepError, problem_to_json
from .requests import RunRequest
from .run import Notify
from .session import Session
from .watch import Watcher


def watch(session: Session, request: RunRequest, notify: Notify, ended: threading.Event) -> None:
    """Run what is stale now, and again whenever a file is saved, until `ended`."""
    changes: queue.SimpleQueue[set[str] | None] = queue.SimpleQueue()
    watcher = Watcher(session.root, changes.put)
    _once(session, request, notify, ended, set())
    watcher.start(session.watched_folders())
    notify({"t": "watching"})
    threading.Thread(target=lambda: (ended.wait(), changes.put(None)), daemon=True).start()
    try:
        while (changed := changes.get()) is not None and not ended.is_set():
            _once(session, request, notify, ended, changed)
            watcher.follow(session.watched_folders())
    finally:
        watcher.stop()


def _once(session: Session, request: RunRequest, notify: Notify, ended: threading.Event, changed: set[str]) -> None:
    first = not changed
    try:
        facts, plan = session.planned(request)
        notify({"t": "saved", "paths": sorted(changed), "status": status_document(facts.project.name, plan)})
        if plan.stale() and (facts.project.auto or first):
            document = session.run(replace(request, auto_only=not first), notify, ended)
            if "nothing" not in document:
                notify({"t": "ran", "doc": document})
    except InstepError as error:
        notify({"t": "problems", "problems": [problem_to_json(one) for one in error.problems]})
