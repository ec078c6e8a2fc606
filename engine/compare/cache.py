"""Results of comparing two contents, kept by their hashes: contents never change, so neither do these.

A small folder of JSON files beside the journal; any of them may be deleted at any time.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from ..digest import digest
from ..ids import Json
from ..private_file import write_private

FOLDER: Final = "compared"
KEPT: Final = 2_000
"""Files; beyond that the oldest half goes."""

T = TypeVar("T")


def remembered(
    store: Path,
    what: tuple[Json, ...],
    make: Callable[[], T],
    write: Callable[[T], Mapping[str, Any]],  # Any: JSON
    read: Callable[[Mapping[str, Any]], T],  # Any: JSON
) -> T:
    """What `make` gives, or what it gave for the same `what` before. A file that cannot be read counts as none."""
    name = digest("compared/2", *what)
    path = store / FOLDER / name[:2] / f"{name}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        return read(json.loads(path.read_text(encoding="utf-8")))
    made = make()
    _keep(path, json.dumps(write(made), ensure_ascii=False))
    return made


def _keep(path: Path, text: str) -> None:
    """A disk that is full or read-only costs the next look a moment, nothing else."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, text.encode())
        if path.name.startswith("00"):  # one in 256: looking through the folder each time would cost more
            _prune(path.parent.parent)


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*/*.json"), key=lambda one: one.stat().st_mtime)
    for old in files[: len(files) // 2] if len(files) > KEPT else ():
        old.unlink(missing_ok=True)
