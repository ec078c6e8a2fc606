"""The agent's store for workers on other nodes: an actor beside the agent that hands out files in pieces.

It hands out objects of the store and the request of a run, and takes objects and lines of live files; a path that leads
elsewhere is refused.
"""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..engine.ids import Digest
from ..engine.snapshots.journal import Journal
from ..engine.snapshots.objects import ObjectStore, StoredObject
from .packs import Receiver, packed, pieces, unpacked
from .places import There


class Keeper:
    """Methods are called from several threads at once."""

    def __init__(self, base: str) -> None:
        self._there = There.at(Path(base))
        self._objects = ObjectStore(self._there.store)
        self._journal = Journal(self._there.journal)
        self._lock = threading.Lock()

    def request(self, run_id: str) -> dict[str, Any]:  # Any: JSON
        return json.loads(self._inside(self._there.base / "work" / f"{run_id}.json").read_bytes())

    def describe(self, names: Sequence[str]) -> list[StoredObject]:
        """Those of these objects (`<hash>.<format>`) that are here."""
        with self._lock:
            known = {f"{row[0]}.{row[1]}": row for row in self._journal.objects_named(names)}
        found: list[StoredObject] = []
        for name in names:
            content, _, format = name.partition(".")
            if name in known:
                found.append(StoredObject(*known[name][:4]))
            elif self._objects.has(Digest(content), format):
                found.append(self._objects.describe(Digest(content), format))
        return found

    def pack(self, one: StoredObject, offset: int) -> bytes:
        """A package with the piece of an object that begins at `offset`."""
        return packed(next(pieces([(one, offset)])), self._objects)

    def lacking(self, objects: Sequence[StoredObject]) -> list[StoredObject]:
        return [one for one in objects if not self._objects.has(one.content_hash, one.format)]

    def take(self, data: bytes, node: str) -> list[str]:
        """Take in a package from a node; the names of the objects that were damaged on the way."""
        folder = self._there.partial / node
        folder.mkdir(mode=0o700, exist_ok=True)
        for piece, _ in unpacked(data):
            self._inside(self._objects.path(piece.object.content_hash, piece.object.format))
        receiver = Receiver(folder, self._objects)
        receiver.take(data)
        return receiver.damaged

    def append(self, live: str, offset: int, data: bytes) -> None:
        """Lines of a live file, which is read here as those of workers on this node are; what is there already of them
        is not written twice."""
        path = self._inside(Path(live))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(data[max(0, os.fstat(descriptor).st_size - offset) :])

    def _inside(self, path: Path) -> Path:
        full = Path(os.path.normpath(path))
        if not full.is_relative_to(self._there.base):
            raise PermissionError(f"{path} is not in the store of this project")
        return full
