"""Content-addressed files: put, get, has. `<store>/objects/ab/<content hash>.<format>`.

An object is written under a temporary name, synced, and renamed, so whatever has its final name is whole; the same
content put twice is stored once, also by two processes at once.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import MissingObject, Problem, StoreError
from ..ids import Digest

Write = Callable[[IO[bytes]], object]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it lies in the store; `file_hash` is blake3 (128 bits) of its bytes, which `verify` checks."""

    content_hash: Digest
    format: str
    bytes: int
    file_hash: Digest


class ObjectStore:
    """The objects below `store`; makes no promise about who refers to them (`retention.py` knows)."""

    def __init__(self, store: Path) -> None:
        self.folder = store / "objects"

    def path(self, content_hash: Digest, format: str) -> Path:
        return self.folder / content_hash[:2] / f"{content_hash}.{format}"

    def has(self, content_hash: Digest, format: str) -> bool:
        return os.path.exists(self.path(content_hash, format))

    def read(self, content_hash: Digest, format: str) -> bytes:
        """Raises MissingObject if it is not there."""
        try:
            return self.path(content_hash, format).read_bytes()
        except FileNotFoundError:
            raise missing(content_hash, format) from None

    def put(
        self, content_hash: Digest, format: str, content: bytes | Write, *, evictable: bool = False
    ) -> StoredObject:
        """Store bytes, or what a function writes. An `evictable` object is a copy that can be made again: it is not
        synced. Raises StoreError for a full disk or a read-only store."""
        target = self.path(content_hash, format)
        if target.exists():
            return self.describe(content_hash, format)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        try:
            try:
                file = temporary.open("wb")
            except FileNotFoundError:
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file = temporary.open("wb")
            with file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                if not evictable:
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        except OSError as error:
            raise _explained(error, self.folder, len(content) if isinstance(content, bytes) else None) from error
        finally:
            temporary.unlink(missing_ok=True)
        if isinstance(content, bytes):
            return StoredObject(content_hash, format, len(content), hash_bytes(content))
        return self.describe(content_hash, format)

    def put_file(self, content_hash: Digest, format: str, source: Path) -> StoredObject:
        """Store a copy of a file. Raises OSError if it cannot be read."""
        with source.open("rb") as file:
            return self.put(content_hash, format, lambda target: shutil.copyfileobj(file, target, _CHUNK))

    def adopt(self, content_hash: Digest, format: str, source: Path) -> None:
        """Move a whole file of the same file system into the store. Raises StoreError."""
        target = self.path(content_hash, format)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with source.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(source, target)
        except OSError as error:
            raise _explained(error, self.folder, None) from error

    def describe(self, content_hash: Digest, format: str) -> StoredObject:
        from ..files import hash_file

        path = self.path(content_hash, format)
        return StoredObject(content_hash, format, path.stat().st_size, hash_file(path))

    def quarantine(self, content_hash: Digest, format: str) -> Path:
        """Put an object whose bytes are not what they were out of the way; return where it lies now."""
        source = self.path(content_hash, format)
        target = self.folder / "quarantine" / source.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source.replace(target)
        return target

    def delete(self, content_hash: Digest, format: str) -> None:
        self.path(content_hash, format).unlink(missing_ok=True)

    def iter(self) -> Iterator[tuple[Digest, str, Path]]:
        """(content hash, format, path) of every object that is whole."""
        if not self.folder.is_dir():
            return
        for folder in sorted(self.folder.iterdir()):
            if len(folder.name) == 2 and folder.is_dir():
                for path in sorted(folder.iterdir()):
                    name, dot, format = path.name.partition(".")
                    if name and dot:
                        yield Digest(name), format, path


def split_name(name: str) -> tuple[Digest, str]:
    """`<content hash>.<format>` → both."""
    content, _, format = name.partition(".")
    return Digest(content), format


def hash_bytes(data: bytes) -> Digest:
    from blake3 import blake3

    return Digest(blake3(data).hexdigest(length=16))


def missing(content_hash: Digest, format: str) -> MissingObject:
    what = f"the object {content_hash[:12]}….{format} is not in the store"
    return MissingObject(Problem(what, mend="Run `instep verify`; the step that made it will be stale and run again."))


def _explained(error: OSError, folder: Path, size: int | None) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            free = 0
        short = f", {(size - free) / 1e6:,.1f} MB more are needed" if size and size > free else ""
        what = f"the disk with {folder.parent} is full: {free / 1e6:,.1f} MB are free{short}"
        return StoreError(what, mend="Free some space, or run `instep gc`; what was stored before is kept.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreError(f"cannot write to {folder} ({error.strerror})", mend="Make the store writable for you.")
    return StoreError(f"cannot write to {folder}: {error.strerror}")
