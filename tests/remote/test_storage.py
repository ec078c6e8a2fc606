"""A store of both sides: large objects go there once, and what is not what it should be is not taken."""

from pathlib import Path

import pytest

from instep.engine.errors import ClusterUnreachable, StoreError
from instep.engine.ids import Digest
from instep.engine.snapshots.objects import ObjectStore, StoredObject
from instep.remote.storage import LARGE_BYTES, Storage


@pytest.fixture
def there(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/shared/both")


@pytest.fixture
def home(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "home")


def put(objects: ObjectStore, data: bytes) -> StoredObject:
    return objects.put(Digest("ab" * 16), "npy", data)


def test_what_one_side_puts_the_other_takes(there: Storage, home: ObjectStore, tmp_path: Path) -> None:
    one = put(home, b"x" * LARGE_BYTES)
    assert there.takes(one)
    assert not there.has(one)
    there.put(one, home)
    assert there.has(one)
    other = ObjectStore(tmp_path / "other")
    assert there.get(one, other, tmp_path)
    assert other.read(one.content_hash, one.format) == b"x" * LARGE_BYTES


def test_damage_is_not_taken(there: Storage, home: ObjectStore, tmp_path: Path) -> None:
    one = put(home, b"x" * 100)
    there.put(one, home)
    (path,) = (path for path in (tmp_path / "shared").rglob("*.npy"))
    path.write_bytes(b"y" * 100)
    other = ObjectStore(tmp_path / "other")
    assert not there.get(one, other, tmp_path)
    assert not other.has(one.content_hash, one.format)
    path.write_bytes(b"x" * 50)
    assert not there.has(one)


def test_small_objects_take_the_other_way(there: Storage, home: ObjectStore) -> None:
    assert not there.takes(put(home, b"x"))


def test_a_store_that_cannot_be_reached_is_told(home: ObjectStore, tmp_path: Path) -> None:
    one = put(home, b"x")
    (tmp_path / "shared").write_text("a file where a folder should be")
    with pytest.raises(ClusterUnreachable, match="storage file://"):
        Storage(f"file://{tmp_path}/shared").put(one, home)
    with pytest.raises(StoreError, match="cannot be used"):
        Storage("nowhere://bucket").has(one)
