"""Is the store sound? And what is not, mended where that loses nothing."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from ..errors import StoreError
from ..files import hash_file
from ..ids import Digest, Json
from . import projector
from .duck import Damaged
from .objects import ObjectStore
from .upkeep import CacheRow, ObjectRow, Upkeep

_LEFT_OVER: Final = 600
"""Seconds after which a temporary file is nobody's any more."""


def verify(store: Path) -> dict[str, Json]:
    """Check everything; returns the document `verify` of docs/json.md. Raises StoreError where the journal itself
    cannot be read."""
    problems: list[Json] = []
    if (store / "journal.sqlite").is_file():
        with Upkeep(store / "journal.sqlite") as journal:
            problems += [_problem("journal", text, mended=False) for text in journal.check()]
            objects = ObjectStore(store)
            damaged = _damaged(journal, objects)
            problems += _mend_objects(journal, objects, damaged)
        problems += _check_catalog(store)
    problems += _left_over(store)
    unmended = [one for one in problems if isinstance(one, dict) and not one["mended"]]
    return {"sound": not unmended, "problems": problems}


def _problem(kind: str, subject: str, *, mended: bool) -> Json:
    return {"kind": kind, "subject": subject, "mended": mended}


def _damaged(journal: Upkeep, objects: ObjectStore) -> list[tuple[ObjectRow, bool]]:
    """(object, whether it is there) for every object that is not what it was."""

    def check(row: ObjectRow) -> tuple[ObjectRow, bool] | None:
        path = objects.path(row.content_hash, row.format)
        try:
            if path.stat().st_size == row.bytes and hash_file(path) == row.file_hash:
                return None
        except FileNotFoundError:
            return row, False
        except OSError:
            return row, True
        return row, True

    with ThreadPoolExecutor(2) as threads:
        return [found for found in threads.map(check, journal.object_rows()) if found is not None]


def _mend_objects(journal: Upkeep, objects: ObjectStore, damaged: list[tuple[ObjectRow, bool]]) -> Iterator[Json]:
    """Damaged objects go to the quarantine, and every result that needs one is forgotten: its step is stale again."""
    there = {path.name for _, _, path in objects.iter()}
    bad = {row.name for row, _ in damaged}
    results = [row for row in journal.cache_rows() if _needs_any(row, bad, there)]
    journal.drop(
        cache=results,
        objects=[(row.content_hash, row.format) for row, here in damaged if not here],
        quarantined=[(row.content_hash, row.format) for row, here in damaged if here],
    )
    for row, here in damaged:
        if here:
            objects.quarantine(row.content_hash, row.format)
            objects.delete(row.content_hash, "arrow")
        yield _problem("damaged" if here else "missing", row.name, mended=True)
    for row in results:
        if not _needs_any(row, bad, None):
            yield _problem("missing", f"an object of the result {row.step_key[:12]}…", mended=True)


def _needs_any(row: CacheRow, bad: set[str], there: set[str] | None) -> bool:
    names = row.object_names()
    return any(name in bad or (there is not None and name not in there) for name in names)


def _check_catalog(store: Path) -> Iterator[Json]:
    try:
        projector.project(store, wait=2.0)
    except Damaged as error:
        projector.set_aside(store, f"damaged-{int(time.time())}")
        projector.project(store, wait=2.0)
        yield _problem("catalog", error.problems[0].what, mended=True)
    except StoreError as error:
        yield _problem("catalog", error.problems[0].what, mended=False)


def _left_over(store: Path) -> Iterator[Json]:
    """What a process that was killed while writing left behind."""
    now = time.time()
    for path in (store / "objects").glob("*/.*.tmp"):
        try:
            if now - path.stat().st_mtime > _LEFT_OVER:
                path.unlink()
                yield _problem("left_over", path.name, mended=True)
        except OSError:
            continue


def quarantined(store: Path) -> list[str]:
    """The names of the objects in the quarantine."""
    return sorted(path.name for path in (store / "objects" / "quarantine").glob("*"))


def content_of(name: str) -> Digest:
    return Digest(name.partition(".")[0])


Report = dict[str, Any]  # Any: the document `verify`
