"""Two versions of a table side by side, from what was recorded when they were stored: no data is read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..ids import Digest
from ..snapshots.objects import ObjectStore
from .desk import Desk, Document, Request
from .outputs import artifact_of

_COLUMNS = """select content_hash, name, dtype, column_hash, nulls, summary from artifact_column
    where list_contains(?, content_hash) order by ord"""
Row = Mapping[str, Any]  # Any: a row of the catalog


def changes(desk: Desk, request: Request) -> Document:
    """{"content", "previous"} → {"rows": [before, after], "bytes": [before, after], "shared": leading blocks of rows
    that are the same in both, "columns": [COLUMN]} in the order of the new table, removed ones last. COLUMN is {"name",
    "state": "added"|"removed"|"retyped"|"equal"|"changed", "dtype": [before, after], "nulls": [before, after],
    "summary": [before, after], "rows": [before, after]}. Raises MissingObject."""
    after, before = str(request["content"]), str(request["previous"])
    old, new = artifact_of(desk, before), artifact_of(desk, after)
    with desk.reading() as found:
        rows = found.rows(_COLUMNS, [[before, after]])
    olds = {row["name"]: row for row in rows if row["content_hash"] == before}
    news = {row["name"]: row for row in rows if row["content_hash"] == after}
    parts = [_parts(desk, one) for one in (before, after)]
    return {
        "content": after,
        "previous": before,
        "rows": [old.rows, new.rows],
        "bytes": [old.bytes, new.bytes],
        "shared": _shared(*parts),
        "parts": [len(one) for one in parts],
        "columns": [
            _column(name, olds.get(name), news.get(name)) | {"rows": [old.rows, new.rows]}
            for name in dict.fromkeys([*news, *olds])
        ],
    }


def _column(name: str, old: Row | None, new: Row | None) -> Document:
    return {
        "name": name,
        "state": _state(old, new),
        "dtype": [one and one["dtype"] for one in (old, new)],
        "nulls": [one and one["nulls"] for one in (old, new)],
        "summary": [one and json.loads(one["summary"] or "null") for one in (old, new)],
    }


def _state(old: Row | None, new: Row | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old["dtype"] != new["dtype"]:
        return "retyped"
    return "equal" if old["column_hash"] == new["column_hash"] else "changed"


def _parts(desk: Desk, content: str) -> Sequence[str]:
    """The blocks of rows that a table is made of, by content; none where its manifest is gone: the recorded rest of
    the comparison is true without it."""
    objects = ObjectStore(desk.store)
    if not objects.has(Digest(content), "table"):
        return []
    return json.loads(objects.read(Digest(content), "table"))["parts"]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many leading blocks are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
