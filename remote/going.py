"""One run that goes on on a cluster, as the engine has it while it is followed."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from ..engine.documents import Document
from ..engine.errors import ClusterError
from ..engine.snapshots.journal import Followed
from .follow import End, Follower, Message, Say, document_of
from .jobs import JobsPort
from .offload import Place
from .profile import Profile
from .request import Request


@dataclass(slots=True)
class Going:
    """One run that is followed. `listeners` are told what comes; `done` is set when nothing more will."""

    one: Followed
    number: int
    profile: Profile
    request: Request | None
    port: JobsPort
    stopped: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    listeners: list[Say] = field(default_factory=list[Say])
    end: End | None = None
    problems: list[Message] = field(default_factory=list[Message])
    document: Document | None = None
    cancels: int = 0
    why: str = ""
    submitting: threading.Lock = field(default_factory=threading.Lock)
    place: Place | None = None

    def say(self, message: Message) -> None:
        if message["t"] == "error":
            self.problems += message["problems"]
            return
        for one in list(self.listeners):
            one(message)


def document_for(follower: Follower, going: Going) -> Document | None:
    """The `run` document of a run that has just ended: the agent writes it a moment later. None if none comes."""
    source = follower.source
    deadline = time.monotonic() + 10
    while source is not None and time.monotonic() < deadline and not going.problems:
        with suppress(ClusterError):
            found = document_of(source, going.one.run_id)
            if found is not None:
                return found
        time.sleep(0.1)
    return None


def attempt_of(submission: str) -> int:
    """Which job of its run it is, from 1 on."""
    last = submission.rpartition("-")[2]
    return int(last) if last.isdigit() and len(last) < 3 else 1
