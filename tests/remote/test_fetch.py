"""Objects come home by the way that is open: a store of both sides, pieces, or in one request."""

from pathlib import Path

import pytest

from instep.engine.digest import digest_bytes
from instep.engine.errors import MissingObject
from instep.engine.snapshots.objects import ObjectStore, StoredObject
from instep.remote import fetch
from instep.remote.fetch import Source, fetch_object
from instep.remote.jobs import JobsPort
from instep.remote.places import PIECE_BYTES, linked, object_file, piece_file
from instep.remote.storage import Storage

SLUG = "p"
DATA = bytes(range(256)) * (2 * PIECE_BYTES // 256) + b"and some more"


class Files(JobsPort):
    """A node's files, in memory; what was read is in `read`."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.files = files
        self.read: list[str] = []

    def read_file(self, node_id: str, filename: str) -> bytes | None:
        name = filename.removeprefix(f"{linked(SLUG)}/")
        self.read.append(name)
        return self.files.get(name)


@pytest.fixture
def one(tmp_path: Path) -> StoredObject:
    return ObjectStore(tmp_path / "there").put(digest_bytes(DATA), "bin", DATA)


@pytest.fixture
def home(tmp_path: Path) -> ObjectStore:
    (tmp_path / "home").mkdir()
    return ObjectStore(tmp_path / "home")


def cut(one: StoredObject) -> dict[str, bytes]:
    name = f"{one.content_hash}.bin"
    return {piece_file(name, n): DATA[n * PIECE_BYTES : (n + 1) * PIECE_BYTES] for n in range(3)}


def whole(one: StoredObject) -> dict[str, bytes]:
    return {object_file(f"{one.content_hash}.bin"): DATA}


def test_pieces_that_came_before_a_cut_are_not_read_again(one: StoredObject, home: ObjectStore) -> None:
    files = Files(cut(one))
    last = list(files.files)[-1]
    rest = files.files.pop(last)
    with pytest.raises(MissingObject, match="has no object"):
        fetch_object(Source(files, "node", SLUG), one, home)
    files.files, files.read = {last: rest}, []
    fetch_object(Source(files, "node", SLUG), one, home)
    assert files.read == [last]
    assert home.read(one.content_hash, "bin") == DATA


def test_what_the_store_of_both_sides_does_not_give_comes_in_one_request(
    one: StoredObject, home: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    storage = Storage(f"file://{tmp_path}/file/below")
    fetch_object(Source(Files(whole(one)), "node", SLUG, storage), one, home)
    assert home.read(one.content_hash, "bin") == DATA


def test_what_is_too_large_for_that_stays_away_and_says_why(
    one: StoredObject, home: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "WHOLE_BYTES", 100)
    storage = Storage("s3://b/x?endpoint_override=127.0.0.1:1&region=x&anonymous=true")
    with pytest.raises(MissingObject, match=r"127.0.0.1:1 does not answer"):
        fetch_object(Source(Files(whole(one)), "node", SLUG, storage), one, home)
