"""A store of both sides: large objects go there once, and what is not what it should be is not taken.

The same is asked of a folder, of an S3 server and of one of Cloud Storage.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from buckets import KEYS, Buckets, served
from cut_wire import Wire
from ray_cluster import Cluster
from sites import Site

from instep.engine.errors import ClusterUnreachable, StoreError
from instep.engine.ids import Digest
from instep.engine.snapshots.objects import ObjectStore, StoredObject
from instep.remote import buckets as opening
from instep.remote.buckets import opened
from instep.remote.storage import LARGE_BYTES, Storage


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    with served("s3") as found:
        yield found


@pytest.fixture(scope="module")
def gs() -> Iterator[Buckets]:
    with served("gs") as found:
        yield found


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["file", "s3", "gs"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "file":
        return Storage(f"file://{tmp_path}/shared/both")
    return Storage(request.getfixturevalue(request.param).url())


@pytest.fixture
def home(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "home")


def put(objects: ObjectStore, data: bytes, name: str) -> StoredObject:
    return objects.put(Digest(name * 16), "npy", data)


def overwrite(storage: Storage, data: bytes) -> None:
    """Every object there has other bytes from now on."""
    from pyarrow import fs

    system, path = opened(storage.url)
    for one in system.get_file_info(fs.FileSelector(path, recursive=True)):
        if one.type == fs.FileType.File:
            with system.open_output_stream(one.path) as out:
                out.write(data)


def names(storage: Storage) -> list[str]:
    from pyarrow import fs

    system, path = opened(storage.url)
    found = system.get_file_info(fs.FileSelector(path, recursive=True))
    return sorted(one.base_name for one in found if one.type == fs.FileType.File)


def test_what_one_side_puts_the_other_takes(there: Storage, home: ObjectStore, tmp_path: Path) -> None:
    one = put(home, b"x" * (9 * LARGE_BYTES), "ab")
    assert there.takes(one)
    assert not there.has(one)
    there.put(one, home)
    assert there.has(one)
    assert names(there) == [f"{one.content_hash}.npy"], "under its own name, and nothing else is left"
    other = ObjectStore(tmp_path / "other")
    assert there.get(one, other, tmp_path)
    assert other.read(one.content_hash, one.format) == b"x" * (9 * LARGE_BYTES)


def test_damage_is_not_taken(there: Storage, home: ObjectStore, tmp_path: Path) -> None:
    one = put(home, b"x" * 100, "cd")
    there.put(one, home)
    overwrite(there, b"y" * 100)
    other = ObjectStore(tmp_path / "other")
    assert not there.get(one, other, tmp_path)
    assert not other.has(one.content_hash, one.format)
    overwrite(there, b"x" * 50)
    assert not there.has(one)


def test_small_objects_take_the_other_way(there: Storage, home: ObjectStore) -> None:
    assert not there.takes(put(home, b"x", "ef"))


def test_a_folder_that_cannot_be_written_is_told(home: ObjectStore, tmp_path: Path) -> None:
    one = put(home, b"x", "ab")
    (tmp_path / "shared").write_text("a file where a folder should be")
    with pytest.raises(ClusterUnreachable, match="storage file://"):
        Storage(f"file://{tmp_path}/shared").put(one, home)


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_bucket_that_is_not_there_is_named(kind: str, home: ObjectStore, request: pytest.FixtureRequest) -> None:
    storage = Storage(request.getfixturevalue(kind).url("nowhere"))
    with pytest.raises(ClusterUnreachable, match=r"there is no bucket `nowhere`$"):
        storage.put(put(home, b"x", "ab"), home)


def test_keys_that_are_not_known_there_are_told_with_where_they_come_from(s3: Buckets, home: ObjectStore) -> None:
    storage, one = Storage(s3.url()), put(home, b"x", "ab")
    s3.only_known_keys(True)
    try:
        for ask in (lambda: storage.has(one), lambda: storage.put(one, home)):
            with pytest.raises(ClusterUnreachable, match=r"credentials are not accepted there.*AWS_ACCESS_KEY_ID"):
                ask()
    finally:
        s3.only_known_keys(False)


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_who_does_not_answer_is_left_alone_for_a_while(
    kind: str, home: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "SILENT_SECONDS", 1.0)
    one = put(home, b"x" * LARGE_BYTES, "ab")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if kind == "gs":
            silent.close()  # its client takes two minutes for one that says nothing
        storage = Storage(Buckets(kind, port).url())  # pyright: ignore[reportArgumentType]  one of the two
        assert storage.takes(one)
        began = time.monotonic()
        with pytest.raises(ClusterUnreachable, match=f"127.0.0.1:{port} does not answer$"):
            storage.has(one)
        assert time.monotonic() - began < 60
    assert not storage.takes(one)
    assert "does not answer" in storage.problem


def test_a_server_without_tls_is_told(s3: Buckets, home: ObjectStore) -> None:
    with pytest.raises(ClusterUnreachable, match="there is no TLS"):
        Storage(s3.url().replace("scheme=http", "scheme=https")).has(put(home, b"x", "ab"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nowhere://bucket", "cannot be used"),
        ("s3://bucket/folder?endpoint=here", "`endpoint` is no option of it; there are region, scheme, endpoint_over"),
        ("s3:///folder", "write it as KIND://BUCKET/FOLDER"),
        ("gs://me:secret@bucket/folder", "without credentials"),
    ],
)
def test_a_url_that_means_nothing_is_told_with_what_would(url: str, why: str, home: ObjectStore) -> None:
    with pytest.raises(StoreError, match=why):
        Storage(url).has(put(home, b"x", "ab"))


RUN = """
    from instep import File, step

    @step
    def turned(data=File("big.bin")):
        return data.read_bytes()[::-1]
"""


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_what_a_run_takes_in_and_gives_goes_through_the_bucket(s3: Buckets, cluster: Cluster, tmp_path: Path) -> None:
    wire = Wire(cluster.address)
    more = f'storage = "{s3.url().replace("some/folder", tmp_path.name)}"\nfetch = "none"\n'
    site = Site(tmp_path / "site", wire.address, cluster.token, f"bucket-{tmp_path.name}", {"pipeline.py": RUN}, more)
    data = bytes(range(256)) * (6 * LARGE_BYTES // 256)
    (site.root / "big.bin").write_bytes(data)
    try:
        run = site.instep("run", "--on", "gpu", "--json")
        assert run["state"] == "done"
        assert "storage" not in run["err"]
        assert len(names(Storage(more.split('"')[1]))) == 2, "the input and the result"
        assert wire.up < 2 * LARGE_BYTES
        told = site.instep("out", f"{run['run']}/turned", str(tmp_path / "back.bin"))
        assert "fetching it from gpu" in told["err"], "it had stayed there until now"
        assert wire.down < 2 * LARGE_BYTES
        assert (tmp_path / "back.bin").read_bytes() == data[::-1]
    finally:
        site.stop()
        wire.close()
