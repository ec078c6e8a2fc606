"""What happened in a run, as numbered files that home reads over the Jobs port; written on the node of the agent.

A segment has what the journal was fed since the last one, and beside it what is only for the eye (progress, log lines
as they come). A file is written under another name and renamed, so a reader gets a whole segment or none, and a
segment never changes: an agent that takes a run up again goes on after the last one there is. What the journal was fed
and no segment has yet is found in the journal, so nothing is lost when the agent is killed in between.
"""

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..engine.errors import InstepError, StoreError
from ..engine.ids import RunId
from ..engine.snapshots.objects import ObjectStore, StoredObject
from ..engine.snapshots.records import LiveClosed
from ..engine.snapshots.writing_json import from_json
from .feed import FeedJournal
from .growing import Growing
from .places import PIECE_BYTES, ROLLED, There, live_piece, object_file, piece_file, roll, segment
from .storage import Storage

Message = dict[str, Any]  # Any: JSON
PAUSE = 0.05
"""Seconds between looks at the journal."""
LAST_WORDS = 60.0
"""Seconds for which the end is tried to be written where the disk is full."""
CALM = 0.25
"""Seconds between segments that have nothing but progress."""


class Outbox:
    """One run's. `tell` may be called from any thread; `close` writes the last segment."""

    def __init__(self, there: There, run_id: RunId, journal: FeedJournal) -> None:
        self._there, self._folder, self._journal = there, there.feed(run_id), journal
        self._id, self._objects = journal.journal_id, ObjectStore(there.store)
        self._number, self._fed = last_segment(self._folder)
        self._told: list[Message] = []
        self._lock = threading.Lock()
        self._written = 0.0
        self.storage: Storage | None = None
        """Where large objects go, once the agent knows."""
        self.growing: Growing | None = None
        """The live files of the run, once it has begun."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, name="outbox", daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Only for the eye: what a later message of its step says better is dropped."""
        with self._lock:
            if message["t"] == "progress":
                same = ("progress", message["step"])
                self._told = [one for one in self._told if (one["t"], one.get("step")) != same]
            self._told.append(message)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._ended.wait(PAUSE):
            with contextlib.suppress(OSError, StoreError):  # a full disk: what could not be said is said later
                self._write(calm=True)
        deadline = time.monotonic() + LAST_WORDS
        while True:
            try:
                if not self._write(calm=False):
                    return
            except (OSError, StoreError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def _write(self, *, calm: bool) -> bool:
        """One more segment if there is something to say; False if not."""
        fed = self._journal.fed_after(self._fed)
        grown = self.growing.look() if calm and self.growing is not None else []
        with self._lock:
            self._told += grown
            told = list(self._told)
            quiet = all(one["t"] in ("progress", "log", "live", "arriving") for one in told)
            if not fed and (not told or (calm and quiet and time.monotonic() - self._written < CALM)):
                return False
        number, last = self._number + 1, fed[-1][0] if fed else self._fed
        for _, body in fed:
            self._hand_out(body)
        # The bodies are JSON already; reading and writing them again would double the cost of a large fan-out.
        writings = ",".join(body for _, body in fed)
        seen = json.dumps(told, ensure_ascii=False)
        text = f'{{"journal":"{self._id}","fed":{last},"writings":[{writings}],"told":{seen}}}'
        put(self._folder / segment(number), text.encode("utf-8", "replace"))
        self._number, self._fed = number, last
        with self._lock:
            self._told = [one for one in self._told if all(one is not other for other in told)]
        self._written = time.monotonic()
        if self._number % ROLLED == 0:
            self._roll(self._number // ROLLED - 1)
        return True

    def _hand_out(self, body: str) -> None:
        """Put large files where home can get them, before anybody is told of them."""
        if '"objects":' not in body and '"live_closed"' not in body:
            return
        writing = from_json(json.loads(body))
        for row in writing.objects:
            one = StoredObject(*row)
            if not self._stored(one) and one.bytes > PIECE_BYTES:
                name = f"{one.content_hash}.{one.format}"
                self._pieces(self._there.store / object_file(name), partial(piece_file, name), one.bytes)
        for one in writing.events:
            if isinstance(one, LiveClosed) and one.bytes > PIECE_BYTES:
                name = one.path.removeprefix("runs/")
                self._pieces(self._there.store / one.path, partial(live_piece, name), one.bytes)

    def _stored(self, one: StoredObject) -> bool:
        """Whether it is in the store of both sides now; where that does not answer, the other way is taken."""
        here = self._objects.has(one.content_hash, one.format)
        if self.storage is None or not here or not self.storage.takes(one):
            return False
        try:
            if not self.storage.has(one):
                self.storage.put(one, self._objects)
        except InstepError as error:
            self.tell({"t": "note", "text": error.problems[0].what})
            return False
        return True

    def _pieces(self, path: Path, name: Callable[[int], str], size: int) -> None:
        if not path.exists():
            return
        with path.open("rb") as file:
            for number in range(math.ceil(size / PIECE_BYTES)):
                target = self._there.served / name(number)
                file.seek(number * PIECE_BYTES)
                if not target.exists():
                    put(target, file.read(min(PIECE_BYTES, size - number * PIECE_BYTES)))

    def _roll(self, number: int) -> None:
        """One file of the last hundred segments, without what was only for the eye."""
        first = number * ROLLED + 1
        segments = [json.loads((self._folder / segment(first + n)).read_bytes()) for n in range(ROLLED)]
        writings = [one for each in segments for one in each["writings"]]
        body = {"journal": self._id, "fed": segments[-1]["fed"], "writings": writings, "told": []}
        put(self._folder / roll(number), json.dumps(body, ensure_ascii=False).encode())


def last_segment(folder: Path) -> tuple[int, int]:
    """(number of the last segment, number up to which it has the journal's feed); zeros if there is none."""
    names = sorted(path.name for path in folder.glob("[0-9]*.json"))
    if not names:
        return 0, 0
    return int(names[-1].removesuffix(".json")), int(json.loads((folder / names[-1]).read_bytes())["fed"])


def put(path: Path, data: bytes) -> None:
    """Write a file so that whoever sees it sees it whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
