"""Packages on their way to a cluster: several at once, never more than may be, and after a cut the rest of them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from instep.engine.digest import digest_bytes
from instep.engine.errors import ClusterUnreachable
from instep.engine.ids import Digest, RunId
from instep.engine.snapshots.objects import ObjectStore, StoredObject
from instep.remote.packs import PACK_BYTES, Receiver
from instep.remote.request import Request, row_of
from instep.remote.shipping import AHEAD, STREAMS, WINDOW, Shipper, Window


class Shelf:
    """The store between the two sides, in memory, with an agent's thread that takes out what is there once it may."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.there: dict[str, bytes] = {}
        self.most = self.put = self.at_once = self.now = 0
        self.fails_at = -1
        self.open, self.ended = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def put_package(self, name: str, data: bytes) -> None:
        with self._lock:
            self.now += 1
            self.at_once = max(self.at_once, self.now)
        time.sleep(0.001)  # others may come meanwhile
        with self._lock:
            self.now -= 1
            self.put += 1
            if self.put == self.fails_at:
                raise ClusterUnreachable("the wire was cut")
            self.there[name] = data
            self.most = max(self.most, len(self.there))

    def has_package(self, name: str) -> bool:
        return name in self.there

    def _take(self) -> None:
        while not self.ended.is_set():
            self.open.wait(0.1)
            for name in sorted(self.there) if self.open.is_set() else ():
                self.receiver.take(self.there[name])
                del self.there[name]
            time.sleep(0.002)

    def close(self) -> None:
        self.ended.set()
        self._thread.join()


class Sides:
    """A home with one object of `packs` packages and half of one, and a cluster without it."""

    def __init__(self, folder: Path, packs: int) -> None:
        self.home, self.cluster = ObjectStore(folder / "home"), ObjectStore(folder / "cluster")
        (folder / "partial").mkdir()
        data = bytes(range(256)) * ((packs * PACK_BYTES + PACK_BYTES // 2) // 256)
        self.one = self.home.put(digest_bytes(data), "bin", data)
        self.shelf = Shelf(Receiver(folder / "partial", self.cluster))
        self.said: list[dict[str, Any]] = []
        self.shipper = Shipper(self.shelf, asked(self.one), self.home, self.said.append)

    def need(self) -> None:
        name = f"{self.one.content_hash}.{self.one.format}"
        self.shipper.need({name: self.shelf.receiver.have(name)})

    def whole(self) -> bool:
        return self.cluster.has(self.one.content_hash, self.one.format)


@pytest.fixture
def sides(tmp_path: Path, request: pytest.FixtureRequest) -> Sides:
    made = Sides(tmp_path, WINDOW + 20)
    request.addfinalizer(made.shelf.close)
    request.addfinalizer(made.shipper.ended.set)
    return made


def asked(one: StoredObject) -> Request:
    return Request(
        run_id=RunId("r"), number=1, project="p", target="gpu", user_name="", host="", started_us=0, config={},
        params={}, steps=[], forced=[], code=Digest(""), files=[], objects=[row_of(one)],
    )  # fmt: skip


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_on_its_way_is_bounded_however_slow_the_agent_is(sides: Sides) -> None:
    sides.need()
    until(lambda: len(sides.shelf.there) == WINDOW)
    sides.need()  # asked again meanwhile: it is on its way
    sides.shelf.open.set()
    until(sides.whole)
    assert sides.shelf.most == WINDOW
    assert 1 < sides.shelf.at_once <= STREAMS
    assert sides.shelf.put == WINDOW + 21, "nothing was sent twice"
    until(
        lambda: bool(sides.said) and sides.said[-1] == {"t": "shipping", "sent": sides.one.bytes, "of": sides.one.bytes}
    )
    assert [one["sent"] for one in sides.said] == sorted(one["sent"] for one in sides.said)


def test_a_cut_is_told_once_and_costs_what_was_being_sent(sides: Sides) -> None:
    sides.shelf.fails_at = 15
    sides.shelf.open.set()
    sides.need()
    until(lambda: any(one["t"] == "note" for one in sides.said))
    assert [one["text"] for one in sides.said if one["t"] == "note"] == ["sending stopped: the wire was cut"]
    until(lambda: not sides.shelf.there and all(one.name != "shipper" for one in threading.enumerate()))
    sides.need()
    until(sides.whole)
    assert sides.shelf.put <= WINDOW + 21 + AHEAD


def test_a_transfer_that_waits_ends_when_following_does(sides: Sides) -> None:
    sides.need()
    until(lambda: len(sides.shelf.there) == WINDOW)
    before = threading.active_count()
    sides.shipper.ended.set()
    until(lambda: threading.active_count() <= before - STREAMS)


def test_that_one_was_taken_says_nothing_of_those_after_a_gap() -> None:
    there = {1, 2, 4, 5}
    window = Window(there.__contains__)
    for number in range(1, 6):
        assert window.enter() == number
    for number in (1, 2, 4, 5):
        window.leave(number)  # the third is being sent
    there -= {4, 5}
    assert not window.look()
    there -= {1, 2}
    assert window.look()
    window.leave(3)
    assert window.look()
    assert window.look()


def test_no_package_is_sent_far_ahead_of_one_that_hangs() -> None:
    window = Window(lambda _: False)
    first = window.enter()
    for number in range(2, AHEAD + 1):
        assert window.enter() == number
        window.leave(number)
    assert window.enter() is None
    assert not window.look(), "there is a gap before them all"
    assert first is not None
    window.leave(first)
    assert window.enter() == AHEAD + 1
