"""Sending the objects that an agent lacks: several small packages at once, while the agent takes them out.

Ray's dashboard takes in small requests several times as fast as large ones. What is on its way is bounded, whatever is
to be sent. A transfer that stops is asked for again by the agent, which says how much of each object it has.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..engine.errors import ClusterError, StoreError
from ..engine.snapshots.objects import ObjectStore, StoredObject
from .packs import Piece, packed, pieces
from .places import package
from .request import Request, row_of
from .storage import storage_of

Message = dict[str, Any]  # Any: JSON
STREAMS = 4
"""Packages that are sent at once."""
WINDOW = 24
"""Packages that may be on their way: being sent, or in the memory of Ray's control store until the agent has taken them
out."""
AHEAD = 2 * STREAMS
"""Packages from the oldest that is being sent to the newest: what a cut may cost, since pieces after a gap are sent
again with it."""
SOON, SELDOM = 0.02, 0.5
"""Seconds until the cluster is asked again whether the agent has taken packages out: at first, and after a while of
nothing."""


class Port(Protocol):
    """Where packages are put: `JobsPort`."""

    def put_package(self, name: str, data: bytes) -> None: ...

    def has_package(self, name: str) -> bool: ...


@dataclass(slots=True)
class _Transfer:
    """What is left to be sent, for the threads that send it."""

    packs: Iterator[list[Piece]]
    total: int
    sent: int = 0
    why: str = ""
    """Why it stopped before the end."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self, why: str) -> None:
        self.why = self.why or why
        self.stopped.set()


class Window:
    """Which packages are on their way. `waits` says whether one that was sent is there still; threads share it."""

    def __init__(self, waits: Callable[[int], bool], first: int = 1) -> None:
        self._waits, self._next = waits, first
        self._sending: set[int] = set()
        self._sent: set[int] = set()
        self._lock = threading.Lock()

    def enter(self) -> int | None:
        """The number of the next package to be sent; None while there is no room."""
        with self._lock:
            on_their_way = len(self._sending) + len(self._sent)
            if on_their_way >= WINDOW or self._next - min(self._sending, default=self._next) >= AHEAD:
                return None
            number, self._next = self._next, self._next + 1
            self._sending.add(number)
            return number

    def leave(self, number: int) -> None:
        """It has been sent, or it may have been."""
        with self._lock:
            self._sending.discard(number)
            self._sent.add(number)

    def look(self) -> bool:
        """Whether some have been taken out. The agent takes them in their order: one question tells of many."""
        with self._lock:
            first = min(self._sending, default=self._next)
            ready = sorted(number for number in self._sent if number < first)
        if not ready or self._waits(middle := ready[len(ready) // 2]):
            return False
        with self._lock:
            self._sent = {number for number in self._sent if number > middle}
        return True


class Shipper:
    """One run's; one transfer of it at a time, in threads of its own."""

    def __init__(self, port: Port, request: Request, objects: ObjectStore, say: Callable[[Message], None]) -> None:
        self._port, self._request, self._objects, self._say = port, request, objects, say
        self._thread: threading.Thread | None = None
        # Packages of who sent before us may be there still: a name stands for one package only.
        self._window = Window(self._waits, time.time_ns() // 1_000_000)
        self._tried_storage = False
        self.ended = threading.Event()

    def need(self, have: Mapping[str, int]) -> None:
        """The agent lacks these; of each it has so many bytes. While a transfer goes on it is on its way already."""
        if self._thread is not None and self._thread.is_alive():
            return
        rows = {f"{row[0]}.{row[1]}": row for row in self._request.objects}
        wanted = [(StoredObject(*rows[name]), size) for name, size in have.items() if name in rows]
        self._thread = threading.Thread(target=self._ship, args=(wanted,), name="shipper", daemon=True)
        self._thread.start()

    def _ship(self, wanted: Sequence[tuple[StoredObject, int]]) -> None:
        total = sum(one.bytes - have for one, have in wanted)
        try:
            rest = self._stored(wanted, total)
        except (ClusterError, StoreError) as error:  # it is asked for again, and comes the other way
            self._say({"t": "note", "text": f"sending stopped: {error.problems[0].what}"})
            return
        transfer = _Transfer(pieces(rest), total, total - sum(one.bytes - have for one, have in rest))
        streams = [threading.Thread(target=self._stream, args=(transfer,), daemon=True) for _ in range(STREAMS)]
        for one in streams:
            one.start()
        for one in streams:
            one.join()
        if transfer.why:
            self._say({"t": "note", "text": transfer.why})

    def _stream(self, transfer: _Transfer) -> None:
        """Send one package after another until there are no more. What fails ends all streams of the transfer: the
        agent asks again for what has not come."""
        try:
            while (found := self._next(transfer)) is not None:
                self._send(transfer, *found)
        except (ClusterError, StoreError) as error:
            transfer.stop(f"sending stopped: {error.problems[0].what}")
        except OSError as error:
            transfer.stop(f"cannot read what is to be sent: {error}")

    def _next(self, transfer: _Transfer) -> tuple[int, list[Piece]] | None:
        """What to send next and under which number, once there is room: numbers are in the order of the pieces."""
        with transfer.turn:
            pack, pause = next(transfer.packs, None), SOON
            while pack is not None and not transfer.stopped.is_set() and not self.ended.is_set():
                number = self._window.enter()
                if number is not None:
                    return number, pack
                if not self._window.look():
                    self.ended.wait(pause)
                    pause = min(SELDOM, pause * 1.5)
        return None

    def _send(self, transfer: _Transfer, number: int, pack: list[Piece]) -> None:
        try:
            self._port.put_package(self._name(number), packed(pack, self._objects))
        finally:
            self._window.leave(number)
        with transfer.turn:
            transfer.sent += sum(one.size for one in pack)
            self._say({"t": "shipping", "sent": transfer.sent, "of": transfer.total})

    def _stored(self, wanted: Sequence[tuple[StoredObject, int]], total: int) -> Sequence[tuple[StoredObject, int]]:
        """Put large objects into the store of both sides, once; what is left to be sent otherwise. What the agent could
        not get from there, it asks for again, and then it is sent."""
        storage = storage_of(self._request.storage)
        if storage is None or self._tried_storage:
            return wanted
        self._tried_storage = True
        large = {one: have for one, have in wanted if storage.takes(one)}
        sent = 0
        for one, have in large.items():
            if self.ended.is_set():
                break
            if not storage.has(one):
                storage.put(one, self._objects)
            sent += one.bytes - have
            self._say({"t": "shipping", "sent": sent, "of": total})
        if large:
            told = {"t": "stored", "objects": [row_of(one) for one in large]}
            self._port.put_package(package(self._request.run_id, "say", 0), json.dumps(told).encode())
        return [(one, have) for one, have in wanted if one not in large]

    def _waits(self, number: int) -> bool:
        return self._port.has_package(self._name(number))

    def _name(self, number: int) -> str:
        return package(self._request.run_id, "pack", number)
