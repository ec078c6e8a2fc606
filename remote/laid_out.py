"""The snapshot of a request as a folder: code, configuration and data files at the places they had."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..engine.config_text import config_toml
from ..engine.snapshots.objects import ObjectStore
from .request import FileAt, Request


def lay_out(request: Request, folder: Path, store: Path, objects: ObjectStore) -> None:
    """Write what is missing or different in size; a second call after a crash finishes the first. Raises StoreError."""
    for one in request.files:
        _put(one, folder, objects)
    (folder / "instep.toml").write_text(config_toml(request.config))
    link = folder / ".instep"
    if not link.is_symlink():
        link.symlink_to(store)


def stand_ins(files: Iterable[FileAt]) -> list[FileAt]:
    """The files that are there by size and name only."""
    return [one for one in files if not one.needed]


def _put(one: FileAt, folder: Path, objects: ObjectStore) -> None:
    """A copy, not a link: a step may write to its input file, and the object must stay what it is."""
    target = folder / one.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    if target.exists() and target.stat().st_size == one.bytes:
        return
    if one.needed:
        shutil.copyfile(objects.path(one.content_hash, one.format), temporary)
    else:
        with temporary.open("wb") as file:
            file.truncate(one.bytes)
    os.utime(temporary, ns=(one.mtime_ns, one.mtime_ns))
    temporary.replace(target)
