"""Pieces of objects may come twice, late, from two senders at once, or damaged: the store gets whole objects only."""

import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.engine.digest import digest_bytes
from instep.engine.snapshots.objects import ObjectStore, StoredObject
from instep.remote.packs import Receiver, packed, pieces


def made(store: Path, sizes: list[int]) -> tuple[ObjectStore, list[StoredObject]]:
    objects = ObjectStore(store)
    chance = random.Random(len(sizes))
    found: list[StoredObject] = []
    for size in sizes:
        data = chance.randbytes(size)
        found.append(objects.put(digest_bytes(data), "bin", data))
    return objects, found


def receiver(folder: Path) -> Receiver:
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    return Receiver(folder / "partial", ObjectStore(folder / "there"))


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=5, unique=True),
    st.integers(1, 300),
    st.lists(st.integers(0, 50), max_size=20),
)
def test_a_transfer_cut_anywhere_and_taken_up_sends_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("packs")
    objects, all_of_them = made(folder / "here", sizes)
    there, store = receiver(folder), ObjectStore(folder / "there")
    came = 0
    for packs in [*cuts, 10_000]:
        missing = [one for one in all_of_them if not store.has(one.content_hash, one.format)]
        wanted = [(one, there.have(f"{one.content_hash}.{one.format}")) for one in missing]
        for pack in list(pieces(wanted, limit))[:packs]:  # then the connection is gone
            there.take(packed(pack, objects))
            came += sum(piece.size for piece in pack)
    assert all(store.read(one.content_hash, "bin") == objects.read(one.content_hash, "bin") for one in all_of_them)
    assert came == sum(sizes)
    assert there.damaged == []


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=4, unique=True),
    st.integers(1, 60),
    st.integers(0, 100),
    st.randoms(use_true_random=False),
)
def test_pieces_may_come_in_any_order_twice_and_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int, lost: int, chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("packs")
    objects, all_of_them = made(folder / "here", sizes)
    store = ObjectStore(folder / "there")
    packs = [packed(pack, objects) for pack in pieces([(one, 0) for one in all_of_them], limit)]
    came = chance.sample(packs, len(packs) * (100 - lost) // 100)
    for data in [*came, *chance.sample(came, len(came) // 2)]:
        receiver(folder).take(data)  # each time the one of an agent that was started anew
    there = receiver(folder)
    missing = [one for one in all_of_them if not store.has(one.content_hash, one.format)]
    again = pieces([(one, there.have(f"{one.content_hash}.{one.format}")) for one in missing], limit)
    for pack in again:
        there.take(packed(pack, objects))
    assert all(store.read(one.content_hash, "bin") == objects.read(one.content_hash, "bin") for one in all_of_them)
    assert there.damaged == []
    assert [path.name for path in (folder / "partial").iterdir() if not path.name.endswith(".lock")] == []


def test_two_runs_that_send_the_same_object_at_once_make_one_whole_object(tmp_path: Path) -> None:
    objects, (one,) = made(tmp_path / "here", [3_000_000])
    packs = [packed(pack, objects) for pack in pieces([(one, 0)], 10_000)]
    receivers = [receiver(tmp_path) for _ in range(3)]
    threads = [threading.Thread(target=lambda there=there: [there.take(pack) for pack in packs]) for there in receivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [there.damaged for there in receivers] == [[], [], []]
    assert ObjectStore(tmp_path / "there").describe(one.content_hash, "bin") == one


def test_damaged_bytes_never_get_into_the_store_and_begin_anew(tmp_path: Path) -> None:
    objects, (one,) = made(tmp_path / "here", [1_000])
    there = receiver(tmp_path)
    data = packed(next(pieces([(one, 0)])), objects)
    assert there.take(data[:-1] + bytes([data[-1] ^ 1])) == []
    assert there.damaged == [f"{one.content_hash}.bin"]
    assert there.have(f"{one.content_hash}.bin") == 0
    assert there.take(data) == [one]
