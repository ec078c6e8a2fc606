"""A store of objects that both sides reach (`storage = "s3://bucket/path"`, `gs://`, `file://`): large ones go there
directly, once for all who work on the project, and only their hashes travel with the run.

What is there is not trusted: whoever takes an object out holds it against its hash. Credentials are those that each
side has for such a store; none are sent.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from ..engine.errors import ClusterUnreachable, StoreError
from ..engine.snapshots.objects import ObjectStore, StoredObject
from .packs import keep

LARGE_BYTES = 1 << 20
"""Smaller objects are quicker by the way that the run's news take."""


class Storage:
    """Objects below `url`. All methods raise ClusterUnreachable where the store does not answer as it should."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _place(self) -> tuple[Any, str]:  # Any: a file system of pyarrow, whose stubs are incomplete
        systems = _systems()
        try:
            system, path = systems.FileSystem.from_uri(self.url)
        except (OSError, ValueError) as error:
            what = f"storage {self.url} cannot be used: {error}"
            raise StoreError(what, mend="Mend `storage` in instep.toml.") from None
        return system, path.rstrip("/")

    def takes(self, one: StoredObject) -> bool:
        return one.bytes >= LARGE_BYTES

    def has(self, one: StoredObject) -> bool:
        system, _ = self._place
        try:
            info = system.get_file_info(self._path(one))
        except OSError as error:
            raise self._unreachable(error) from None
        return bool(info.type == _systems().FileType.File and info.size == one.bytes)

    def put(self, one: StoredObject, objects: ObjectStore) -> None:
        """Whoever reads sees it whole: it gets its name when all of it is there."""
        system, _ = self._place
        path = self._path(one)
        try:
            system.create_dir(path.rpartition("/")[0], recursive=True)
            temporary = f"{path}.{one.file_hash[:8]}.part"
            with (
                objects.path(one.content_hash, one.format).open("rb") as source,
                system.open_output_stream(temporary) as out,
            ):
                while block := source.read(8 << 20):
                    out.write(block)
            system.move(temporary, path)
        except OSError as error:
            raise self._unreachable(error) from None

    def get(self, one: StoredObject, objects: ObjectStore, partial: Path) -> bool:
        """Take an object out into the store here; False if it is not there, or is not what it should be."""
        if not self.has(one):
            return False
        system, _ = self._place
        target = partial / f"{one.content_hash}.{one.format}"
        try:
            with system.open_input_stream(self._path(one)) as source, target.open("wb") as out:
                while block := source.read(8 << 20):
                    out.write(block)
        except OSError as error:
            raise self._unreachable(error) from None
        return keep(one, target, objects, [])

    def _path(self, one: StoredObject) -> str:
        return f"{self._place[1]}/objects/{one.content_hash[:2]}/{one.content_hash}.{one.format}"

    def _unreachable(self, error: OSError) -> ClusterUnreachable:
        return ClusterUnreachable(f"storage {self.url} cannot be used: {str(error).splitlines()[0]}")


def _systems() -> Any:  # Any: its stubs are incomplete
    import importlib

    return importlib.import_module("pyarrow.fs")


def storage_of(url: str | None) -> Storage | None:
    return Storage(url) if url else None
