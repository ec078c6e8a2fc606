"""A store of objects that both sides reach (`storage = "s3://bucket/path"`, `gs://`, `file://`): large ones go there
directly, once for all who work on the project, and only their hashes travel with the run.

What is there is not trusted: whoever takes an object out holds it against its hash. Credentials are those that each
side has for such a store; none are sent. One that fails is left alone for a while, and what would go there takes the
way of everything else.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from ..engine.errors import ClusterUnreachable
from ..engine.snapshots.objects import ObjectStore, StoredObject
from .buckets import is_whole_at_once, opened, systems, told
from .packs import keep

LARGE_BYTES = 1 << 20
"""Smaller objects are quicker by the way that the run's news take."""
REST_SECONDS = 60.0
"""For how long a store that has failed is not asked again: it may take it half a minute to fail."""
_BLOCK = 8 << 20


class Storage:
    """Objects below `url`. `has`, `put` and `get` raise ClusterUnreachable where the store does not answer as it
    should, StoreError where `url` means nothing."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.problem = ""
        """What was wrong when it was last asked."""
        self._rests_until = 0.0

    @cached_property
    def _place(self) -> tuple[Any, str]:  # Any: a file system of pyarrow, whose stubs are incomplete
        return opened(self.url)

    def takes(self, one: StoredObject) -> bool:
        """Whether an object goes this way now."""
        return one.bytes >= LARGE_BYTES and time.monotonic() >= self._rests_until

    def has(self, one: StoredObject) -> bool:
        with self._asking():
            info = self._place[0].get_file_info(self._path(one))
        return bool(info.type == systems().FileType.File and info.size == one.bytes)

    def put(self, one: StoredObject, objects: ObjectStore) -> None:
        """Whoever reads sees it whole: it gets its name when all of it is there."""
        with self._asking(), objects.path(one.content_hash, one.format).open("rb") as source:
            system, path = self._place[0], self._path(one)
            if is_whole_at_once(system):
                self._write(system, path, source)
                return
            system.create_dir(path.rpartition("/")[0], recursive=True)
            temporary = f"{path}.{one.file_hash[:8]}.part"
            self._write(system, temporary, source)
            system.move(temporary, path)

    def get(self, one: StoredObject, objects: ObjectStore, partial: Path) -> bool:
        """Take an object out into the store here; False if it is not there, or is not what it should be."""
        if not self.has(one):
            return False
        target = partial / f"{one.content_hash}.{one.format}"
        with self._asking(), self._place[0].open_input_stream(self._path(one)) as source, target.open("wb") as out:
            while block := source.read(_BLOCK):
                out.write(block)
        return keep(one, target, objects, [])

    def _write(self, system: Any, path: str, source: Any) -> None:
        with system.open_output_stream(path) as out:
            while block := source.read(_BLOCK):
                out.write(block)

    def _path(self, one: StoredObject) -> str:
        return f"{self._place[1]}/objects/{one.content_hash[:2]}/{one.content_hash}.{one.format}"

    @contextmanager
    def _asking(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            self.problem = f"storage {self.url} cannot be used: {told(error, self.url)}"
            raise ClusterUnreachable(self.problem) from None
        self.problem = ""


def storage_of(url: str | None) -> Storage | None:
    return Storage(url) if url else None
