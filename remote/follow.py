"""Following a run that goes on on a cluster: reads its numbered segments and takes them into the journal, each once.

Not to see it is not to know that it failed: while the cluster does not answer the run is out of sight and nothing is
concluded. What was taken in is in the journal with the number it was taken in under, in one transaction, so a follower
that is killed, or a second one, begins where the last one was.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..engine.errors import ClusterError, ClusterRefused, MissingObject
from ..engine.ids import RunId
from ..engine.snapshots.journal import Followed, Journal, Writing
from ..engine.snapshots.objects import ObjectStore, StoredObject
from ..engine.snapshots.records import LiveClosed, Record, RunContext, RunEnded, RunStarted
from ..engine.snapshots.writing_json import from_json, joined
from .fetch import Source, fetch_live, fetch_object
from .growing import grow
from .jobs import Job, JobsPort
from .places import DOCUMENT, ROLLED, roll, segment
from .profile import Fetch
from .storage import Storage

Message = dict[str, Any]  # Any: JSON
Say = Callable[[Message], None]
End = Literal["ended", "gone", "died", "stopped"]
"""How following ended: the run did; the cluster does not know it any more; its job ended before it; we were told to."""

QUICK, SLOW, SLOWER = 0.1, 1.0, 1.05
"""Seconds between looks while something comes, and after a while of nothing. Of what is waited for, the start of a job
or of a worker takes longest: a look later adds a twentieth of that."""
FARTHEST = 5.0
"""Seconds between tries while the cluster is out of sight, at most."""
LATE = 3.0
"""Seconds for which the last segments may come after the job has ended."""
SMALL_BYTES = 16 << 20
"""An object up to this size comes by itself where the profile says `small`."""


@dataclass(slots=True)
class Follower:
    """One run of one project; `go` in a thread of its own.

    `mine` says that it was sent from here: what this store knows better (its git state) is not taken from there.
    `on_unsent` is called when the cluster does not know the job of a run that is being sent. `why` says how it died.
    """

    port: JobsPort
    slug: str
    store: Path
    one: Followed
    number: int
    fetch: Fetch
    mine: bool
    say: Say
    on_need: Callable[[dict[str, int]], None]
    on_unsent: Callable[[], None]
    stopped: threading.Event
    storage: Storage | None = None
    lost_since: float | None = None
    seen_at: float | None = None
    why: str = ""
    _roll: bool = True
    source: Source | None = None

    def go(self) -> End:
        """Follow to the end. Bytes that are not what they should be are told, not raised."""
        pause = QUICK
        away = 0.0
        with Journal(self.store / "journal.sqlite") as journal:
            while not self.stopped.is_set():
                try:
                    found = self._look(journal)
                    self._seen()
                except ClusterError as error:
                    self._lost(error)
                    away = min(FARTHEST, away * 1.5 + 0.5)
                    self.stopped.wait(away)
                    continue
                away = 0.0
                if isinstance(found, str):
                    self._end(journal, found)
                    return found
                pause = QUICK if found else min(SLOW, pause * SLOWER)
                if not found:
                    self.stopped.wait(pause)
        return "stopped"

    def _look(self, journal: Journal) -> bool | End:
        """Take in what there is; False if there is nothing new, or how it ended."""
        source = self._find()
        if not isinstance(source, Source):
            return source or False
        try:
            data = self._next(source)
            if data is not None:
                return self._take(journal, source, data)
        except ClusterRefused:
            raise
        except ClusterError:
            # The cluster, or only the node of the feed: a head that was started anew does not know it at all.
            how = self._without_node(source)
            if how is None:
                raise
            return how
        job = self.port.job(self.one.submission)
        if job is None:
            return "gone"
        if not job.ended:
            return False
        data = self._awaited(source)  # the last segments may be there later than the job's last state
        if data is not None:
            return self._take(journal, source, data)
        self.why = _why(job)
        return "died"

    def _find(self) -> Source | End | None:
        """Where the feed is read; None before the job was placed and said something.

        A new agent may be on another node, with a store of its own, which numbers its segments from one again.
        """
        if self.source is not None:
            return self.source
        job = self.port.job(self.one.submission)
        if job is None and self.one.state != "sending":
            return "gone"
        if job is None:
            self.on_unsent()
            return None
        if job.driver_node_id is not None:
            source = Source(self.port, job.driver_node_id, self.slug, self.storage)
            first = source.file(f"runs/{self.one.run_id}/{segment(1)}")
            if first is not None:
                self.source = source
                self._settle(json.loads(first)["journal"])
                return source
        if job.ended:
            self.why = _why(job)
            return "died"
        return None

    def _without_node(self, source: Source) -> End | None:
        """How it ended if the node of the feed is gone for good; None while it may answer again."""
        job = self.port.job(self.one.submission)
        if job is None:
            return "gone"
        if any(node.node_id == source.node and node.alive for node in self.port.nodes()):
            return None
        self.why = f"the node {source.node[:8]} that drove it is gone"
        return "died"

    def _settle(self, feed: str) -> None:
        """Begin after what was taken in of this feed."""
        assert self.source is not None
        with Journal(self.store / "journal.sqlite") as journal:
            known = next(iter(journal.followed(self.one.run_id)), self.one)
            seq = known.seq if known.node.split()[1:] in ([], [feed]) else 0
            self.one = replace(known, node=f"{self.source.node} {feed}", state="going", seq=seq, seen_us=_now_us())
            journal.follow(self.one)

    def _next(self, source: Source) -> tuple[int, dict[str, Any]] | None:
        """(number, body) of what comes next: a roll of many where it begins there, else the next segment."""
        folder, after = f"runs/{self.one.run_id}", self.one.seq
        if self._roll and after % ROLLED == 0:
            data = source.file(f"{folder}/{roll(after // ROLLED)}")
            if data is not None:
                return after + ROLLED, json.loads(data)
            self._roll = False  # we have caught up: from here on segment by segment
        data = source.file(f"{folder}/{segment(after + 1)}")
        return (after + 1, json.loads(data)) if data is not None else None

    def _awaited(self, source: Source) -> tuple[int, dict[str, Any]] | None:
        deadline = time.monotonic() + LATE
        while (data := self._next(source)) is None and time.monotonic() < deadline and not self.stopped.is_set():
            self.stopped.wait(SLOW / 4)
        return data

    def _take(self, journal: Journal, source: Source, data: tuple[int, dict[str, Any]]) -> bool | End:
        number, body = data
        writing = joined([from_json(one) for one in body["writings"]])
        for one in body["told"]:
            self._told(one)
        ended = [one for one in writing.events if isinstance(one, RunEnded)]
        away = self._bring(source, writing)
        writing.events = [new for one in writing.events if (new := self._translated(source, one)) is not None]
        journal.take_in(writing, self.one.run_id, number, away)
        self.one = replace(self.one, seq=number)
        self.say({"t": "taken", "seq": number})
        return "ended" if ended else True

    def _told(self, message: Message) -> None:
        match message["t"]:
            case "need":
                if self.mine:
                    self.on_need(message["objects"])
            case "live":
                grow(self.store / "runs" / str(self.number), message)
            case "run":
                if not self.mine:  # whoever sent it has said so
                    self.say(message | {"run": self.number, "target": self.one.cluster})
            case _:
                self.say(message)

    def _bring(self, source: Source, writing: Writing) -> dict[str, str]:
        """Fetch what is to come by itself; the names of what stays away, each with the cluster that has it."""
        objects = ObjectStore(self.store)
        away: dict[str, str] = {}
        for content, format, size, file_hash in writing.objects:
            one = StoredObject(content, format, size, file_hash)
            if objects.has(content, format):
                continue
            try:
                if self._comes(one):
                    fetch_object(source, one, objects)
                    continue
            except MissingObject as error:
                self.say({"t": "note", "text": error.problems[0].what})
            away[f"{content}.{format}"] = self.one.cluster
        return away

    def _comes(self, one: StoredObject) -> bool:
        # Many small results lie in a block; a fan-out is reused item by item only where its blocks are.
        return self.fetch == "all" or (self.fetch == "small" and (one.bytes <= SMALL_BYTES or one.format == "block"))

    def _translated(self, source: Source, record: Record) -> Record | None:
        """The record with the numbers and paths of this store; None for one that says nothing new here."""
        match record:
            case RunStarted():
                return replace(record, number=self.number)
            case RunContext() if self.mine:
                return None
            case LiveClosed():
                return self._live(source, record)
            case _:
                return record

    def _live(self, source: Source, record: LiveClosed) -> Record | None:
        """The log, here; None for one that is there no more, so that what came after it is not waited for in vain."""
        path = Path(record.path)
        target = Path("runs") / str(self.number) / path.name
        deadline = time.monotonic() + LATE
        while not fetch_live(source, f"{path.parent.name}/{path.name}", self.store / target, record.bytes):
            if time.monotonic() > deadline:
                self.say({"t": "note", "text": f"what {record.step} printed is not on the cluster any more"})
                return None
            self.stopped.wait(SLOW / 4)
        return replace(record, path=target.as_posix(), bytes=(self.store / target).stat().st_size)

    def _end(self, journal: Journal, how: End) -> None:
        if how == "ended":
            self.one = replace(self.one, state="ended")
            journal.follow(replace(self.one, seen_us=_now_us()))

    def _seen(self) -> None:
        if self.lost_since is not None:
            self.say({"t": "sight", "lost_since": None, "why": ""})
            self.lost_since = None
        self.seen_at = time.time()
        self.one = replace(self.one, seen_us=_now_us())

    def _lost(self, error: ClusterError) -> None:
        if self.lost_since is None:
            self.lost_since = self.seen_at or time.time()  # that it does not answer is noticed later
            refused = isinstance(error, ClusterRefused)
            told = {"t": "sight", "lost_since": self.lost_since, "why": error.problems[0].what, "refused": refused}
            self.say(told)


def document_of(source: Source, run_id: RunId) -> Message | None:
    """The `run` document that the agent wrote at the end; None where it could not."""
    data = source.file(f"runs/{run_id}/{DOCUMENT}")
    return json.loads(data) if data is not None else None


def problems_of(messages: Sequence[Message]) -> list[Message]:
    """The problems that the agent told instead of a document."""
    return [one for message in messages if message["t"] == "error" for one in message["problems"]]


def _why(job: Job) -> str:
    last = job.message.strip().splitlines()
    return f"the job on the cluster {job.state}: {last[-1] if last else 'it said nothing'}"


def _now_us() -> int:
    return time.time_ns() // 1000
