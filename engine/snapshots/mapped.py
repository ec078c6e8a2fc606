"""Bytes of an object in memory, writable and private: what a consumer changes, nobody else sees.

Large ranges are mapped copy-on-write, so that loading costs no copy; small ones are read.
"""

import mmap
import os

from ..ids import Digest
from .objects import ObjectStore, missing

_SMALL = 1 << 16


def whole(objects: ObjectStore, content_hash: Digest, format: str) -> memoryview:
    """All bytes of an object. Raises MissingObject."""
    return span(objects, content_hash, format, 0, None)


def span(objects: ObjectStore, content_hash: Digest, format: str, offset: int, size: int | None) -> memoryview:
    """`size` bytes from `offset` (None: to the end). Raises MissingObject; EOFError if there are not as many."""
    try:
        file = os.open(objects.path(content_hash, format), os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise missing(content_hash, format) from None
    try:
        length = os.fstat(file).st_size
        size = length - offset if size is None else size
        if offset < 0 or size < 0 or offset + size > length:
            raise EOFError(f"it has {length:,} bytes, {offset + size:,} were expected")
        if size <= _SMALL:
            os.lseek(file, offset, os.SEEK_SET)
            return memoryview(bytearray(_read(file, size)))
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        mapping = mmap.mmap(file, offset + size - start, access=mmap.ACCESS_COPY, offset=start)
        return memoryview(mapping)[offset - start :]
    finally:
        os.close(file)


def _read(file: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = os.read(file, size - len(found))
        if not more:
            raise EOFError("it ends early")
        found += more
    return found
