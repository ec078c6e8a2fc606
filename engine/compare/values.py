"""Arrays, plain values, lists, texts and objects held against each other. Nothing is ever unpickled."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
# A user's values are of any type.

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import StoreError
from ..snapshots.artifact import Artifact, ItemRef
from ..snapshots.objects import ObjectStore
from .cache import remembered
from .facts import OutputFact
from .lines import unified_text
from .table_sides import json_value

if TYPE_CHECKING:
    import numpy as np

Document = dict[str, Any]  # Any: JSON
TOLERANCE: Final = 1e-6
SHOWN: Final = 50
"""Paths, items or lines that are named; all are counted."""
_LONGEST: Final = 2_000_000
"""Characters of a text up to which its lines are aligned."""
_CHUNK: Final = 1 << 20
"""Items of an array that are in memory at once."""


def compare_values(store: Path, a: OutputFact, b: OutputFact) -> Document:
    """What differs between two outputs that are no tables; see docs/json.md for its keys. Where the bytes are gone,
    `note` says so."""

    def make() -> Document:
        try:
            return _compared(ObjectStore(store), a, b)
        except StoreError as error:
            return {"note": error.problems[0].what}

    if "note" in (found := remembered(store, ("value", a.content_hash, b.content_hash), make, dict, dict)):
        return make()
    return found


def _compared(objects: ObjectStore, a: OutputFact, b: OutputFact) -> Document:
    if a.format != b.format:
        return {"note": f"it was {_kind(a)} and is {_kind(b)}"}
    match a.format:
        case "npy":
            return _arrays(objects, a, b)
        case "json":
            return _plain(objects, a, b)
        case "sequence":
            return _sequences(objects, a, b)
        case _:
            same = a.carrier == b.carrier
            kind = a.carrier if same else f"{a.carrier} → {b.carrier}"
            return {"bytes_equal": False, "bytes": [a.bytes, b.bytes], "carrier": kind}


def _kind(one: OutputFact) -> str:
    return one.kind if one.kind != "object" else one.carrier


def artifact_of(one: OutputFact) -> Artifact:
    """As the formats want it."""
    return Artifact(
        one.content_hash, "value", one.format, one.carrier, one.bytes, one.rows, one.schema, inline=one.inline
    )


# Arrays


def _arrays(objects: ObjectStore, a: OutputFact, b: OutputFact) -> Document:
    from ..snapshots.value_formats import ArrayFormat

    left, right = (ArrayFormat().load(artifact_of(one), objects) for one in (a, b))
    found: Document = {
        "shape": [list(left.shape), list(right.shape)],
        "dtype": [str(left.dtype), str(right.dtype)],
        "max_absolute": None,
        "max_relative": None,
        "changed": None,
        "size": int(right.size),
        "within_tolerance": False,
        "tolerance": TOLERANCE,
    }
    if left.shape != right.shape:
        return found
    return found | _numbers(left.reshape(-1), right.reshape(-1))


def _numbers(left: "np.ndarray", right: "np.ndarray") -> Document:
    """Largest differences, in pieces. A NaN equals a NaN; against a number it is an infinite difference."""
    import numpy as np

    numeric = left.dtype.kind in "biufc" and right.dtype.kind in "biufc"
    absolute = relative = 0.0
    changed = 0
    within = numeric
    for start in range(0, left.size, _CHUNK):
        one, other = left[start : start + _CHUNK], right[start : start + _CHUNK]
        if not numeric:
            changed += int(np.count_nonzero(one != other))
            continue
        wide = np.complex128 if "c" in (left.dtype.kind, right.dtype.kind) else np.float64
        x, y = one.astype(wide), other.astype(wide)
        same = (one == other) | (np.isnan(x) & np.isnan(y))
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            apart = np.where(same, 0.0, np.abs(y - x))
            apart = np.where(np.isnan(apart), np.inf, apart)
            scaled = np.where(apart == 0, 0.0, apart / np.abs(x))
        changed += int(np.count_nonzero(~same))
        absolute = max(absolute, float(apart.max(initial=0.0)))
        relative = max(relative, float(np.where(np.isnan(scaled), np.inf, scaled).max(initial=0.0)))
        limit = TOLERANCE * np.maximum(1.0, np.where(np.isfinite(np.abs(x)), np.abs(x), 1.0))
        within = within and bool(np.all(apart <= limit))
    if not numeric:
        return {"changed": changed}
    return {
        "max_absolute": json_value(absolute),
        "max_relative": json_value(relative),
        "changed": changed,
        "within_tolerance": within,
    }


# Plain values and texts


def _plain(objects: ObjectStore, a: OutputFact, b: OutputFact) -> Document:
    from ..snapshots import canonical_json
    from ..snapshots.value_formats import json_text

    left, right = (canonical_json.loads(json_text(artifact_of(one), objects)) for one in (a, b))
    if isinstance(left, str) and isinstance(right, str):
        return _texts(left, right)
    found = list(_paths("$", left, right))
    return {"differing": len(found), "paths": found[:SHOWN], **_largest(found)}


def _largest(paths: Iterable[Document]) -> Document:
    """The largest differences among numbers that changed; null where none did."""
    pairs = [
        (float(one["before"]), float(one["after"]))
        for one in paths
        if one["change"] == "changed" and _is_number(one["before"]) and _is_number(one["after"])
    ]
    absolute = [math.inf if math.isnan(far := abs(after - before)) else far for before, after in pairs]
    relative = [far / abs(pair[0]) if pair[0] else math.inf for pair, far in zip(pairs, absolute, strict=True) if far]
    relative = [math.inf if math.isnan(one) else one for one in relative]
    return {
        "max_absolute": json_value(max(absolute)) if pairs else None,
        "max_relative": json_value(max(relative, default=0.0)) if pairs else None,
    }


def _is_number(value: Any) -> bool:  # Any: JSON
    """Also a NaN or an infinity, which JSON has as a text; a text that is one of these words counts as well."""
    return (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("NaN", "inf", "-inf")


def _texts(left: str, right: str) -> Document:
    if len(left) + len(right) > _LONGEST:
        return {"lines": [left.count("\n") + 1, right.count("\n") + 1], "note": "too long to be aligned"}
    diff = unified_text(left, right)
    return {
        "lines": [len(left.splitlines()), len(right.splitlines())],
        "added": sum(one.startswith("+") for one in diff),
        "removed": sum(one.startswith("-") for one in diff),
        "diff": diff[: 10 * SHOWN],
    }


def _paths(path: str, left: Any, right: Any) -> Iterator[Document]:  # Any: a user's values
    """Where two values differ, as deep as they have the same shape."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for name in dict.fromkeys((*left, *right)):
            inner = f"{path}.{name}" if str(name).isidentifier() else f"{path}[{name!r}]"
            if name not in left:
                yield {"path": inner, "change": "added", "before": None, "after": json_value(right[name])}
            elif name not in right:
                yield {"path": inner, "change": "removed", "before": json_value(left[name]), "after": None}
            else:
                yield from _paths(inner, left[name], right[name])
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple) and type(left) is type(right):
        for at in range(max(len(left), len(right))):
            inner = f"{path}[{at}]"
            if at >= len(left):
                yield {"path": inner, "change": "added", "before": None, "after": json_value(right[at])}
            elif at >= len(right):
                yield {"path": inner, "change": "removed", "before": json_value(left[at]), "after": None}
            else:
                yield from _paths(inner, left[at], right[at])
    elif not _same(left, right):
        yield {"path": path, "change": "changed", "before": _told(left), "after": _told(right)}


def _same(left: Any, right: Any) -> bool:  # Any: a user's values
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and math.isnan(left) and math.isnan(right):
        return True
    return bool(left == right)


def _told(value: Any) -> Any:  # Any: a user's value in, JSON out
    return json_value(value.item() if hasattr(value, "item") else value)


# Lists of what is stored by itself


def _sequences(objects: ObjectStore, a: OutputFact, b: OutputFact) -> Document:
    from ..snapshots.sequence_format import refs_of

    left, right = refs_of(artifact_of(a), objects), refs_of(artifact_of(b), objects)
    changed = [
        at
        for at, (one, other) in enumerate(zip(left, right, strict=False))
        if (one.content_hash, one.carrier) != (other.content_hash, other.carrier)
    ]
    return {
        "items": [len(left), len(right)],
        "changed": len(changed),
        "added": max(0, len(right) - len(left)),
        "removed": max(0, len(left) - len(right)),
        "shown": [{"item": at, "before": _item(left[at]), "after": _item(right[at])} for at in changed[:SHOWN]],
        **_largest(one for at in changed for one in _within(left[at], right[at])),
    }


def _within(a: ItemRef, b: ItemRef) -> Iterator[Document]:
    """Where two items differ, of those that are small enough to lie in the list itself."""
    from ..snapshots import canonical_json

    if a.inline is not None and b.inline is not None:
        yield from _paths("$", canonical_json.loads(a.inline), canonical_json.loads(b.inline))


def _item(one: ItemRef) -> Any:  # Any: JSON
    from ..snapshots import canonical_json

    return f"<{one.carrier}>" if one.inline is None else json_value(canonical_json.loads(one.inline))
