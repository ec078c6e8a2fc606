"""Bringing home what lies on a cluster: objects and live files, by name, verified, in pieces where they are large.

A piece that has come is not asked for again: a transfer that was cut off goes on after the last whole piece.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..engine.errors import ClusterError, MissingObject, StoreError
from ..engine.snapshots.objects import ObjectStore, StoredObject
from .jobs import JobsPort
from .packs import alone, keep
from .places import PIECE_BYTES, linked, live_piece, object_file, piece_file
from .storage import Storage

AT_ONCE = 2
"""Pieces of an object that are read at once."""
WHOLE_BYTES = 128 << 20
"""The largest object that is asked for in one request where there are no pieces of it."""
Progress = Callable[[int, int], None]
"""Called with bytes that have come, and how many there are."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files of a project are on a cluster: the agent's node, and the store of both sides, if any."""

    port: JobsPort
    node: str
    slug: str
    storage: Storage | None = None

    def file(self, name: str) -> bytes | None:
        """A file below the folder that the agent serves; None if it is not there (yet).

        Nothing that is served is empty: Ray 2.60 answers one question in a hundred for a missing file with no bytes.
        """
        return self.port.read_file(self.node, f"{linked(self.slug)}/{name}") or None


def fetch_object(source: Source, one: StoredObject, objects: ObjectStore, progress: Progress | None = None) -> None:
    """Put an object into the store. Raises MissingObject if the cluster has lost it or has other bytes under its name,
    ClusterUnreachable if it cannot be asked now."""
    if objects.has(one.content_hash, one.format):
        return
    name = f"{one.content_hash}.{one.format}"
    path = objects.folder.parent / "partial" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with alone(path):
        if not objects.has(one.content_hash, one.format):
            _fetch(source, one, path, objects, progress)


def _fetch(source: Source, one: StoredObject, path: Path, objects: ObjectStore, progress: Progress | None) -> None:
    storage = source.storage
    if storage is not None and storage.takes(one):
        with suppress(ClusterError, StoreError):  # it may come the other way
            if storage.get(one, objects, path.parent):
                return
    try:
        _read_object(source, one, path, progress)
    except MissingObject:
        if storage is None or not storage.problem:
            raise
        raise MissingObject(storage.problem, mend="It is fetched when it is needed, or by `instep out`.") from None
    damaged: list[str] = []
    if not keep(one, path, objects, damaged):
        raise MissingObject(
            f"what came from the cluster for {path.name[:12]}… is not what it should be", mend="Run it again."
        )


def _read_object(source: Source, one: StoredObject, path: Path, progress: Progress | None) -> None:
    """Put its bytes at `path`. Raises MissingObject."""
    name = path.name
    if not one.bytes:
        path.write_bytes(b"")
        return
    if one.bytes > PIECE_BYTES:
        try:
            _append_pieces(source, one, name, path, progress)
            return
        except MissingObject:
            # The agent makes no pieces of what it has put into the store of both sides.
            if source.storage is None or one.bytes > WHOLE_BYTES:
                raise
    path.write_bytes(_read(source, object_file(name), name))


def _append_pieces(source: Source, one: StoredObject, name: str, path: Path, progress: Progress | None) -> None:
    count = math.ceil(one.bytes / PIECE_BYTES)
    have = path.stat().st_size // PIECE_BYTES if path.exists() else 0
    reads = [partial(_read, source, piece_file(name, number), name) for number in range(have, count)]
    with path.open("ab") as file:
        file.truncate(have * PIECE_BYTES)
        for data in _ahead(reads):
            file.write(data)
            file.flush()
            if progress is not None:
                progress(file.tell(), one.bytes)


def _ahead(reads: Iterable[Callable[[], bytes]]) -> Iterator[bytes]:
    """What each gives, in order, while those after it are read."""
    waiting: deque[Future[bytes]] = deque()
    for read in reads:
        waiting.append(_begun(read))
        if len(waiting) == AT_ONCE:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begun(read: Callable[[], bytes]) -> "Future[bytes]":
    """Read in a thread that keeps no process from ending."""
    future: Future[bytes] = Future()

    def go() -> None:
        try:
            future.set_result(read())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=go, name="fetch", daemon=True).start()
    return future


def _read(source: Source, filename: str, name: str) -> bytes:
    for _ in range(3):
        data = source.file(filename)
        if data is not None:
            return data
        time.sleep(0.2)
    raise MissingObject(f"the cluster has no object {name[:12]}… any more", mend="Run the step again.")


def fetch_live(source: Source, remote: str, target: Path, size: int) -> bool:
    """A live file, whole; False while it is not there. It may have grown since it had `size` bytes."""
    pieces = [live_piece(remote, number) for number in range(math.ceil(size / PIECE_BYTES))]
    names = [f"live/{remote}"] if len(pieces) == 1 else pieces
    parts = [source.file(name) for name in names]
    if None in parts:
        return False
    data = b"".join(part for part in parts if part)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(data)
    temporary.replace(target)
    return True
